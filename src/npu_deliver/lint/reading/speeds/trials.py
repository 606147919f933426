"""Measured speeds of tables with what each was measured under: cards, batch size, and every other setting of its row.

Two speeds may be compared only where all else is equal, so whatever stands in a row and is no measurement of its own
(a format, a chip, a version, a data set) is a setting; how long it was trained and how good it became are none.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.quantities.table import Column, ReadTable, row_meaning, tables
from npu_deliver.lint.reading.speeds.sideways import is_sideways, sideways
from npu_deliver.lint.reading.speeds.trial import SPEED, Trial
from npu_deliver.lint.reading.speeds.trial_words import (
    CLAIM,
    SPEEDS,
    STEP_TIME,
    batch_in,
    batch_of_cell,
    cards_of,
    counts_samples,
    of_one_card,
    speeds,
    words,
)
from npu_deliver.lint.reading.words.headers import SHARED, divides
from npu_deliver.lint.reading.words.label import Meaning, meaning

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document


class _Role(enum.Enum):
    CARDS = enum.auto()
    BATCH = enum.auto()
    WHOLE_BATCH = enum.auto()
    SPEED = enum.auto()
    SETTING = enum.auto()
    IGNORED = enum.auto()


_WHOLE = re.compile(r"gl[oa]{2}?b?al|global|total|总|全局", re.IGNORECASE)
_HEADS = frozenset({"chip", "cards"})
"""Settings that may head a column of speeds by themselves: ``310P``, ``8p``."""
_NO_MEASURE = frozenset({"epochs", "steps", "schedule", "scale"})
"""Settings that change how good a network becomes, not how fast it is; a speed is measured in a part of the run."""
_NUMBER = re.compile(r"(?:[^\W\d]{1,16}\s?[:：]\s?)?\W{0,3}\d")
_SCORE = re.compile(r"\W*\d+(?:\.\d+\s?%?|\s?%)\W*")
"""A cell of a column that no word explains: a decimal or a percentage is a result there, no setting."""
_SPREAD = re.compile(r"std|标准差|\bcv\b|\bci\b|confidence|置信|diff|差|变化|占比|提升|下降", re.IGNORECASE)
_SAME_AS_ABOVE = frozenset({"", "...", "…", "''", '"', "同上"})


def trials(document: Document) -> list[Trial]:
    """The measured speeds of a document's tables."""
    return [
        trial
        for table in tables(document.structure)
        for trial in (sideways if is_sideways(table) else _of_table)(document.file, table)
    ]


def _of_table(file: str, table: ReadTable) -> Iterator[Trial]:
    below = [[row.cells[i] for row in table.rows if i < len(row.cells)] for i in range(len(table.columns))]
    roles = [_role(column, cells) for column, cells in zip(table.columns, below, strict=True)]
    if _Role.SPEED not in roles:
        return
    header = tuple(words(column.header) for column in table.columns)
    rows = [(row.line, tuple(words(cell) for cell in row.cells)) for row in table.rows]
    above: tuple[str, ...] = ()
    for position, (line, cells) in enumerate(rows):
        claim = next((cell for cell in cells if CLAIM.fullmatch(cell)), "")
        filled = _filled(cells[: len(header)], above, roles)
        above = above if claim else filled
        under = _under(filled, roles, header)
        at = Span(file, line, " | ".join(table.rows[position].cells)[:300])
        what, named = _named_by_row(filled, table.columns[0], roles[0])
        for column in (i for i, role in enumerate(roles[: len(filled)]) if role is _Role.SPEED):
            if what and table.columns[column].what is None and what.kind not in (*SPEEDS, "batch", "statistic"):
                continue  # ``Acc | 0.97 | 0.96`` below the names of chips
            cards, rest = cards_of(header[column])
            name = named if what and table.columns[column].what is None else header[column]
            for stage, speed, number in speeds(filled[column], name):
                yield Trial(
                    speed=speed,
                    number=number,
                    at=at,
                    table=table.index,
                    row=position,
                    column=column,
                    header=header[column],
                    label=next((cell for cell in filled if cell), ""),
                    claim=claim,
                    cards=cards or under.cards,
                    batch=under.batch,
                    whole_batch=under.whole_batch,
                    settings=(*under.settings, (SPEED, f"{rest} {stage}".strip())),
                    per_card=not cards and of_one_card(f"{header[column]} {filled[column]}"),
                    of_samples=counts_samples(f"{header[column]} {filled[column]}"),
                    of_step=bool(STEP_TIME.search(f"{header[column]} {filled[column]}")),
                )


def _named_by_row(cells: tuple[str, ...], first: Column, role: _Role) -> tuple[Meaning | None, str]:
    """What a row of chips or card counts measures, and the words for it: its first cell's, or the head's above it."""
    if not cells or role is _Role.SPEED:
        return None, ""
    if not re.search(r"\d", cells[0]) and (what := meaning(cells[0])):
        return what, cells[0]
    return (row_meaning(cells[0]), cells[0]) if first.what is None else (first.what, words(first.header))


def _filled(cells: tuple[str, ...], above: tuple[str, ...], roles: list[_Role]) -> tuple[str, ...]:
    """A row with the settings that it takes over from the row above it."""
    return tuple(
        above[i] if cell in _SAME_AS_ABOVE and roles[i] is _Role.SETTING and i < len(above) else cell
        for i, cell in enumerate(cells)
    )


@dataclass(slots=True)
class _Under:
    """What a row was measured under."""

    cards: int | None = None
    batch: int | None = None
    whole_batch: bool = False
    settings: tuple[tuple[str, str], ...] = ()


def _under(cells: tuple[str, ...], roles: list[_Role], header: tuple[str, ...]) -> _Under:
    """The circumstances of a row; a column for the cards or the batch says more than a name that holds a number."""
    out = _Under()
    named: int | None = None
    for column, (cell, role) in enumerate(zip(cells, roles, strict=False)):
        rest = ""
        if role is _Role.CARDS:
            out.cards, rest = cards_of(cell, bare_number=True)
        elif role in (_Role.BATCH, _Role.WHOLE_BATCH):
            out.batch, out.whole_batch = batch_of_cell(cell), role is _Role.WHOLE_BATCH
            rest = "" if out.batch else cell
        elif role is _Role.SETTING:
            count, rest = cards_of(cell)
            size, rest = batch_in(rest)
            named, out.batch = named or count, out.batch or size
        if rest:
            out.settings += ((header[column], rest),)
    out.cards = out.cards or named
    return out


def _role(column: Column, cells: list[str]) -> _Role:
    if column.role == "setting":
        return _setting(column, cells)
    what = column.what.kind if column.what else ""
    if column.index == 0 and not any(map(_NUMBER.match, cells)):
        return _Role.SETTING  # "Throughput" above names: it says what the other columns hold
    if column.role in ("measure", "reference"):
        named = what in SPEEDS and not _SPREAD.search(column.header)
        chip = not what and (column.side or _HEADS.intersection(dict(column.settings)))
        mean = column.what is None or column.what.stat in ("", "mean", "p50")
        divided = divides(column.header)
        if (named or chip) and mean and not divided:
            return _Role.SPEED
        counts = not what and not divided and _counts(cells)  # a length or a number of workers, whatever it is called
        return _Role.SETTING if counts else _Role.IGNORED
    return _Role.SETTING if column.role == "version" else _Role.IGNORED


def _counts(cells: list[str]) -> bool:
    shown = [cell for cell in cells if re.search(r"\w", cell)]
    return bool(shown) and all(re.fullmatch(r"\d+", cell) for cell in shown)


def _setting(column: Column, cells: list[str]) -> _Role:
    if column.name == "batch":
        return _Role.WHOLE_BATCH if _WHOLE.search(column.header) else _Role.BATCH
    if column.name == "cards":
        return _Role.CARDS
    shown = [cell for cell in cells if re.search(r"\d", cell)]
    score = column.name not in SHARED and shown and all(_SCORE.fullmatch(cell) for cell in shown)
    return _Role.IGNORED if column.name in _NO_MEASURE or score else _Role.SETTING
