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
from npu_deliver.lint.reading.headers import SHARED
from npu_deliver.lint.reading.label import meaning
from npu_deliver.lint.reading.markdown import bare
from npu_deliver.lint.reading.number import Number, narrow, numbers, with_label_unit
from npu_deliver.lint.reading.table import Column, ReadTable, tables

if TYPE_CHECKING:
    from npu_deliver.lint.reading.submission import Document

SPEED = "(speed)"
"""The name of the setting that the header of a speed itself gives, and the stage that its cell names."""
ROWS_LIMIT = 400
"""Rows of one table that are read."""


class Speed(enum.StrEnum):
    """What a column of speeds holds: rates (more is faster), times (less is), or either, where nothing says which."""

    RATE = "rate"
    TIME = "time"
    UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured speed.

    ``cards`` and ``batch`` are None where the row names none; ``whole_batch``: the batch is that of all the cards.
    ``settings`` are the other settings, by header. ``label`` is the row's first cell. ``of_step`` marks the time of one
    training step. ``claim`` is the cell that calls the row the best of its column, empty elsewhere.
    ``per_card`` marks the rate of one card among many, ``of_samples`` one that counts no tokens or operations.
    """

    speed: Speed
    number: Number
    at: Span
    table: int
    row: int
    column: int
    header: str
    label: str
    claim: str
    cards: int | None
    batch: int | None
    whole_batch: bool
    settings: tuple[tuple[str, str], ...]
    of_step: bool
    per_card: bool
    of_samples: bool

    @property
    def best(self) -> bool:
        """Whether the row claims to hold the best of its column."""
        return bool(self.claim)


class _Role(enum.Enum):
    CARDS = enum.auto()
    BATCH = enum.auto()
    WHOLE_BATCH = enum.auto()
    SPEED = enum.auto()
    SETTING = enum.auto()
    IGNORED = enum.auto()


_WHOLE = re.compile(r"gl[oa]{2}?b?al|global|total|总|全局", re.IGNORECASE)
_RATE = re.compile(r"fps|吞吐|throughput|/\s?s(?:ec(?:ond)?)?\b|/\s?秒|\bqps\b|帧率|\bips\b|per second", re.IGNORECASE)
_TIME = frozenset({"latency", "step_time", "total_time"})
_SPEEDS = _TIME | {"throughput", "performance"}
_NO_MEASURE = frozenset({"epochs", "steps", "schedule", "scale"})
"""Settings that change how good a network becomes, not how fast it is; a speed is measured in a part of the run."""
_SCORE = re.compile(r"\W*\d+(?:\.\d+\s?%?|\s?%)\W*")
"""A cell of a column that no word explains: a decimal or a percentage is a result there, no setting."""
_UNIT = re.compile(r"\([^()]*\)|/\s?(?:s|sec|秒)\b")
_DIVIDES = re.compile(r"\w\s*/\s*\w")
_SPREAD = re.compile(r"std|标准差|\bcv\b|\bci\b|confidence|置信|diff|差|变化|占比|提升|下降", re.IGNORECASE)
BEST = re.compile(r"最优|最佳|最好|(?<![a-z])best(?![a-z])", re.IGNORECASE)
_CLAIM = re.compile(r"[^./|]{0,24}(?:最优|最佳|最好|(?<![a-z])best(?![a-z]))[^./|]{0,24}", re.IGNORECASE)
_COUNT_OF_CARDS = re.compile(
    r"(?<![\dA-Za-z.])(?P<n>\d{1,4})\s?(?:[pP](?![A-Za-z\d])|卡|(?:npu|gpu|card|chip)s?(?![a-z]))", re.IGNORECASE
)
_CHIPS = frozenset({310, 610, 710, 910, 950})
_SPOKEN_CARDS = (("单卡", 1), ("双卡", 2), ("四卡", 4), ("八卡", 8), ("单机八卡", 8))
_COUNT_OF_BATCH = re.compile(r"(?:batch(?:[_ -]?size)?|(?<![a-z])bs)\s*[=:_]?\s*(?P<n>\d{1,4})(?![\d.])", re.IGNORECASE)
_STAGE = re.compile(r"(?P<stage>[a-z\u4e00-\u9fff][a-z\u4e00-\u9fff_ -]{0,20}):\s*(?=\d)")
_PER_CARD = re.compile(
    r"/\s?(?:p|卡|npu|gpu|card|device|chip|芯片?)(?![a-z])|per[ _-]?(?:card|gpu|npu|chip|device)|单卡|每卡",
    re.IGNORECASE,
)
_NO_SAMPLES = re.compile(r"token|flops|字符|字/|words?\b|(?<![a-z])tps(?![a-z])", re.IGNORECASE)
_STEP_TIME = re.compile(r"step|单步|每步|iter|迭代|/\s?it\b|(?<![a-z])its?\s?/", re.IGNORECASE)
_STEP = re.compile(r"(?:ms|(?<![a-z])s|秒|sec)\s*/\s*(?:step|it|batch|epoch|img|image|张|个|次)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,80}>")
_SAME_AS_ABOVE = frozenset({"", "...", "…", "''", '"', "同上"})


def trials(document: Document) -> list[Trial]:
    """The measured speeds of a document's tables."""
    return [trial for table in tables(document.structure) for trial in _of_table(document, table)]


def words(cell: str) -> str:
    """A cell's text, without markup, in ASCII forms and small letters."""
    return re.sub(r"\s+", " ", bare(narrow(_TAG.sub(" ", cell.replace("\\_", "_"))))).strip().lower()


def _of_table(document: Document, table: ReadTable) -> Iterator[Trial]:
    below = [[row.cells[i] for row in table.rows if i < len(row.cells)] for i in range(len(table.columns))]
    roles = [_role(column, cells) for column, cells in zip(table.columns, below, strict=True)]
    if _Role.SPEED not in roles:
        return
    header = tuple(words(column.header) for column in table.columns)
    rows = [(row.line, tuple(words(cell) for cell in row.cells)) for row in table.rows]
    above: tuple[str, ...] = ()
    for position, (line, cells) in enumerate(rows):
        claim = next((cell for cell in cells if _CLAIM.fullmatch(cell)), "")
        filled = _filled(cells[: len(header)], above, roles)
        above = above if claim else filled
        under = _under(filled, roles, header)
        at = Span(document.file, line, " | ".join(table.rows[position].cells)[:300])
        for column in (i for i, role in enumerate(roles[: len(filled)]) if role is _Role.SPEED):
            cards, rest = _cards_of(header[column])
            for stage, speed, number in _speeds(filled[column], header[column]):
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
                    per_card=not cards and bool(_PER_CARD.search(f"{header[column]} {filled[column]}")),
                    of_samples=not _NO_SAMPLES.search(f"{header[column]} {filled[column]}"),
                    of_step=bool(_STEP_TIME.search(f"{header[column]} {filled[column]}")),
                )


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
            out.cards, rest = _cards_of(cell, bare_number=True)
        elif role in (_Role.BATCH, _Role.WHOLE_BATCH):
            out.batch, out.whole_batch = _batch_of(cell), role is _Role.WHOLE_BATCH
            rest = "" if out.batch else cell
        elif role is _Role.SETTING:
            count, rest = _cards_of(cell)
            size, rest = _batch_in(rest)
            named, out.batch = named or count, out.batch or size
        if rest:
            out.settings += ((header[column], rest),)
    out.cards = out.cards or named
    return out


def _role(column: Column, cells: list[str]) -> _Role:
    if column.role == "setting":
        return _setting(column, cells)
    what = column.what.kind if column.what else ""
    if column.role in ("measure", "reference"):
        named = what in _SPEEDS and not _SPREAD.search(column.header)
        chip = not what and (column.side or dict(column.settings).get("chip"))
        mean = column.what is None or column.what.stat in ("", "mean", "p50")
        divides = _DIVIDES.search(_UNIT.sub("", column.header))
        return _Role.SPEED if (named or chip) and mean and not divides else _Role.IGNORED
    return _Role.SETTING if column.role == "version" else _Role.IGNORED


def _setting(column: Column, cells: list[str]) -> _Role:
    if column.name == "batch":
        return _Role.WHOLE_BATCH if _WHOLE.search(column.header) else _Role.BATCH
    if column.name == "cards":
        return _Role.CARDS
    shown = [cell for cell in cells if re.search(r"\d", cell)]
    score = column.name not in SHARED and shown and all(_SCORE.fullmatch(cell) for cell in shown)
    return _Role.IGNORED if column.name in _NO_MEASURE or score else _Role.SETTING


def _speeds(cell: str, name: str) -> Iterator[tuple[str, Speed, Number]]:
    """The speeds of a cell, each with the stage that is named before it: ``encoder: 200fps, decoder: 87fps``."""
    found = list(numbers(cell))
    stages = {match.end(): match["stage"].strip() for match in _STAGE.finditer(cell)}
    if len(found) > 1 and any(number.start not in stages for number in found):
        return
    for number in found:
        if not number.bound and number.unit not in ("%", "x", "B") and number.value > 0:
            stage = stages[number.start] if len(found) > 1 else ""
            what = meaning(name)
            yield stage, *_kind(with_label_unit(number, name), name, cell, what.kind if what else "")


def _kind(number: Number, name: str, cell: str, kind: str) -> tuple[Speed, Number]:
    if number.unit == "s" or _STEP.search(cell) or (not number.unit and kind in _TIME):
        return Speed.TIME, number
    stated = number.unit == "/s" or _RATE.search(name) or _RATE.search(cell)
    return (Speed.RATE if stated else Speed.UNSTATED), number


def _cards_of(cell: str, *, bare_number: bool = False) -> tuple[int | None, str]:
    """(number of cards, the words around it)."""
    if bare_number and (match := re.fullmatch(r"(\d{1,4})", cell)):
        return int(match[1]), ""
    match = _COUNT_OF_CARDS.search(cell)
    if match and int(match["n"]) not in _CHIPS:
        kept = re.sub(r"^\d+\s?p?", "", match[0], flags=re.IGNORECASE) if "卡" not in match[0] else ""
        rest = f"{cell[: match.start()]} {kept} {cell[match.end() :]}"
        return int(match["n"]), _tidy(rest)
    for word, count in _SPOKEN_CARDS:
        if word in cell:
            return count, _tidy(cell.replace(word, " "))
    return None, cell


def _tidy(text: str) -> str:
    return re.sub(r"[\s_\-()/:,]+", " ", text).strip()


def _batch_of(cell: str) -> int | None:
    """A batch size of a cell: ``8``, ``bs8``, and ``320*8``, which says the size of one card first."""
    match = re.match(r"(?:batch(?:[_ -]?size)?|bs)?\s*[=:_]?\s*(\d{1,6})\b", cell)
    return int(match[1]) if match and int(match[1]) > 0 else None


def _batch_in(cell: str) -> tuple[int | None, str]:
    match = _COUNT_OF_BATCH.search(cell)
    return (int(match["n"]), _tidy(cell[: match.start()] + cell[match.end() :])) if match else (None, cell)
