"""Speeds in lines of text that say of how many cards they are: ``单卡 4556 FPS，8 卡 33738 FPS``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.speeds.trial import SPEED, Speed, Trial
from npu_deliver.lint.reading.speeds.trial_words import cards_of, counts_samples, of_one_card, words

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_SIDE = re.compile(r"[ngc]pu|昇腾|ascend|竞品\w?", re.IGNORECASE)
_FILLER = re.compile(
    r"[\s_\-()/:,：，*]+|的|约|为|是|达到?|平均|训练|性能|吞吐[率量]?|[单双四八]?卡|fps|throughput|performance",
    re.IGNORECASE,
)


def spoken_trials(document: Document) -> list[Trial]:
    """The rates of a document's lines that name their number of cards; ``table`` is -1 less the section."""
    found = []
    for quantity in document.quantities.all:
        if quantity.table < 0 and quantity.kind == "throughput" and quantity.number.unit == "/s":
            label = words(quantity.label)
            cards, rest = cards_of(label)
            if cards and quantity.stat in ("", "mean") and quantity.number.value > 0:
                found.append(_trial(quantity, cards, label, rest))
    return found


def _trial(quantity: Quantity, cards: int, label: str, rest: str) -> Trial:
    others = tuple(sorted(pair for pair in quantity.settings if pair[0] not in ("cards", "batch")))
    batch = dict(quantity.settings).get("batch", "")
    return Trial(
        speed=Speed.RATE,
        number=quantity.number,
        at=quantity.at,
        table=-1 - quantity.section,
        row=quantity.at.line,
        column=0,
        header=label,
        label=label,
        claim="",
        cards=cards,
        batch=int(batch) if batch.isdigit() else None,
        whole_batch=False,
        settings=(*others, (SPEED, _FILLER.sub("", _SIDE.sub("", rest))), ("side", quantity.side)),
        of_step=False,
        per_card=cards > 1 and of_one_card(label),
        of_samples=counts_samples(label),
    )
