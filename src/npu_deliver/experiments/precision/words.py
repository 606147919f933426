"""Words of this experiment that its pages and pictures share, in both languages."""

from __future__ import annotations

_CAUSES_ZH = {
    "cut-off": "得分下限处翻转",
    "list full": "列表已满处翻转",
    "other class": "另一侧为其他类别",
    "unknown": "未知",
}
_LEVELS_ZH = {
    "bitwise": "逐位一致",
    "fp32-equal": "单精度一致（fp32-equal）",
    "within-criteria": "在判据之内",
    "not-judged": "没有可据以判定的判据",
    "out": "超出判据",
}


def cause(why: str, lang: str) -> str:
    """Why a detection has no partner."""
    if lang == "zh":
        return _CAUSES_ZH.get(why, why)
    return {"cut-off": "flip at the score cut-off", "list full": "flip at the end of a full list"}.get(why, why)


def agreement_level(name: str, lang: str) -> str:
    """How well an output agrees, as `level` of the localisation names it."""
    if lang == "zh":
        return _LEVELS_ZH.get(name, name.replace("explained", "可解释"))
    return name


FILTERS = {"cause": cause, "level": agreement_level}
"""Name of a filter of the pages → what it says of a word, in a language."""
