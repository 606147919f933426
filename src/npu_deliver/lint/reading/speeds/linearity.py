"""What a page calls its linearity: how much of N times the speed of fewer cards the N cards reach."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.speeds.trial import SPEED, Speed, Trial
from npu_deliver.lint.reading.speeds.trials import trials
from npu_deliver.lint.reading.words.number import Interval, Number, numbers

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_HEADER = re.compile(
    r"线性度|线性比|加速效率|扩展效率|linearity|(?:strong|weak)?[ _-]?scaling[ _-]?efficiency", re.IGNORECASE
)
_SEVERAL = re.compile(r"\s*[x×*]\s*\d{1,3}$|^\d{1,3}\s*[x×*]\s*")
"""``Atlas 800T A2*2``: two machines of one kind."""


@dataclass(frozen=True, slots=True)
class Linearity:
    """A stated linearity as a part of one, the speed of its row, and the speeds of fewer cards with all else equal."""

    at: Span
    stated: Number
    part: Interval
    speed: Trial
    bases: tuple[Trial, ...]


def linearities(document: Document) -> list[Linearity]:
    """The linearities of a document's tables whose bases are at hand, in the same table or in another one."""
    found = []
    known = [
        t for t in document.facts(trials) if t.speed is Speed.RATE and t.cards and not t.of_step and not t.per_card
    ]
    for trial in known:
        if trial.row >= len(document.structure.tables[trial.table].rows):
            continue  # a table on its side has no column of linearities
        header = document.structure.tables[trial.table].header
        at = next((i for i, cell in enumerate(header) if _HEADER.search(cell)), None)
        cells = document.structure.tables[trial.table].rows[trial.row][1]
        stated = next(numbers(cells[at]), None) if at is not None and at < len(cells) else None
        if stated is None or stated.bound or stated.value <= 0:
            continue
        percent = stated.unit == "%" or stated.value > _MOST
        bases = tuple(base for base in known if _fewer(base, trial))
        if bases:
            span = stated.span.times(0.01) if percent else stated.span
            found.append(Linearity(trial.at, stated, span, trial, bases))
    return found


_MOST = 2.0
"""A linearity above this is a percentage without its sign."""


def _fewer(base: Trial, trial: Trial) -> bool:
    """Whether a speed is that of fewer cards with the same settings, as far as both tables name them."""
    if not base.cards or not trial.cards or base.cards >= trial.cards:
        return False
    if base.batch and trial.batch:
        grown = base.batch * trial.cards == trial.batch * base.cards
        if not grown and (base.whole_batch or base.batch != trial.batch):
            return False
    ours, theirs = (dict(t.settings) for t in (base, trial))
    return all(_plain(ours[name]) == _plain(theirs[name]) for name in (ours.keys() & theirs.keys()) - {SPEED})


def _plain(text: str) -> str:
    return _SEVERAL.sub("", text).strip()
