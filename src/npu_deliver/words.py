"""The few words that pictures and reports share, in both languages. Longer prose is in the templates."""

from __future__ import annotations

from collections.abc import Callable

from npu_deliver.chinese import CHINESE
from npu_eval.notation.phrases import ENGLISH, Phrase
from npu_eval.records.stamps import Stamp, stamp_words

LANGUAGES = ("zh", "en")


def stamp_line(stamps: tuple[Stamp, ...], lang: str) -> str | None:
    """All stamps in one line; None when there is none."""
    return "  |  ".join(stamp_words(stamp, lang) for stamp in stamps) or None


def phrase_words(phrase: Phrase, lang: str, written: Callable[[str, bool], str] = lambda text, code: text) -> str:
    """A phrase in a language; ``written`` writes each part of it, told whether it is code."""
    return phrase.said(CHINESE, "；", written) if lang == "zh" else phrase.said(ENGLISH, "; ", written)


_ENDED = {
    "zh": {"out of memory": "内存不足", "limit": "达到时间上限", "call limit": "达到次数上限", "protocol": "样本过少"},
    "en": {"protocol": "too few calls"},
}
"""How a run ends that has no statistics; the code itself is English."""


COMPONENTS = {"python": "Python", "cann": "CANN"}
"""Names of a record's versions as people write them, where they differ."""


def ended(by: str, lang: str) -> str:
    """Why a batch size has no statistics: how its run ended."""
    return _ENDED[lang].get(by, by)
