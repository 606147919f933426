"""Speed-ups and percentages of improvement, computed again from the numbers beside them (check 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.arithmetic.claims import Claim, gains, speedups
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.words.number import Interval

SPEEDUP = rule("NPU004b")
GAIN = rule("NPU004c")
RULES = (SPEEDUP, GAIN)


def check(submission: Submission) -> Iterator[Finding]:
    """Every speed-up and gain of a submission's reports."""
    for document in submission.reports:
        for claim in document.facts(speedups):
            yield from _speedup(claim)
        for claim in document.facts(gains):
            yield from _gain(claim)


def _faster(new: Quantity, old: Quantity) -> Interval:
    """How many times as fast the new one is."""
    a, b = new.number.span, old.number.span
    return a / b if new.kind == "throughput" else b / a


def _speedup(claim: Claim) -> Iterator[Finding]:
    stated = claim.stated.number
    ratios = [(_faster(new, old), new, old) for new, old in claim.pairs]
    options = [r for r, _, _ in ratios] + [Interval(1, 1) / r for r, _, _ in ratios if r.lo > 0]
    options += [r.plus(-1.0) for r, _, _ in ratios if claim.added]
    if any(stated.span.meets(option) for option in options):
        return
    ratio, new, old = min(ratios, key=lambda item: _distance(item[0], stated.value))
    yield found(
        SPEEDUP,
        claim.stated.at,
        Text(
            f"{old.number.text} 与 {new.number.text} 之比为 {ratio}，不是 {stated.text}",
            f"{old.number.text} and {new.number.text} give {ratio}, not {stated.text}",
        ),
        expected=str(ratio),
        got=stated.text,
        evidence=(old.at, new.at),
    )


def _distance(ratio: Interval, value: float) -> float:
    middle = (ratio.lo + ratio.hi) / 2
    return abs(math.log(middle / value)) if middle > 0 and math.isfinite(middle) else math.inf


def _gain(claim: Claim) -> Iterator[Finding]:
    stated = claim.stated.number
    ratios = [(_faster(new, old), new, old) for new, old in claim.pairs]
    if any(stated.span.meets(option) for ratio, new, _ in ratios for option in _as_gains(claim, ratio, new)):
        return
    ratio, new, old = min(ratios, key=lambda item: abs(item[0].lo - 1 - stated.value / 100))
    yield found(
        GAIN,
        claim.stated.at,
        Text(
            f"以 {old.number.text} 为基准，{new.number.text} 的提升为 {_percent(ratio)}，不是 {stated.text}",
            f"against {old.number.text}, {new.number.text} is a gain of {_percent(ratio)}, not {stated.text}",
        ),
        expected=_percent(ratio),
        got=stated.text,
        evidence=(old.at, new.at),
    )


def _as_gains(claim: Claim, ratio: Interval, new: Quantity) -> Iterator[Interval]:
    stated = claim.stated
    faster = ratio.plus(-1.0).times(100.0)
    saved = (Interval(1, 1) / ratio) if ratio.lo > 0 else ratio
    reduced = Interval(100 * (1 - saved.hi), 100 * (1 - saved.lo))
    yield faster
    yield ratio.times(100.0)
    if new.kind != "throughput" or stated.table < 0:
        yield reduced
    if not stated.number.signed:
        yield Interval(-faster.hi, -faster.lo)
        yield Interval(-reduced.hi, -reduced.lo)
    elif new.kind != "throughput":  # a stage table may give the change of the latency, which is negative
        yield Interval(-reduced.hi, -reduced.lo)
        yield Interval(-faster.hi, -faster.lo)


def _percent(ratio: Interval) -> str:
    return f"{100 * (ratio.lo - 1):.3g} – {100 * (ratio.hi - 1):.3g} %"
