"""Numbers that follow from other numbers, computed again with rounding intervals (check 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.expressions import Equation, Side, equations
from npu_deliver.lint.reading.label import batches, many
from npu_deliver.lint.reading.markdown import bare
from npu_deliver.lint.reading.number import Interval, Number, numbers
from npu_deliver.lint.reading.quantity import Group, Quantity
from npu_deliver.lint.reading.submission import Document, Submission

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
_ONE_IMAGE = re.compile(r"单张|每张|单帧|per[ _-]image|/img|/image|per[ _-]frame", re.IGNORECASE)
_MEASURED_APART = re.compile(
    r"吞吐[^|]{0,20}(?:流水|连续提交|单独测|分开测)"
    r"|throughput[^|]{0,30}(?:pipelin|measured apart|back to back|not derived)",
    re.IGNORECASE,
)
"""A report that measures throughput with calls in flight says so; then it is no quotient of the latency."""
_WHOLE = re.compile(
    r"端到端|e2e|end.to.end|前处理|后处理|preproc|postproc|pre-?process|post-?process|含加载|decode|理论|theor|峰值|"
    r"peak",
    re.IGNORECASE,
)


def check(submission: Submission) -> Iterator[Finding]:
    """Every derived number of a submission."""
    apart = submission.says(_MEASURED_APART)
    for document in submission.documents:
        if document.kind in ("report", "log", "json"):
            for group in document.quantities.groups:
                yield from () if apart else _rate(document, group)
                yield from _variation(document, group)
            yield from _shares(document)
            yield from _expressions(document)
            yield from _differences(document)
            yield from _totals(document)


# FPS × latency = batch


def batch_of(document: Document, group: Group) -> tuple[int, ...]:
    """The batch sizes that a measurement may have had, from its own words outwards; empty where nothing says."""
    own = [q for q in group.quantities if q.kind == "batch"]
    if own:
        return tuple(int(q.number.value) for q in own)
    if named := batches(group.context):
        return named
    return document.batches_of(group.section)


def _rate(document: Document, group: Group) -> Iterator[Finding]:
    latencies = [q for q in group.one("latency", ("mean", "")) if q.number.value > 0]
    rates = [q for q in group.one("throughput", ("mean", "")) if q.number.value > 0 and not _WHOLE.search(q.label)]
    if not latencies or not rates or many(group.context):
        return
    if any(_WHOLE.search(q.label) for q in latencies) or len(rates) > 2 or len(latencies) > 3:
        return
    known = batch_of(document, group)
    for rate in rates:
        pairs = [q for q in latencies if not q.side or not rate.side or q.side == rate.side]
        means = [q for q in pairs if q.stat == "mean"] or pairs
        if not means:
            continue
        allowed = set(known or (1,)) | ({1} if group.shape != "row" or _ONE_IMAGE.search(group.context) else set())
        if any(_product(rate, q).lo <= b <= _product(rate, q).hi for q in means for b in allowed):
            continue
        product = rate.number.value * means[0].number.value
        if not known and abs(product - round(product)) <= 0.01 * product and 2 <= round(product) <= 256:
            continue  # a batch size that is not stated: check 21 says so
        if product > 1e4 or product < 1e-4:
            continue  # a unit was misread; that is no contradiction
        target = min(allowed, key=lambda b: abs(math.log(b / product)))
        expected = Interval(target, target) / means[0].number.span
        yield found(
            RATE,
            rate.at,
            Text(
                f"{rate.number.text} × {means[0].number.text} = {product:.4g}，应为 batch = {target}",
                f"{rate.number.text} × {means[0].number.text} = {product:.4g}, which should be the batch size, "
                f"{target}",
            ),
            expected=f"{expected} /s",
            got=rate.number.text,
            evidence=(means[0].at,),
        )


def _product(rate: Quantity, latency: Quantity) -> Interval:
    slack = _MEAN_STAT if latency.stat == "mean" else _UNSTATED_STAT
    return (rate.number.span * latency.number.span).wider(slack)


def _variation(_document: Document, group: Group) -> Iterator[Finding]:
    spreads, means = group.one("latency", ("std",)), group.one("latency", ("mean", ""))
    stated = [q for q in group.quantities if q.kind == "cv"]
    if len(spreads) != 1 or not means or len(stated) != 1:
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


# a/b (p %)

_COUNTS = re.compile(
    r"(?<![\d./])(?P<a>\d{1,15})\s*/\s*(?P<b>\d{1,15})\s*(?:\(|=|≈|,\s*即)\s*(?:约|~)?\s*(?P<p>\d+(?:\.\d+)?)\s*%"
)


def _shares(document: Document) -> Iterator[Finding]:
    for line, _ in document.search(_COUNTS):
        for match in _COUNTS.finditer(line.plain):
            a, b = int(match["a"]), int(match["b"])
            stated = next(numbers(match["p"] + "%"))
            if b and not stated.span.meets(Interval(100 * a / b, 100 * a / b)):
                yield found(
                    SHARE,
                    document.span(line.number),
                    Text(
                        f"{a}/{b} 是 {100 * a / b:.4g} %，不是 {match['p']} %",
                        f"{a}/{b} is {100 * a / b:.4g} %, not {match['p']} %",
                    ),
                    expected=f"{100 * a / b:.4g} %",
                    got=f"{match['p']} %",
                )


# |a - b|

_DIFF = re.compile(
    r"^(?:绝对|相对|abs(?:olute)?|rel(?:ative)?)?[\s_]*(?:差值?|误差|偏差|diff(?:erence)?|error|delta|δ|变化|"
    r"差异)\s*(?:\(.*\)|%)?$",
    re.IGNORECASE,
)
_SIDE_A = re.compile(
    r"^(?:cpu|gpu|参考|基准|reference|ref|golden|原始|cuda|pytorch)(?:[\s_/]*\S{0,12})?$", re.IGNORECASE
)
_SIDE_B = re.compile(r"^(?:npu|昇腾|ascend|适配|candidate|om)(?:[\s_/]*\S{0,12})?$", re.IGNORECASE)
_LOG_DIFF = re.compile(
    r"(?:CPU|GPU|ref|reference)\s*[=:]\s*(?P<a>[-+]?\d+\.\d+(?:[eE][-+]?\d+)?)\D{1,12}?"
    r"NPU\s*[=:]\s*(?P<b>[-+]?\d+\.\d+(?:[eE][-+]?\d+)?)",
    re.IGNORECASE,
)
_ABS = re.compile(
    r"abs(?:olute)?[_ ]?(?:diff|err\w*)\s*[=:]\s*(?P<n>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?!\s*/)", re.IGNORECASE
)
_REL = re.compile(
    r"rel(?:ative)?[_ ]?(?:diff|err\w*)\s*[=:]\s*(?P<n>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*%?)(?!\s*/)", re.IGNORECASE
)


def _differences(document: Document) -> Iterator[Finding]:
    for table in document.structure.tables:
        a, b, diff = (_column(table.header, pattern) for pattern in (_SIDE_A, _SIDE_B, _DIFF))
        if a is None or b is None or diff is None:
            continue
        for number, cells in table.rows:
            left, right, stated = (_only(cells[i]) if i < len(cells) else None for i in (a, b, diff))
            if left and right and stated and not _NOT_ONE_VALUE.search(cells[0]):
                relative = "%" in cells[diff] or "相对" in table.header[diff]
                yield from _difference(document.span(number), left, right, stated, relative=relative)
    yield from _logged_differences(document)


_NOT_ONE_VALUE = re.compile(r"最大|平均|max|mean|logits|shape|形状", re.IGNORECASE)


def _logged_differences(document: Document) -> Iterator[Finding]:
    for index, line in enumerate(document.lines):
        if line.zone in ("text", "log") and (sides := _LOG_DIFF.search(line.plain)):
            near = " ".join(follow.plain for follow in document.lines[index : index + 2])
            a_number, b_number = (next(numbers(sides[k]), None) for k in "ab")
            for pattern, relative in ((_ABS, False), (_REL, True)):
                match = pattern.search(near)
                number = next(numbers(match["n"]), None) if match else None
                if a_number and b_number and number:
                    yield from _difference(document.span(line.number), a_number, b_number, number, relative=relative)


def _column(header: tuple[str, ...], pattern: re.Pattern[str]) -> int | None:
    at = [i for i, cell in enumerate(header) if i and pattern.match(cell)]
    return at[0] if len(at) == 1 else None


def _only(cell: str) -> Number | None:
    found_numbers = list(numbers(bare(cell)))
    return found_numbers[0] if len(found_numbers) == 1 else None


def _difference(at: Span, a: Number, b: Number, diff: Number, *, relative: bool) -> Iterator[Finding]:
    if a.unit != b.unit or (a.span.lo <= 0 and relative):
        return
    gap = a.span - b.span
    size = Interval(max(0.0, gap.lo, -gap.hi), max(abs(gap.lo), abs(gap.hi)))
    options = [size]
    bases = [n.span for n in (a, b) if n.span.lo > 0 or n.span.hi < 0]
    if relative or diff.unit == "%":
        options += [(size / _positive(base)).times(100.0 if diff.unit == "%" else 1.0) for base in bases]
    if a.unit == "s" and not diff.unit:
        options.append(size.times(1e3))
    magnitude = diff.span if diff.value >= 0 else Interval(-diff.span.hi, -diff.span.lo)
    if not any(magnitude.meets(option) for option in options):
        expected = options[-1]
        yield found(
            DIFFERENCE,
            at,
            Text(f"{a.text} 与 {b.text} 之差不是 {diff.text}", f"{a.text} and {b.text} do not differ by {diff.text}"),
            expected=f"{expected} {diff.unit}".strip(),
            got=diff.text,
        )


def _positive(span: Interval) -> Interval:
    return span if span.lo > 0 else Interval(-span.hi, -span.lo)


# Totals

_TOTAL = re.compile(r"^(?:合计|总计|总和|总吞吐|total|sum|overall total|aggregate)(?:\s*[(（].*)?$", re.IGNORECASE)
_ADDITIVE = {"throughput", "count", "latency"}


def _totals(document: Document) -> Iterator[Finding]:
    for index, table in enumerate(document.structure.tables):
        rows = [bare(cells[0]) for _, cells in table.rows]
        for position, label in enumerate(rows):
            if not _TOTAL.match(label) or position < 2:
                continue
            for column in range(1, len(table.header)):
                yield from _total(document, index, position, column)


def _total(document: Document, table: int, position: int, column: int) -> Iterator[Finding]:
    at = [q for q in document.quantities.all if q.table == table and q.column == column and q.kind in _ADDITIVE]
    above = [q for q in at if q.row < position]
    totals = [q for q in at if q.row == position]
    if len(totals) != 1 or len(above) != position or totals[0].stat or any(q.stat for q in above):
        return
    total = totals[0]
    summed = Interval(sum(q.number.span.lo for q in above), sum(q.number.span.hi for q in above))
    largest = Interval(max(q.number.span.lo for q in above), max(q.number.span.hi for q in above))
    if not any(total.number.span.meets(option) for option in (summed, largest, summed.times(1 / len(above)))):
        yield found(
            TOTAL,
            total.at,
            Text(
                f"各行之和为 {summed}，不是 {total.number.text}",
                f"the rows add up to {summed}, not to {total.number.text}",
            ),
            expected=str(summed),
            got=total.number.text,
            evidence=tuple(q.at for q in above),
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
