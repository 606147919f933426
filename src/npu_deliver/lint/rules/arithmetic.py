"""Numbers that follow from other numbers, computed again with rounding intervals (check 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.arithmetic.derived import Difference, Share, Total, differences, shares, totals
from npu_deliver.lint.reading.arithmetic.expressions import Equation, Side, equations
from npu_deliver.lint.reading.arithmetic.rates import Paced, measured_apart, paced
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.pages.genre import foreign, is_own_report
from npu_deliver.lint.reading.quantities.quantity import Group, Quantity
from npu_deliver.lint.reading.words.number import Interval

RATE = rule("NPU004a")
SHARE = rule("NPU004d")
DIFFERENCE = rule("NPU004e")
TOTAL = rule("NPU004f")
VARIATION = rule("NPU004g")
EXPRESSION = rule("NPU004h")
RULES = (RATE, SHARE, DIFFERENCE, TOTAL, VARIATION, EXPRESSION)

_UNSTATED_STAT = 0.01
"""A latency of unstated statistic may be a median; the rate comes from the mean, so both may differ by a hundredth."""
_MEAN_STAT = 0.002
"""A stated mean and a rate from the wall clock differ by the loop around the calls: two thousandths."""
_MEASURED_APART = 0.1
"""A page that is no report on a port may have its rate and its time from two runs; they differ by a tenth at most."""
_LARGEST_BATCH = 256
"""A whole product up to this may be a batch size that nobody stated."""
_MISREAD = 1e4
"""A rate and a time whose product is over this, or under its inverse, have a unit that was misread."""


def check(submission: Submission) -> Iterator[Finding]:
    """Every derived number of a submission."""
    documents = [d for d in submission.documents if d.kind in ("report", "log", "json")]
    apart = any(document.facts(measured_apart) for document in submission.texts)
    for document in documents:
        for pair in () if apart else document.facts(paced):
            own = is_own_report(submission, document)
            if own or (pair.stated and not foreign(submission, document)):  # elsewhere an unstated batch may be any
                yield from _rate(pair, 0.0 if own else _MEASURED_APART)
        for group in document.quantities.groups:
            yield from _variation(group)
        for share in document.facts(shares):
            yield from _share(share)
        yield from _expressions(document)
        for difference in document.facts(differences):
            yield from _difference(difference)
        for total in document.facts(totals):
            yield from _total(total)


# FPS × latency = batch


def _rate(pair: Paced, slack: float) -> Iterator[Finding]:
    products = [_product(pair.rate, time).wider(slack) for time in pair.times]
    if any(product.lo <= size <= product.hi for product in products for size in pair.sizes):
        return
    first = pair.times[0]
    product = pair.rate.number.value * first.number.value
    unstated = not pair.stated and abs(product - round(product)) <= _UNSTATED_STAT * product
    if (unstated and 2 <= round(product) <= _LARGEST_BATCH) or not 1 / _MISREAD < product < _MISREAD:
        return
    target = min(pair.sizes, key=lambda b: abs(math.log(b / product)))
    yield found(
        RATE,
        pair.rate.at,
        Text(
            f"{pair.rate.number.text} × {first.number.text} = {product:.4g}，应为 batch = {target}",
            f"{pair.rate.number.text} × {first.number.text} = {product:.4g}, which should be the batch size, {target}",
        ),
        expected=f"{Interval(target, target) / first.number.span} /s",
        got=pair.rate.number.text,
        evidence=(first.at,),
    )


def _product(rate: Quantity, latency: Quantity) -> Interval:
    slack = _MEAN_STAT if latency.stat == "mean" else _UNSTATED_STAT
    return (rate.number.span * latency.number.span).wider(slack)


def _variation(group: Group) -> Iterator[Finding]:
    stated = [q for q in group.quantities if q.kind == "cv"]
    if len(stated) != 1:
        return
    spreads, means = group.one("latency", ("std",)), group.one("latency", ("mean", ""))
    if len(spreads) != 1 or not means:
        return
    cv, std = stated[0], spreads[0]
    options = [(std.number.span / mean.number.span).times(100.0 if cv.number.unit == "%" else 1.0) for mean in means]
    if not any(cv.number.span.meets(option) for option in options):
        yield found(
            VARIATION,
            cv.at,
            Text(
                f"{std.number.text} / {means[0].number.text} 不等于 {cv.number.text}",
                f"{std.number.text} / {means[0].number.text} is not {cv.number.text}",
            ),
            expected=f"{options[0]} {cv.number.unit}",
            got=cv.number.text,
            evidence=(std.at, means[0].at),
        )


# Shares, differences, totals


def _share(share: Share) -> Iterator[Finding]:
    a, b, right = share.part, share.whole, 100 * share.part / share.whole
    if not share.stated.span.meets(Interval(right, right)):
        stated = share.stated.text.rstrip("% ")
        yield found(
            SHARE,
            share.at,
            Text(f"{a}/{b} 是 {right:.4g} %，不是 {stated} %", f"{a}/{b} is {right:.4g} %, not {stated} %"),
            expected=f"{right:.4g} %",
            got=f"{stated} %",
        )


def _difference(difference: Difference) -> Iterator[Finding]:
    a, b, diff = difference.a, difference.b, difference.stated
    if a.unit != b.unit or (a.span.lo <= 0 and difference.relative):
        return
    options = list(_gaps(difference))
    magnitude = diff.span if diff.value >= 0 else Interval(-diff.span.hi, -diff.span.lo)
    if not any(magnitude.meets(option) for option in options):
        yield found(
            DIFFERENCE,
            difference.at,
            Text(f"{a.text} 与 {b.text} 之差不是 {diff.text}", f"{a.text} and {b.text} do not differ by {diff.text}"),
            expected=f"{options[-1]} {diff.unit}".strip(),
            got=diff.text,
        )


def _gaps(difference: Difference) -> Iterator[Interval]:
    """What the difference may be stated as: itself, a part of either side, or in milliseconds."""
    a, b, diff = difference.a, difference.b, difference.stated
    gap = a.span - b.span
    size = Interval(max(0.0, gap.lo, -gap.hi), max(abs(gap.lo), abs(gap.hi)))
    yield size
    if a.unit == "s" and not diff.unit:
        yield size.times(1e3)
    if difference.relative or diff.unit == "%":
        for base in (n.span for n in (a, b) if n.span.lo > 0 or n.span.hi < 0):
            yield (size / _positive(base)).times(100.0 if diff.unit == "%" else 1.0)


def _positive(span: Interval) -> Interval:
    return span if span.lo > 0 else Interval(-span.hi, -span.lo)


def _total(total: Total) -> Iterator[Finding]:
    parts, stated = [q.number.span for q in total.parts], total.total.number
    summed = Interval(sum(span.lo for span in parts), sum(span.hi for span in parts))
    largest = Interval(max(span.lo for span in parts), max(span.hi for span in parts))
    if not any(stated.span.meets(option) for option in (summed, largest, summed.times(1 / len(parts)))):
        yield found(
            TOTAL,
            total.total.at,
            Text(f"各行之和为 {summed}，不是 {stated.text}", f"the rows add up to {summed}, not to {stated.text}"),
            expected=str(summed),
            got=stated.text,
            evidence=tuple(q.at for q in total.parts),
        )


# Written calculations

_SCALES = (1.0, 100.0, 0.01)
_UNIT_SCALES = (1e3, 1e-3, 1024.0, 1 / 1024)
"""Per cent; milliseconds against seconds, MiB against GiB: an expression rarely says which of them it converts."""


def _expressions(document: Document) -> Iterator[Finding]:
    for equation in document.facts(equations):
        first = next(side for side in equation.sides if side.computed)
        known = list(_as_printed(equation, first))
        for side in equation.sides:
            if side is first or any(stated.meets(option) for stated in side.options for option in known):
                known += side.options
                continue
            right = min(
                (first.value * scale for scale in _scales(equation)), key=lambda value: _apart(value, side.value)
            )
            right *= 100.0 if side.percent else 1.0
            expected = f"{right:.{side.decimals}f}{' %' if side.percent else ''}"
            yield found(
                EXPRESSION,
                equation.at,
                Text(f"{first.text} 等于 {expected}，不是 {side.text}", f"{first.text} is {expected}, not {side.text}"),
                expected=expected,
                got=side.text,
            )
            break


def _as_printed(equation: Equation, side: Side) -> Iterator[Interval]:
    """What a computed side may stand as behind an equals sign: in other units, and in per cent as a change."""
    for option in side.options:
        yield from (option.times(scale) for scale in _scales(equation))
        if equation.percent:
            yield from (option.plus(-1.0), Interval(1 - option.hi, 1 - option.lo))


def _scales(equation: Equation) -> tuple[float, ...]:
    return _SCALES + (_UNIT_SCALES if any(side.converts for side in equation.sides) else ())


def _apart(value: float, other: float) -> float:
    return abs(math.log(value / other)) if value * other > 0 else math.inf
