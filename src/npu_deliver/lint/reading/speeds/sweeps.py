"""Sweeps over the batch size, and what a page calls the best of them, in a row or in a sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.speeds.trial import Speed, Trial
from npu_deliver.lint.reading.speeds.trial_words import BEST
from npu_deliver.lint.reading.speeds.trials import trials
from npu_deliver.lint.reading.words.number import Number, numbers

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_GENERAL = re.compile(
    r"batch(?:[_ -]?size)?|bs|批大小|批次|性能|performance|perf|吞吐率?|fps|value|结果|值|[\W_]+", re.IGNORECASE
)
_SIZE = r"(?:batch[ _-]?size|batch|bs|批大小|批次|批量)"
_SPOKEN = r"(?:性能|吞吐率?|速度|帧率|performance|throughput|speed|fps)"
_VALUE = r"(?:[^\d。;]{0,16}?(?P<value>\d+(?:\.\d+)?)\s*(?:fps|FPS|帧|张|img|/s|samples|it/s))?"
_WORTH = r"(?P<value>\d+(?:\.\d+)?)\s*(?:fps|帧|张|img|/s|samples|it/s)"
_BATCH = r"(?P<batch>\d{1,4})(?!\d|\.\d)"
_THE_BEST = r"(?:最优|最佳|最好|最高|(?<![a-z])best|highest)"
_SENTENCES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_SIZE}\s*(?:设|取)?(?:为|成|到|=|是|:|of|is)?\s*{_BATCH}[^。;|]{{0,16}}?{_SPOKEN}[^。;|]{{0,6}}?"
        rf"(?:最优|最佳|最好|最高|(?:is|are)\s+(?:the\s+)?(?:best|highest)){_VALUE}",
        rf"{_SIZE}\s*(?:设|取)?(?:为|成|到|=|是|:|of|is)?\s*{_BATCH}[^。;|\d]{{0,24}}?{_THE_BEST}\s*的?\s*{_SPOKEN}{_VALUE}",
        rf"(?:最优|最佳|(?<![a-z])best)\s*的?\s*{_SIZE}\s*(?:为|是|=|:|is)?\s*{_BATCH}{_VALUE}",
        rf"{_THE_BEST}\s*的?\s*{_SPOKEN}[^。;|\d]{{0,20}}?{_SIZE}\s*(?:为|是|=|:|of|is)?\s*{_BATCH}{_VALUE}",
        rf"{_SPOKEN}{_THE_BEST}\s*的?\s*{_SIZE}\s*(?:为|是|=|:|of|is)?\s*{_BATCH}{_VALUE}",
        rf"{_THE_BEST}\s*{_SPOKEN}[^。;|\d]{{0,12}}{_WORTH}[^。;|\d]{{0,16}}{_SIZE}\s*(?:为|是|=|:|of|is)?\s*{_BATCH}",
        rf"{_THE_BEST}\s*的?\s*{_SPOKEN}\s*(?:为|是|达到?|约|is|of|:|=)?\s*{_WORTH}(?P<batch>)",
    )
)
_BEST_WORD = re.compile(_THE_BEST, re.IGNORECASE)
_CHIP = re.compile(r"310[pb]?|910[a-d]?|710|(?<![a-z])t4(?!\d)|[avh]100", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Speeds under one setting, one for each batch size, from the smallest up."""

    speed: Speed
    points: tuple[Trial, ...]

    def at(self, batch: int) -> Trial | None:
        """The speed at a batch size."""
        return next((point for point in self.points if point.batch == batch), None)

    @property
    def best(self) -> tuple[Trial, ...]:
        """The best point; where nothing says whether more is better, the one of either end."""
        low, high = (pick(self.points, key=lambda p: p.number.value) for pick in (min, max))
        return {Speed.RATE: (high,), Speed.TIME: (low,)}.get(self.speed, (high, low))


@dataclass(frozen=True, slots=True)
class BestRow:
    """One value of a row that is called the best, and the values that it is the best of."""

    claim: Trial
    of: Sweep


@dataclass(frozen=True, slots=True)
class BestSentence:
    """A sentence that calls a batch size the best, or that states the best speed, and the sweeps that it may mean."""

    at: Span
    batch: int | None
    value: Number | None
    sweeps: tuple[Sweep, ...]


def sweeps(document: Document) -> list[Sweep]:
    """The sweeps over the batch size in a document's tables; of two rows with one batch size, neither is one."""
    groups: dict[tuple[object, ...], list[Trial]] = defaultdict(list)
    for trial in document.facts(trials):
        if trial.batch and not trial.best:
            groups[trial.table, trial.column, trial.cards, trial.settings, trial.speed].append(trial)
    found = []
    for group in groups.values():
        points = sorted(group, key=lambda t: t.batch or 0)
        if len(points) > 1 and len({t.batch for t in points}) == len(points):
            found.append(Sweep(points[0].speed, tuple(points)))
    return found


def best_rows(document: Document) -> list[BestRow]:
    """The rows called the best, with the rows above them back to the previous ones so called."""
    by_column: dict[tuple[int, int], list[Trial]] = defaultdict(list)
    for trial in document.facts(trials):
        by_column[trial.table, trial.column].append(trial)
    found = []
    for column in by_column.values():
        above: list[Trial] = []
        ended = False
        for trial in sorted(column, key=lambda t: t.row):
            if not trial.best:
                above, ended = ([] if ended else above), False
                above.append(trial)
                continue
            ended = True
            tokens = set(_GENERAL.sub(" ", BEST.sub(" ", trial.claim)).split())
            of = [t for t in above if tokens <= set(_GENERAL.sub(" ", f"{t.label} {t.claim}").split())]
            if sum(t.batch is not None for t in of) > 1:
                found.append(BestRow(trial, Sweep(trial.speed, tuple(of))))
    return found


def best_sentences(document: Document) -> list[BestSentence]:
    """The sentences that call a batch size the best, where the document has a sweep with that size."""
    if not (known := document.facts(sweeps)):
        return []
    found = []
    for line in document.lines:
        if line.zone != "text" or not _BEST_WORD.search(line.plain):
            continue
        match = next((m for pattern in _SENTENCES if (m := pattern.search(line.plain))), None)
        if match is None:
            continue
        batch = int(match["batch"]) if match["batch"] else None
        near = _meant(document, line.section, line.plain, [s for s in known if batch is None or s.at(batch)])
        value = next(numbers(match["value"] + "/s"), None) if match["value"] else None
        if near:
            found.append(BestSentence(document.span(line.number), batch, value, tuple(near)))
    return found


def _meant(document: Document, section: int, plain: str, fitting: list[Sweep]) -> list[Sweep]:
    """The sweeps of the sentence's section and chip, where there are such; else all."""
    here = [s for s in fitting if document.structure.tables[s.points[0].table].section == section] or fitting
    chips = {chip.lower() for chip in _CHIP.findall(plain)}
    return [s for s in here if any(chip in str(s.points[0].settings) for chip in chips)] or here
