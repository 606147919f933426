"""Sentences that call one chip so many times as fast as another, with the speeds of both that tables give."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.speeds.trial import Speed, Trial
from npu_deliver.lint.reading.speeds.trials import trials
from npu_deliver.lint.reading.words.number import Interval, Number, numbers

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_CHIP = r"(?<![A-Za-z\d])(?:310[pPbB]?\d?|910[a-dA-D]?\d?|710|[TtPp]4|[AVHavh]\d{2,3}|[NnGgCc][Pp][Uu])(?![A-Za-z\d])"
_CHIPS = re.compile(_CHIP)
_CLAUSE = re.compile(
    rf"(?:达到|可达|是|为|约为|等于|相当于)[^。;,，|\n]{{0,10}}?(?P<chip>{_CHIP})[^。;,，|\n]{{0,14}}?(?P<x>\d+(?:\.\d+)?)\s*倍"
)
_SENTENCE = re.compile(r"[^。;\n]+")
_BOUND = re.compile(r"以上|超过|不低于|至少|大于|高于|多\s*$")
_SPEEDS = re.compile(r"性能|吞吐|速度|帧率|fps", re.IGNORECASE)
_AIM = re.compile(r"要求|目标|应|需|标准|若|如果")


@dataclass(frozen=True, slots=True)
class SpokenRatio:
    """A stated ratio of two chips' speeds, and the ratios that the tables give, at one batch size or of the best."""

    at: Span
    upper: str
    lower: str
    stated: Number
    ratios: tuple[tuple[Interval, Trial, Trial], ...]


def spoken_ratios(document: Document) -> list[SpokenRatio]:
    """The sentences of a document whose two chips both have speeds in its tables."""
    found = []
    for line in document.lines:
        if line.zone != "text" or "倍" not in line.plain:
            continue
        for sentence in _SENTENCE.findall(line.plain):
            subject = _CHIPS.search(sentence)
            if not subject or not _SPEEDS.search(sentence) or _BOUND.search(sentence) or _AIM.search(sentence):
                continue
            for match in _CLAUSE.finditer(sentence, subject.end()):
                upper, lower = _chip(subject[0]), _chip(match["chip"])
                stated = next(numbers(f"{match['x']}倍"), None)
                if stated and upper != lower and (ratios := _ratios(document, upper, lower)):
                    found.append(SpokenRatio(document.span(line.number), upper, lower, stated, ratios))
    return found


def _chip(text: str) -> str:
    """``310P3`` and ``310P`` are one chip in a sentence."""
    return re.sub(r"(?<=[pbacd])\d$", "", text.lower())


def _ratios(document: Document, upper: str, lower: str) -> tuple[tuple[Interval, Trial, Trial], ...]:
    by_chip: dict[str, list[Trial]] = defaultdict(list)
    for trial in document.facts(trials):
        for chip in {_chip(m) for _, text in trial.settings for m in _CHIPS.findall(text)}:
            by_chip[chip].append(trial)
    ours, theirs = by_chip[upper], by_chip[lower]
    pairs = [(a, b) for a in ours for b in theirs if (a.batch, a.best, a.speed) == (b.batch, b.best, b.speed)]
    pairs += [(_top(ours), _top(theirs))] if ours and theirs else []
    return tuple((_faster(a, b), a, b) for a, b in pairs[:400] if a is not b and a.speed is b.speed)


def _top(of: list[Trial]) -> Trial:
    return (min if of[0].speed is Speed.TIME else max)(of, key=lambda trial: trial.number.value)


def _faster(a: Trial, b: Trial) -> Interval:
    return b.number.span / a.number.span if a.speed is Speed.TIME else a.number.span / b.number.span
