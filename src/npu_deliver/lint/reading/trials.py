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
from npu_deliver.lint.reading.markdown import Table, bare
from npu_deliver.lint.reading.number import Number, narrow, numbers, with_label_unit

if TYPE_CHECKING:
    from npu_deliver.lint.reading.submission import Document

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
    ``settings`` are the other settings, by column. ``label`` is the row's first cell. ``of_step`` marks the time of one
    training step. ``claim`` is the cell that calls the row the best of its column, empty elsewhere.
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
    settings: tuple[tuple[int, str], ...]
    of_step: bool

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


_CARDS = re.compile(
    r"(?:npu|gpu|device|card)s?\W{0,3}(?:(?:npu|gpu)s?)?[\s_\\]*(?:nums?|数量?|个数|count)"
    r"|卡数|number of (?:gpu|npu|card)s?"
    r"|^#?\s*(?:of )?(?:npu|gpu)s?(?:\s*/\s*(?:npu|gpu)s?)?$|^cards?$",
    re.IGNORECASE,
)
_BATCH = re.compile(r"batch|(?<![a-z])bs(?![a-z])|批(?:大小|次|量|处理)", re.IGNORECASE)
_WHOLE = re.compile(r"gl[oa]{2}?b?al|global|total|总|全局", re.IGNORECASE)
_RATIO = re.compile(
    r"加速|提升|比(?!特)|线性度|scaling|speed-?\s?up|\bvs\b|gain|diff|差|efficien|效率|增益|percent|占|std|标准差|\bcv\b"
    r"|p\d\d(?!\d)|\d\d\s?%|confidence|[A-Za-z\d)]\s*/\s*(?!s\b|sec|step|it|batch|秒|张|img|image|sample|epoch|frame)\w",
    re.IGNORECASE,
)
_RATE = re.compile(r"fps|吞吐|throughput|/\s?s(?:ec(?:ond)?)?\b|/\s?秒|\bqps\b|帧率|\bips\b|per second", re.IGNORECASE)
_TIME = re.compile(
    r"latency|时延|延迟|耗时|用时|\btime\b|时间|\bms\b|(?:\bs|秒|sec)\s*/\s*(?:step|it|batch|img|image)"
    r"|step[_ ]?(?:time|cost)",
    re.IGNORECASE,
)
_SPEED = re.compile(r"性能|performance|\bspeed\b", re.IGNORECASE)
_CHIP = re.compile(
    r"^(?:(?:ascend|atlas)[\s-]?)?(?:310[pb]?\d?|910[a-d]?\d?|710|t4|[avh]\d{2,3}|npu|gpu|竞品\w?)(?:\s*\([^)]*\))?$",
    re.IGNORECASE,
)
_PER_CARD = re.compile(r"单卡|每卡|per[ _-]?(?:card|gpu|npu|chip|device)|/\s*(?:card|gpu|npu|卡)", re.IGNORECASE)
_IGNORED = re.compile(
    r"epoch|step|iter|kimg|轮|(?<![a-z])lr(?![a-z])|learning|scale|\btrain\w*[ _]time|显存|内存|memory|\bmem\b"
    r"|link|download|config\b|\blogs?\b|json|ckpt|备注|remark|note|checkpoint|flops|param",
    re.IGNORECASE,
)
_SCORE = re.compile(
    r"acc|精度|(?<![a-z])m?ap|iou|loss|f1|recall|precision|psnr|ssim|mot[ap]|dice|nds|[wce]er\b|auc|score|err|误差|rank"
    r"|\bpq\b|rmse|mae|[amfh]de\b|fid|hmean|bleu|top|余弦|cos|pck|准确率|指标|metric",
    re.IGNORECASE,
)
BEST = re.compile(r"最优|最佳|最好|(?<![a-z])best(?![a-z])", re.IGNORECASE)
_CLAIM = re.compile(r"[^./|]{0,24}(?:最优|最佳|最好|(?<![a-z])best(?![a-z]))[^./|]{0,24}", re.IGNORECASE)
_COUNT_OF_CARDS = re.compile(
    r"(?<![\dA-Za-z.])(?P<n>\d{1,4})\s?(?:[pP](?![A-Za-z\d])|卡|(?:npu|gpu|card|chip)s?(?![a-z]))", re.IGNORECASE
)
_CHIPS = frozenset({310, 610, 710, 910, 950})
_SPOKEN_CARDS = (("单卡", 1), ("双卡", 2), ("四卡", 4), ("八卡", 8), ("单机八卡", 8))
_COUNT_OF_BATCH = re.compile(r"(?:batch(?:[_ -]?size)?|(?<![a-z])bs)\s*[=:_]?\s*(?P<n>\d{1,4})(?![\d.])", re.IGNORECASE)
_STAGE = re.compile(r"(?P<stage>[a-z\u4e00-\u9fff][a-z\u4e00-\u9fff_ -]{0,20}):\s*(?=\d)")
_STEP_TIME = re.compile(r"step|单步|每步|iter|迭代|/\s?it\b", re.IGNORECASE)
_STEP = re.compile(r"(?:ms|(?<![a-z])s|秒|sec)\s*/\s*(?:step|it|batch|epoch|img|image|张|个|次)", re.IGNORECASE)
_NUMERIC = re.compile(
    r"(?:[a-z\u4e00-\u9fff_ -]{1,16}:\s?\d.*)|\W{0,3}\d[\d.,]*(?:e[-+]?\d+)?\s?(?:%|[a-z/\u4e00-\u9fff]{1,12})?\W{0,3}"
)
_FORMAT = re.compile(r"fp\d|bf16|float|int8|混合|混精|mixed|half", re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,80}>")
_SAME_AS_ABOVE = frozenset({"", "...", "…", "''", '"', "同上"})
_NOTHING = frozenset({"", "-", "--", "---", "----", "-----", "—", "/", "na", "n/a", "none", "nan", "无", "x", "xxx"})


def trials(document: Document) -> list[Trial]:
    """The measured speeds of a document's tables."""
    return [
        trial for index, table in enumerate(document.structure.tables) for trial in _of_table(document, index, table)
    ]


def words(cell: str) -> str:
    """A cell's text, without markup, in ASCII forms and small letters."""
    return re.sub(r"\s+", " ", bare(narrow(_TAG.sub(" ", cell.replace("\\_", "_"))))).strip().lower()


def _of_table(document: Document, index: int, table: Table) -> Iterator[Trial]:
    rows = [(line, tuple(words(cell) for cell in cells)) for line, cells in table.rows[:ROWS_LIMIT]]
    header = tuple(words(cell) for cell in table.header)
    roles = _roles(header, [cells for _, cells in rows])
    if _Role.SPEED not in roles:
        return
    above: tuple[str, ...] = ()
    for position, (line, cells) in enumerate(rows):
        claim = next((cell for cell in cells if _CLAIM.fullmatch(cell)), "")
        filled = _filled(cells[: len(header)], above, roles)
        above = above if claim else filled
        under = _under(filled, roles)
        at = Span(document.file, line, " | ".join(table.rows[position][1])[:300])
        for column in (i for i, role in enumerate(roles[: len(filled)]) if role is _Role.SPEED):
            cards, rest = _cards_of(header[column])
            for stage, speed, number in _speeds(filled[column], header[column]):
                yield Trial(
                    speed=speed,
                    number=number,
                    at=at,
                    table=index,
                    row=position,
                    column=column,
                    header=header[column],
                    label=next((cell for cell in filled if cell), ""),
                    claim=claim,
                    cards=cards or under.cards,
                    batch=under.batch,
                    whole_batch=under.whole_batch,
                    settings=(*under.settings, (-1 if cards else column, f"{rest} {stage}".strip())),
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
    settings: tuple[tuple[int, str], ...] = ()


def _under(cells: tuple[str, ...], roles: list[_Role]) -> _Under:
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
            out.settings += ((column, rest),)
    out.cards = out.cards or named
    return out


def _roles(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[_Role]:
    columns = [[cells[i] for cells in rows if i < len(cells) and cells[i] not in _NOTHING] for i in range(len(header))]
    return [_role(name, cells) for name, cells in zip(header, columns, strict=True)]


def _role(name: str, cells: list[str]) -> _Role:
    numeric = bool(cells) and sum(bool(_NUMERIC.fullmatch(cell)) for cell in cells) * 2 >= len(cells)
    if _BATCH.search(name) and not _RATE.search(name) and not _TIME.search(name):
        return _Role.WHOLE_BATCH if _WHOLE.search(name) else _Role.BATCH
    if _CARDS.search(name):
        return _Role.CARDS
    if _is_speed(name) and not _RATIO.search(name):
        return _Role.SPEED if numeric or not cells else _Role.SETTING
    if _IGNORED.search(name) or _RATIO.search(name):
        return _Role.IGNORED
    if _SCORE.search(name):
        return _Role.SETTING if any(_FORMAT.search(cell) for cell in cells) else _Role.IGNORED
    whole = all(re.fullmatch(r"\d+(?:\s?p)?", cell) for cell in cells)
    version = re.search(r"torch|version|版本|python|cann|驱动", name)
    return _Role.SETTING if not numeric or whole or version else _Role.IGNORED


def _is_speed(name: str) -> bool:
    said = _RATE.search(name) or _TIME.search(name) or _SPEED.search(name) or _CHIP.match(name)
    return bool(said) and not (_SCORE.search(name) and not _RATE.search(name) and not _TIME.search(name))


def _speeds(cell: str, name: str) -> Iterator[tuple[str, Speed, Number]]:
    """The speeds of a cell, each with the stage that is named before it: ``encoder: 200fps, decoder: 87fps``."""
    found = list(numbers(cell))
    stages = {match.end(): match["stage"].strip() for match in _STAGE.finditer(cell)}
    if len(found) > 1 and any(number.start not in stages for number in found):
        return
    for number in found:
        if not number.bound and number.unit not in ("%", "x", "B") and number.value > 0:
            stage = stages[number.start] if len(found) > 1 else ""
            yield stage, *_kind(with_label_unit(number, name), name, cell)


def _kind(number: Number, name: str, cell: str) -> tuple[Speed, Number]:
    if number.unit == "s" or _STEP.search(cell) or (not number.unit and _TIME.search(name) and not _RATE.search(name)):
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
