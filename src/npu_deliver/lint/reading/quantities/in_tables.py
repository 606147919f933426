"""The quantities in tables: what a cell's number is follows from the roles of its column and of its row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.markup.markdown import Structure
from npu_deliver.lint.reading.quantities.in_lines import among_numbers, heading_of
from npu_deliver.lint.reading.quantities.quantity import (
    CLAUSE,
    RELATIVE,
    Group,
    Quantities,
    Quantity,
    fitting,
    slash_stats,
)
from npu_deliver.lint.reading.quantities.surroundings import Surroundings
from npu_deliver.lint.reading.quantities.table import Column, ReadTable, Row, row_meaning, tables
from npu_deliver.lint.reading.words.label import Meaning, meaning, side, statistic
from npu_deliver.lint.reading.words.number import Number, numbers, with_label_unit
from npu_deliver.lint.reading.words.settings import Settings, merged, settings, telling
from npu_deliver.lint.reading.words.subject import about

_HOLDS_NONE = frozenset({"interface", "alternatives", "environment"})
_SETTINGS_THAT_COUNT = frozenset({"batch", "cards", "iterations", "warmup"})
_OVER_ROWS = frozenset({"gain", "speedup", "error", "abs_error", "rel_error", "statistic"})
"""A column of these has its own meaning even where the rows name the quantities."""
_PLAIN_HEADS = frozenset({"数值", "值", "value", "结果", "result", "详情"})


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell's table, row and column, with what its row says of it."""

    table: ReadTable
    row: Row
    column: Column
    position: int
    unit: str
    heading: str

    @property
    def row_label(self) -> str:
        return self.row.cells[0]

    @property
    def header(self) -> str:
        return f"{self.column.header} ({self.unit})" if self.unit else self.column.header


def from_tables(file: str, structure: Structure, around: Surroundings, out: Quantities) -> None:
    """Adds the quantities of every table that measures, and their groups: the rows, or the columns of ``by_row``."""
    for table in tables(structure):
        if table.kind in _HOLDS_NONE:
            continue
        groups: dict[int, Group] = {}
        above = merged([settings(table.caption), about(table.caption)])
        for place in _places(structure, table):
            raw = structure.tables[table.index].rows[place.position][1]
            span = Span(file, place.row.line, " | ".join(raw)[:300])
            outer = [around.of(place.row.line), above, place.row.settings, place.column.settings]
            for quantity in _cell(place, span, outer):
                out.all.append(quantity)
                _grouped(groups, quantity, place)
        for key, group in groups.items():
            row = " ".join(table.rows[-key - 1].cells) if key < 0 else ""
            group.context = f"{group.context} {row} {heading_of(structure, table.section)}"
            out.groups.append(group)


def _places(structure: Structure, table: ReadTable) -> Iterator[_Place]:
    heading = heading_of(structure, table.section)
    units = [column.index for column in table.of_role("unit")]
    for position, row in enumerate(table.rows):
        unit = row.cells[units[0]] if len(units) == 1 and units[0] < len(row.cells) else ""
        for column in table.columns[: len(row.cells)]:
            if column.index == 0 and (table.by_row or column.what is None):
                continue
            if column.role in ("note", "unit", "version"):
                continue
            counts = column.what is not None and column.what.kind in _SETTINGS_THAT_COUNT
            named = table.by_row and row_meaning(row.cells[0]) is not None
            if column.role == "setting" and not counts and not named:
                continue
            yield _Place(table, row, column, position, unit, heading)


def _grouped(groups: dict[int, Group], quantity: Quantity, place: _Place) -> None:
    by_column = place.table.by_row and quantity.kind not in ("speedup", "gain")
    key = place.column.index if by_column else -place.position - 1
    group = groups.setdefault(key, Group(section=place.table.section, shape="column" if by_column else "row"))
    group.quantities.append(quantity)
    group.context = f"{group.context} {place.column.header} {place.row_label}"[:2000]


def _meant(place: _Place) -> tuple[Meaning | None, str]:
    """(what a cell's number is, the words that say so): the column's, the row's, or one with the other's statistic."""
    in_column, in_row = meaning(place.header), row_meaning(place.row_label)
    own_head = in_column is not None and in_column.kind in _OVER_ROWS
    what: Meaning | None
    if place.table.by_row and in_row and not own_head:
        what, label = in_row, f"{place.row_label} ({place.unit})" if place.unit else place.row_label
    elif in_column and in_column.kind == "statistic" and in_row and in_row.kind != "batch":
        label = f"{place.row_label} {place.header}"
        what = meaning(f"{place.row_label} {in_column.stat}") or in_row
    else:
        what, label = in_column or in_row, place.header if in_column else place.row_label
    if what and in_row and what.kind in ("latency", "throughput") and not what.stat and in_row.kind == "statistic":
        what = Meaning(what.kind, in_row.stat)
    return what, label


def _cell(place: _Place, span: Span, outer: list[Settings]) -> Iterator[Quantity]:
    cell = place.row.cells[place.column.index]
    found = list(numbers(cell))
    if not found:
        return
    what, label = _meant(place)
    if len(found) > 1 and any(n.unit == "" and found[0].unit for n in found[1:]) and "/" not in cell:
        found = found[:1]
    stats = slash_stats(f"{label} :") if "/" in cell else []
    for index, (number, own) in enumerate(_with_words(cell, found)):
        said = meaning(CLAUSE.split(own)[-1]) if re.search(r"\w", own) else None
        each = len(stats) == len(found) and what is not None
        this = Meaning(what.kind, statistic(stats[index])) if each and what else said or what
        fits = fitting(this, number, f"{label} {own}")
        if fits is None or number.bound or (this is None and number.unit == "x" and not _is_relative(place)):
            continue
        yield Quantity(
            fits.kind,
            fits.stat,
            side(own) or side(place.column.header) or side(place.row_label) or side(place.heading),
            with_label_unit(number, label),
            span,
            _named(place.row_label, place.column.header),
            f"{own} {place.header} {place.row_label} {place.heading}",
            place.table.section,
            place.table.index,
            place.position,
            place.column.index,
            telling([*outer, _of_column(place), among_numbers(cell), settings(own)]),
            f"{own} {place.row_label if place.table.by_row else place.column.header}",
        )


def _is_relative(place: _Place) -> bool:
    """Whether a bare "2x" is a ratio of measurements here, rather than the width of a network or a schedule."""
    return place.column.role == "ratio" or bool(RELATIVE.search(f"{place.column.header} {place.row_label}"))


def _of_column(place: _Place) -> Settings:
    """Where the rows name the quantities, a column is a setting: a side, a chip, or what its header says."""
    header = place.column.header.strip().lower()
    if not place.table.by_row or header in _PLAIN_HEADS or place.column.side or place.column.settings:
        return frozenset()
    return frozenset({("column", header)})


def _with_words(cell: str, found: list[Number]) -> Iterator[tuple[Number, str]]:
    edge = 0
    for number in found:
        yield number, cell[edge : number.start]
        edge = number.end


def _named(row_label: str, header: str) -> str:
    """A cell's name for people: a header that only says "value" adds nothing."""
    return row_label if header.lower() in _PLAIN_HEADS else f"{row_label} {header}".strip()
