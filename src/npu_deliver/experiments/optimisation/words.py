"""Words of this experiment that its pages and pictures share, in both languages."""

from __future__ import annotations

from npu_deliver.words import ended

_OUTCOME_ZH = {
    "gain": "提升",
    "loss": "下降",
    "no measurable effect": "无可测效果",
    "not applicable here": "此处不适用",
    "not decided within the budget": "预算内未定",
}
_STAGE = {"a/a": ("A/A", "A/A"), "single": ("单项", "alone"), "combination": ("组合", "combination")}


def outcome(name: str, lang: str) -> str:
    """What came of a switch."""
    return _OUTCOME_ZH[name] if lang == "zh" else name


def stage_word(name: str, lang: str) -> str:
    """Whether a switch was tried alone or with others."""
    return _STAGE[name][lang == "en"]


def ended_sweep(by: str, lang: str) -> str:
    """How the windows of a batch size ended."""
    if by == "protocol":
        return "完成" if lang == "zh" else "complete"
    return ended(by, lang)


FILTERS = {"outcome": outcome, "stage_word": stage_word, "ended_sweep": ended_sweep}
"""Name of a filter of the pages → what it says of a word, in a language."""
