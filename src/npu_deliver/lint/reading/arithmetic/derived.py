"""Numbers that follow from numbers beside them: shares of counts, differences of two sides, totals of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.markup.markdown import bare
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.words.number import Number, numbers

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document


# a/b (p %)


@dataclass(frozen=True, slots=True)
class Share:
    """``a/b (p %)``: two counts and the percentage that they are said to be."""

    at: Span
    part: int
    whole: int
    stated: Number


_COUNTS = re.compile(
    r"(?<![\d./])(?P<a>\d{1,15})\s*/\s*(?P<b>\d{1,15})\s*(?:\(|=|≈|,\s*即)\s*(?:约|~)?\s*(?P<p>\d+(?:\.\d+)?)\s*%"
)


def shares(document: Document) -> list[Share]:
    """The shares that are printed with their counts."""
    return [
        Share(document.span(line.number), int(match["a"]), int(match["b"]), next(numbers(match["p"] + "%")))
        for line, _ in document.search(_COUNTS)
        for match in _COUNTS.finditer(line.plain)
        if int(match["b"])
    ]


# |a - b|


@dataclass(frozen=True, slots=True)
class Difference:
    """The values of two sides and their stated difference; ``relative`` where it is stated as a part of one of them."""

    at: Span
    a: Number
    b: Number
    stated: Number
    relative: bool


_DIFF = re.compile(
    r"^(?:绝对|相对|abs(?:olute)?|rel(?:ative)?)?[\s_]*(?:差值?|误差|偏差|diff(?:erence)?|error|delta|δ|变化|"
    r"差异)\s*(?:\(.*\)|%)?$",
    re.IGNORECASE,
)
_SIDE_A = re.compile(
    r"^(?:cpu|gpu|参考|基准|reference|ref|golden|原始|cuda|pytorch)(?:[\s_/]*\S{0,12})?$", re.IGNORECASE
)
_SIDE_B = re.compile(r"^(?:npu|昇腾|ascend|适配|candidate|om)(?:[\s_/]*\S{0,12})?$", re.IGNORECASE)
_NOT_ONE_VALUE = re.compile(r"最大|平均|max|mean|logits|shape|形状", re.IGNORECASE)
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


def differences(document: Document) -> list[Difference]:
    """The differences of two sides that a table or a log prints with both."""
    return [*_tabled(document), *_logged(document)]


def _tabled(document: Document) -> Iterator[Difference]:
    for table in document.structure.tables:
        a, b, diff = (_column(table.header, pattern) for pattern in (_SIDE_A, _SIDE_B, _DIFF))
        if a is None or b is None or diff is None:
            continue
        for line, cells in table.rows:
            left, right, stated = (_only(cells[i]) if i < len(cells) else None for i in (a, b, diff))
            if left and right and stated and not _NOT_ONE_VALUE.search(cells[0]):
                relative = "%" in cells[diff] or "相对" in table.header[diff]
                yield Difference(document.span(line), left, right, stated, relative)


def _logged(document: Document) -> Iterator[Difference]:
    for index, line in enumerate(document.lines):
        if line.zone in ("text", "log") and (sides := _LOG_DIFF.search(line.plain)):
            near = " ".join(follow.plain for follow in document.lines[index : index + 2])
            a, b = (next(numbers(sides[k]), None) for k in "ab")
            for pattern, relative in ((_ABS, False), (_REL, True)):
                match = pattern.search(near)
                stated = next(numbers(match["n"]), None) if match else None
                if a and b and stated:
                    yield Difference(document.span(line.number), a, b, stated, relative)


def _column(header: tuple[str, ...], pattern: re.Pattern[str]) -> int | None:
    at = [i for i, cell in enumerate(header) if i and pattern.match(cell)]
    return at[0] if len(at) == 1 else None


def _only(cell: str) -> Number | None:
    found = list(numbers(bare(cell)))
    return found[0] if len(found) == 1 else None


_CHANGE = {
    "latency": re.compile(r"变化|差|diff|change|delta|Δ|vs"),
    "share": re.compile(r"变化|差|diff|change|delta|Δ|↓|downarrow|drop|loss|degrad|gap|下降|降低|损失", re.IGNORECASE),
    "error": re.compile(r"logit|log10|差值"),
}


def is_change(quantity: Quantity) -> bool:
    """Whether the words around a quantity make it a change or a logarithm, which may be negative."""
    kind = "share" if quantity.kind.startswith("accuracy") else quantity.kind
    return bool(_CHANGE[kind if kind in _CHANGE else "error"].search(quantity.context))


# Totals


@dataclass(frozen=True, slots=True)
class Total:
    """A row that calls itself the total of a column, and the rows above it."""

    total: Quantity
    parts: tuple[Quantity, ...]


_TOTAL = re.compile(r"^(?:合计|总计|总和|总吞吐|total|sum|overall total|aggregate)(?:\s*[(（].*)?$", re.IGNORECASE)
_ADDITIVE = {"throughput", "count", "latency"}


def totals(document: Document) -> list[Total]:
    """The totals below at least two rows that each have one number of the column's kind."""
    return [
        found
        for index, table in enumerate(document.structure.tables)
        for position, (_, cells) in enumerate(table.rows)
        if position > 1 and _TOTAL.match(bare(cells[0]))
        for column in range(1, len(table.header))
        if (found := _total(document, index, position, column))
    ]


def _total(document: Document, table: int, position: int, column: int) -> Total | None:
    at = [q for q in document.quantities.all if q.table == table and q.column == column and q.kind in _ADDITIVE]
    above = tuple(q for q in at if q.row < position)
    here = [q for q in at if q.row == position]
    if len(here) != 1 or len(above) != position or here[0].stat or any(q.stat for q in above):
        return None
    return Total(here[0], above)
