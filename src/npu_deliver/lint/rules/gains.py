"""Speed-ups and percentages of improvement, computed again from the numbers beside them (check 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.label import many, meaning
from npu_deliver.lint.reading.number import Interval
from npu_deliver.lint.reading.quantity import Quantity
from npu_deliver.lint.reading.submission import Document, Submission

SPEEDUP = rule("NPU004b")
GAIN = rule("NPU004c")
RULES = (SPEEDUP, GAIN)


def check(submission: Submission) -> Iterator[Finding]:
    """Every speed-up and gain of a submission's reports."""
    for document in submission.reports:
        yield from _speedups(document)
        yield from _gains(document)


_BASE = re.compile(
    r"基线|基准|baseline|原始|before|优化前|eager|cpu|gpu|fp32|单卡|single|batch\s*=?\s*1\b|原模型|默认|default|"
    r"naive|npu:\d",
    re.IGNORECASE,
)


def _operands(document: Document, claim: Quantity) -> tuple[list[Quantity], list[Quantity]]:
    """(what the claim's own row or line measured, what it may be compared with)."""
    every = [
        q
        for q in document.quantities.all
        if q.kind in ("latency", "throughput", "total_time") and q.stat in ("", "mean", "p50")
    ]
    if claim.table < 0:
        return [], [q for q in every if q.at == claim.at]
    here = [q for q in every if q.table == claim.table]
    if any(q.column == claim.column for q in here) or (
        meaning(document.structure.tables[claim.table].header[claim.column] or "") is None
    ):
        own, others = [q for q in here if q.row == claim.row or q.column == claim.column], here
    else:
        own = [q for q in here if q.row == claim.row]
        others = [q for q in here if q.row != claim.row] + own
    anywhere = many(claim.at.text)
    bases = [q for q in every if q.table != claim.table and (anywhere or _BASE.search(f"{q.context} {q.at.text}"))]
    return own, others + bases


def _ratios(own: Iterable[Quantity], others: Iterable[Quantity]) -> Iterator[tuple[Interval, Quantity, Quantity]]:
    """How many times faster each own value is than each other one."""
    others = list(others)
    for new in own:
        for old in others:
            if new is old or new.kind != old.kind or new.number.span.lo <= 0 or old.number.span.lo <= 0:
                continue
            ratio = old.number.span / new.number.span if new.kind != "throughput" else new.number.span / old.number.span
            yield ratio, new, old


def _speedups(document: Document) -> Iterator[Finding]:
    for claim in document.quantities.all:
        if claim.kind != "speedup" or claim.number.bound or claim.number.value <= 0 or not _checkable(claim):
            continue
        own, others = _operands(document, claim)
        if claim.table < 0:
            own, others = _spoken(document, others)
        ratios = list(_ratios(own or others, others))
        if not ratios or (abs(claim.number.value - 1) < 1e-9):
            continue
        if claim.table >= 0 and not any(
            old.row != claim.row or old.table != claim.table or new.row == old.row for _, new, old in ratios
        ):
            continue
        options = [ratio for ratio, _, _ in ratios] + [Interval(1, 1) / ratio for ratio, _, _ in ratios if ratio.lo > 0]
        options += [r.plus(-1.0) for r, _, _ in ratios if re.search(r"提升|提高|增加", claim.context)]
        if any(claim.number.span.meets(option) for option in options):
            continue
        ratio, new, old = min(ratios, key=lambda item: _distance(item[0], claim.number.value))
        yield found(
            SPEEDUP,
            claim.at,
            Text(
                f"{old.number.text} 与 {new.number.text} 之比为 {ratio}，不是 {claim.number.text}",
                f"{old.number.text} and {new.number.text} give {ratio}, not {claim.number.text}",
            ),
            expected=str(ratio),
            got=claim.number.text,
            evidence=(old.at, new.at),
        )


def _spoken(document: Document, near: list[Quantity]) -> tuple[list[Quantity], list[Quantity]]:
    """The operands of a speed-up in prose: two times of its line, or the line's CPU time and any other side's."""
    times = [q for q in near if q.kind == "latency"]
    if len(times) == 2:
        return times, times
    rates = [q for q in near if q.kind == "throughput"]
    if len(rates) == 2 and not times:
        return rates, rates
    if len(times) == 1 and times[0].side in ("cpu", "gpu"):
        base = times[0]
        every = document.quantities.all
        return [q for q in every if q.kind == "latency" and q.stat in ("", "mean") and q.side != base.side], [base]
    return [], []


def _pair(quantities: list[Quantity], kind: str) -> bool:
    return sum(q.kind == kind for q in quantities) == 2


def _distance(ratio: Interval, value: float) -> float:
    middle = (ratio.lo + ratio.hi) / 2
    return abs(math.log(middle / value)) if middle > 0 and math.isfinite(middle) else math.inf


def _checkable(claim: Quantity) -> bool:
    """Whether the operands of a claim should be at hand: theory and published numbers are not."""
    return not re.search(
        r"理论|theor|预期|expected|目标|target|论文|paper|官方|official|显存|memory|内存|效率|efficien|scal",
        claim.context,
        re.IGNORECASE,
    )


def _gains(document: Document) -> Iterator[Finding]:
    for claim in document.quantities.all:
        if claim.kind != "gain" or claim.number.unit != "%" or claim.number.bound or not _checkable(claim):
            continue
        own, others = _operands(document, claim)
        if claim.table < 0:
            kinds = [kind for kind in ("latency", "throughput") if _pair(others, kind)]
            if len(kinds) != 1 or len(others) > 3:
                continue
            own = others = [q for q in others if q.kind == kinds[0]]
        ratios = list(_ratios(own, others))
        if claim.table >= 0 and not any(
            old.table == claim.table and (old.row, old.column) != (new.row, new.column) for _, new, old in ratios
        ):
            continue
        options = [option for item in ratios for option in _as_gains(claim, *item)]
        if not options or any(claim.number.span.meets(option) for option in options):
            continue
        ratio, new, old = min(ratios, key=lambda item: abs(item[0].lo - 1 - claim.number.value / 100))
        yield found(
            GAIN,
            claim.at,
            Text(
                f"以 {old.number.text} 为基准，{new.number.text} 的提升为 {_percent(ratio)}，不是 {claim.number.text}",
                f"against {old.number.text}, {new.number.text} is a gain of {_percent(ratio)}, not {claim.number.text}",
            ),
            expected=_percent(ratio),
            got=claim.number.text,
            evidence=(old.at, new.at),
        )


def _as_gains(claim: Quantity, ratio: Interval, new: Quantity, _old: Quantity) -> Iterator[Interval]:
    faster = ratio.plus(-1.0).times(100.0)
    saved = (Interval(1, 1) / ratio) if ratio.lo > 0 else ratio
    reduced = Interval(100 * (1 - saved.hi), 100 * (1 - saved.lo))
    yield faster
    yield ratio.times(100.0)
    if new.kind != "throughput" or claim.table < 0:
        yield reduced
    if not claim.number.signed:
        yield Interval(-faster.hi, -faster.lo)
        yield Interval(-reduced.hi, -reduced.lo)
    elif new.kind != "throughput":  # a stage table may give the change of the latency, which is negative
        yield Interval(-reduced.hi, -reduced.lo)
        yield Interval(-faster.hi, -faster.lo)


def _percent(ratio: Interval) -> str:
    return f"{100 * (ratio.lo - 1):.3g} – {100 * (ratio.hi - 1):.3g} %"
