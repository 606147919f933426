"""Ratio columns against the two columns that they name (check 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.arithmetic.ratios import Entry, Ratio, ratios
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.speeds.spoken_ratios import SpokenRatio, spoken_ratios
from npu_deliver.lint.reading.words.number import Interval, Number

RATIO = rule("NPU004i")
RULES = (RATIO,)

_SAME_FACTOR = 0.02
"""Ratios that all differ from the quotient by one factor, to two hundredths, have another definition."""

_DEFINITIONS: tuple[Callable[[Interval, Interval], Interval], ...] = (
    lambda a, b: a / b,
    lambda a, b: b / a,
    lambda a, b: (a / b).plus(-1.0),
    lambda a, b: (b / a).plus(-1.0),
)
"""What people mean by ``A/B``: the quotient, that of two latencies, and either as a gain."""


def check(submission: Submission) -> Iterator[Finding]:
    """Every ratio column of a submission's reports."""
    for document in submission.reports:
        for ratio in document.facts(ratios):
            yield from _ratio(ratio)
        for spoken in document.facts(spoken_ratios):
            yield from _spoken(spoken)


def _ratio(ratio: Ratio) -> Iterator[Finding]:
    agreeing = [[_agrees(entry, meant) for entry in ratio.entries] for meant in _DEFINITIONS]
    counts = [sum(row) for row in agreeing]
    if not max(counts):
        if _otherwise_defined(ratio):
            return
        counts[0] = 1
    best = counts.index(max(counts))
    largest = max(entry.stated.value for entry in ratio.entries)
    for entry, right in zip(ratio.entries, agreeing[best], strict=True):
        if not right and not (entry.best and entry.stated.value == largest):
            yield _told(ratio, entry, _DEFINITIONS[best])
            if not any(agreeing[best]):
                return


def _agrees(entry: Entry, meant: Callable[[Interval, Interval], Interval]) -> bool:
    return _stated(entry.stated).meets(meant(entry.upper.span, entry.lower.span))


def _stated(number: Number) -> Interval:
    """What a ratio stands for; one without decimals may be cut off like any other: ``11`` for 11.9."""
    span = Interval(number.span.lo, number.value + 1.0) if number.integer and number.value > 0 else number.span
    return span.times(0.01) if number.unit == "%" else span


def _otherwise_defined(ratio: Ratio) -> bool:
    """Whether none agrees because all follow one other definition: a constant factor, or two other columns."""
    if len(ratio.entries) < 2:
        return False
    factors = [e.stated.value * e.lower.value / e.upper.value for e in ratio.entries]
    if max(factors) <= min(factors) * (1 + _SAME_FACTOR):
        return True
    stated = [_stated(entry.stated) for entry in ratio.entries]
    return any(
        all(
            a is not None and b is not None and s.meets(a.span / b.span)
            for s, a, b in zip(stated, upper, lower, strict=True)
        )
        for upper in ratio.others
        for lower in ratio.others
        if upper is not lower
    )


def _told(ratio: Ratio, entry: Entry, meant: Callable[[Interval, Interval], Interval]) -> Finding:
    span = meant(entry.upper.span, entry.lower.span)
    decimals = max(2, len(entry.stated.text.partition(".")[2].rstrip("% xX×倍")))
    expected = f"{(span.lo + span.hi) / 2 * (100 if entry.stated.unit == '%' else 1):.{decimals}f}"
    got, up, low = entry.stated.text, entry.upper.text, entry.lower.text
    return found(
        RATIO,
        entry.at,
        Text(
            f"“{ratio.name}” 由 {up} 与 {low} 算得 {expected}，不是 {got}",
            f"'{ratio.name}' is {expected} from {up} and {low}, not {got}",
        ),
        expected=expected,
        got=got,
    )


def _spoken(spoken: SpokenRatio) -> Iterator[Finding]:
    stated = spoken.stated
    if any(stated.span.meets(ratio) for ratio, _, _ in spoken.ratios):
        return
    ratio, upper, lower = min(spoken.ratios, key=lambda item: abs(item[0].lo - stated.value))
    right = f"{(ratio.lo + ratio.hi) / 2:.2f}"
    yield found(
        RATIO,
        spoken.at,
        Text(
            f"这里说 {spoken.upper} 是 {spoken.lower} 的 {stated.text}，表中最接近的是 {upper.number.text} 与 "
            f"{lower.number.text}，为 {right} 倍",
            f"this calls {spoken.upper} {stated.text} {spoken.lower}; the nearest in the tables, {upper.number.text} "
            f"and {lower.number.text}, give {right}",
        ),
        expected=right,
        got=stated.text,
        evidence=(upper.at, lower.at),
    )
