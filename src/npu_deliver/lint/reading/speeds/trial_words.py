"""The words of a cell or label that say how fast, on how many cards and with which batch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.reading.markup.markdown import bare
from npu_deliver.lint.reading.speeds.trial import Speed
from npu_deliver.lint.reading.words.label import meaning
from npu_deliver.lint.reading.words.number import Number, narrow, numbers, with_label_unit

_RATE = re.compile(r"fps|吞吐|throughput|/\s?s(?:ec(?:ond)?)?\b|/\s?秒|\bqps\b|帧率|\bips\b|per second", re.IGNORECASE)
TIMES = frozenset({"latency", "step_time", "total_time"})
SPEEDS = TIMES | {"throughput", "performance"}
"""Kinds of quantities that are speeds; ``performance`` says not of which sort."""
BEST = re.compile(r"最优|最佳|最好|最高(?=性能|吞吐|fps)|(?<![a-z])best(?![a-z])", re.IGNORECASE)
CLAIM = re.compile(
    r"[^./|]{0,24}(?:最优|最佳|最好|最高(?=性能|吞吐|fps)|(?<![a-z])best(?![a-z]))[^./|]{0,24}", re.IGNORECASE
)
_COUNT_OF_CARDS = re.compile(
    r"(?<![\dA-Za-z.])(?P<n>\d{1,4})\s?(?:[pP](?![A-Za-z\d])|卡|[x×*]\s?(?=(?:ascend|atlas|npu|gpu|910|310|[ahv]\d))"
    r"|(?:npu|gpu|card|chip)s?(?![a-z]))",
    re.IGNORECASE,
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
STEP_TIME = re.compile(r"step|单步|每步|iter|迭代|/\s?it\b|(?<![a-z])its?\s?/", re.IGNORECASE)
_STEP = re.compile(r"(?:ms|(?<![a-z])s|秒|sec)\s*/\s*(?:step|it|batch|epoch|img|image|张|个|次)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,80}>")


def words(cell: str) -> str:
    """A cell's text, without markup, in ASCII forms and small letters."""
    return re.sub(r"\s+", " ", bare(narrow(_TAG.sub(" ", cell.replace("\\_", "_"))))).strip().lower()


def speeds(cell: str, name: str) -> Iterator[tuple[str, Speed, Number]]:
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
    if number.unit == "s" or _STEP.search(cell) or (not number.unit and kind in TIMES):
        return Speed.TIME, number
    stated = number.unit == "/s" or _RATE.search(name) or _RATE.search(cell)
    return (Speed.RATE if stated else Speed.UNSTATED), number


def of_one_card(label: str) -> bool:
    """Whether a rate is said to be one card's, among however many."""
    return bool(_PER_CARD.search(label))


def counts_samples(label: str) -> bool:
    """Whether a rate counts samples, and not tokens or operations."""
    return not _NO_SAMPLES.search(label)


def cards_of(cell: str, *, bare_number: bool = False) -> tuple[int | None, str]:
    """(number of cards, the words around it)."""
    if bare_number and (match := re.fullmatch(r"(\d{1,4})", cell)):
        return int(match[1]), ""
    match = _COUNT_OF_CARDS.search(cell)
    if match and int(match["n"]) not in _CHIPS:
        kept = re.sub(r"^\d+\s?[px×*]?", "", match[0], flags=re.IGNORECASE) if "卡" not in match[0] else ""
        rest = f"{cell[: match.start()]} {kept} {cell[match.end() :]}"
        return int(match["n"]), _tidy(rest)
    for word, count in _SPOKEN_CARDS:
        if word in cell:
            return count, _tidy(cell.replace(word, " "))
    return None, cell


def _tidy(text: str) -> str:
    return re.sub(r"[\s_\-()/:,]+", " ", text).strip()


def batch_of_cell(cell: str) -> int | None:
    """A batch size of a cell: ``8``, ``bs8``, and ``320*8``, which says the size of one card first."""
    match = re.match(r"(?:batch(?:[_ -]?size)?|bs)?\s*[=:_]?\s*(\d{1,6})\b", cell)
    return int(match[1]) if match and int(match[1]) > 0 else None


def batch_in(cell: str) -> tuple[int | None, str]:
    """(batch size that a name holds, the words around it)."""
    match = _COUNT_OF_BATCH.search(cell)
    return (int(match["n"]), _tidy(cell[: match.start()] + cell[match.end() :])) if match else (None, cell)
