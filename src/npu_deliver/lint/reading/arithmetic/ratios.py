"""Columns and rows that say of themselves that they are the ratio of two others: ``310P/310``, ``NPU vs GPU``.

A name is taken for a ratio only where both of its parts name other series of numbers of the same table; ``AP / FPS`` or
``torch / torch_npu`` are pairs of names, and the cells below them hold two things each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.markup.markdown import Table
from npu_deliver.lint.reading.quantities.table import ROWS_LIMIT
from npu_deliver.lint.reading.speeds.trial_words import BEST, SPEEDS, words
from npu_deliver.lint.reading.words.label import meaning, side
from npu_deliver.lint.reading.words.number import Number, numbers
from npu_deliver.lint.reading.words.settings import settings

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_UNITS = re.compile(
    r"\((?:[\w./%]*(?:fps|ms|s/\w+|/s|秒|%|img|倍|x)[\w./%]*|比值?|倍数?|单位[^)]*)\)|(?<![a-z])(?:fps|ms)(?![a-z])|帧/秒",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:性能|加速|吞吐)?比值?(?=[\s\w(])|性能|吞吐率?|帧率|时延|延迟|耗时|推理|平均|比值|比例|倍数|加速比?|提升|之比|单卡|离线|performance|throughput|latency|ratio"
    r"|speed-?\s?up|speed|benefit|ascend|atlas|昇腾|\binf\b|\bperf\b|的|为|比$",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"^(?P<a>[^/:÷]{1,40}?)\s*(?:[/:÷]|\bvs\b\.?|\bover\b|相比|对比|相对于?|比)\s*(?P<b>[^/:÷]{1,40})$", re.IGNORECASE
)
_AGAINST = re.compile(
    r"^(?:性能|加速比|speed-?\s?up)?\s*(?:vs\.?|over|against|对比|相比|相对于?|与|较)\s*(?P<b>[^/:]{1,30}?)"
    r"(?:性能)?的?(?:比值?|倍数|加速比|提升|之比|speed-?\s?up)?$",
    re.IGNORECASE,
)
_MEASURED = frozenset({"chip", "dtype", "stage", "format"})
_UNNAMED = re.compile(r"^(?:加速比|性能比|比值|倍数|加速倍数|speed-?\s?up|ratio)$", re.IGNORECASE)
_MAYBE = re.compile(r"[/:÷]|speed|ratio|倍|\bvs\b|\bover\b|相比|对比|相对|比|\bto\b", re.IGNORECASE)
_TO = re.compile(r"\((?P<b>[^()]{1,30}?)\s+to\s+(?P<a>[^()]{1,30}?)\)\s*$", re.IGNORECASE)
_NO_SPEED = re.compile(
    r"精度|acc|(?<![a-z])m?ap(?![a-z])|loss|误差|显存|内存|mem|epoch|batch|(?<![a-z])bs(?![a-z])|卡数|num"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stated ratio with its two operands; ``best`` in a row of the best values, whose ratio may be the best one."""

    at: Span
    stated: Number
    upper: Number
    lower: Number
    best: bool


@dataclass(frozen=True, slots=True)
class Ratio:
    """A series that is named after two others. ``others`` are the ratios' operands in all series, entry by entry."""

    name: str
    table: int
    entries: tuple[Entry, ...]
    others: tuple[tuple[Number | None, ...], ...]


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    tokens: frozenset[str]
    numbers: tuple[Number | None, ...]


def ratios(document: Document) -> list[Ratio]:
    """The ratio columns and ratio rows of a document's tables."""
    return [
        found for index, table in enumerate(document.structure.tables) for found in _of_table(document, index, table)
    ]


def _of_table(document: Document, index: int, table: Table) -> Iterator[Ratio]:
    if not any(_MAYBE.search(cell) for cell in (*table.header, *(cells[0] for _, cells in table.rows if cells))):
        return
    header = tuple(words(cell) for cell in table.header)
    rows = [tuple(words(cell) for cell in cells) for _, cells in table.rows[:ROWS_LIMIT]]
    labels = ["" if not cells or "`" in raw[0] else cells[0] for cells, (_, raw) in zip(rows, table.rows, strict=False)]
    spans = [Span(document.file, line, " | ".join(cells)[:300]) for line, cells in table.rows[:ROWS_LIMIT]]
    best = [any(BEST.search(cell) for cell in cells) for cells in rows]
    if any(_is_ratio(name) for name in header):
        columns = [
            _series(name, tuple(_only(cells[i]) if i < len(cells) else None for cells in rows))
            for i, name in enumerate(_own_names(header))
        ]
        yield from _named_after_two(index, columns, spans, best)
    if any(_is_ratio(name) for name in labels):
        lines = [
            _series(name, tuple(_only(cell) for cell in cells[1:])) for name, cells in zip(labels, rows, strict=True)
        ]
        for found, span in ((f, spans[labels.index(f.name)]) for f in _named_after_two(index, lines, [], [])):
            yield Ratio(
                found.name,
                index,
                tuple(Entry(span, e.stated, e.upper, e.lower, best=False) for e in found.entries),
                found.others,
            )


def _own_names(header: tuple[str, ...]) -> tuple[str, ...]:
    """The header without the names of groups: over several columns a name belongs to none of them alone."""
    behind = (*header[1:], "end")
    return tuple(name if follows else "" for name, follows in zip(header, behind, strict=True))


def _only(cell: str) -> Number | None:
    """The one number of a cell; None for a cell of several or of none."""
    found = list(numbers(cell))
    return found[0] if len(found) == 1 and not found[0].bound and found[0].value > 0 and "/" not in cell else None


def _series(name: str, values: tuple[Number | None, ...]) -> _Series:
    return _Series(name, _tokens(name), values)


def _tokens(name: str) -> frozenset[str]:
    plain = _FILLER.sub(" ", _UNITS.sub(" ", name))
    return frozenset(re.findall(r"[a-z0-9.+]+|[\u4e00-\u9fff]+", plain))


def _pair(name: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """The tokens of the two things that a name divides."""
    match = _TO.search(name) or _PAIR.match(_UNITS.sub(" ", name).strip())
    if match is None:
        return None
    parts = _tokens(match["a"]), _tokens(match["b"])
    return parts if all(parts) and parts[0] != parts[1] else None


def _named_after_two(table: int, series: list[_Series], spans: list[Span], best: list[bool]) -> Iterator[Ratio]:
    plain = [s for s in series if not _is_ratio(s.name) and s.tokens]
    for one in series:
        upper, lower = _operands(one, plain)
        if upper is None or lower is None or upper is lower:
            continue
        at = [
            i
            for i, stated in enumerate(one.numbers)
            if stated and upper.numbers[i] is not None and lower.numbers[i] is not None
        ]
        entries = tuple(
            Entry(spans[i] if spans else Span("", 0, ""), stated, a, b, best=bool(best) and best[i])
            for i in at
            if (stated := one.numbers[i]) and (a := upper.numbers[i]) and (b := lower.numbers[i]) and a.unit == b.unit
        )
        if entries:
            yield Ratio(one.name, table, entries, tuple(tuple(s.numbers[i] for i in at) for s in plain))


def _is_ratio(name: str) -> bool:
    return bool(_AGAINST.match(name) or _UNNAMED.match(name) or _pair(name))


def _kind(name: str) -> str:
    what = meaning(name)
    return what.kind if what and what.kind in SPEEDS else ""


def _is_speed(name: str) -> bool:
    """Whether a head names a speed, or just what was measured: a chip, a side, a format, before or after."""
    if _NO_SPEED.search(name):
        return False
    return bool(_kind(name) or side(name) or _MEASURED.intersection(dict(settings(name))))


def _operands(one: _Series, series: list[_Series]) -> tuple[_Series | None, _Series | None]:
    """The two series that a name divides; ``vs T4`` and ``speed-up`` divide the speeds that there are, if only two."""
    others = [s for s in series if any(s.numbers) and _is_speed(s.name)]
    against = _AGAINST.match(_UNITS.sub(" ", one.name).strip())
    if against is None and _UNNAMED.match(one.name):
        return (others[0], others[1]) if _are_two_of_a_kind(others) and not _is_to_a_row(one) else (None, None)
    if against is None:
        pair = _pair(one.name)
        return (_meant(pair[0], series), _meant(pair[1], series)) if pair else (None, None)
    lower = _meant(_tokens(against["b"]), series)
    rest = [s for s in others if s is not lower]
    return (rest[0], lower) if lower and len(rest) == 1 else (None, None)


def _are_two_of_a_kind(series: list[_Series]) -> bool:
    """Whether these are two speeds of one kind, each in every row."""
    full = [s for s in series if all(number is not None for number in s.numbers)]
    return len(full) == len(series) == 2 and _kind(full[0].name) == _kind(full[1].name)


def _is_to_a_row(one: _Series) -> bool:
    """Whether a ratio is one somewhere: then it is more often that to this row than that of two columns."""
    return any(number is not None and number.value == 1 for number in one.numbers)


def _meant(tokens: frozenset[str], series: list[_Series]) -> _Series | None:
    """The series that a part of a ratio's name means: the one that says the least beyond it, speeds before scores."""
    fitting = [s for s in series if tokens and tokens <= s.tokens]
    fitting = [s for s in fitting if not _NO_SPEED.search(s.name)] or fitting
    if not fitting:
        return None
    least = min(len(s.tokens) for s in fitting)
    nearest = [s for s in fitting if len(s.tokens) == least]
    return nearest[0] if len(nearest) == 1 else None
