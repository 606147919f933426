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


PHASES = {
    "zh": {"decode": "解码图像文件", "preprocess": "缩放与归一化", "upload": "拷贝到设备", "forward": "前向计算",
           "postprocess": "取回并解释输出"},
    "en": {"decode": "decode the image file", "preprocess": "resize and normalise", "upload": "copy to the device",
           "forward": "forward pass", "postprocess": "fetch and interpret the outputs"},
}  # fmt: skip
"""What the phases of a photo's whole way are."""


def phase(name: str, lang: str) -> str:
    """What a phase of a photo's whole way is."""
    return PHASES[lang][name]


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


_CAUSES_ZH = {
    "cut-off": "得分下限处翻转",
    "list full": "列表已满处翻转",
    "other class": "另一侧为其他类别",
    "unknown": "未知",
}


def cause(why: str, lang: str) -> str:
    """Why a detection has no partner."""
    if lang == "zh":
        return _CAUSES_ZH.get(why, why)
    return {"cut-off": "flip at the score cut-off", "list full": "flip at the end of a full list"}.get(why, why)


_LOCATED = {
    "zh": {
        "ok": "float32 下一致",
        "hf32": "HF32 输入舍入，可解释；关闭 HF32 可消除",
        "tf32-or-fp16": "TF32 或半精度输入舍入，可解释",
        "bf16": "BF16 舍入，可解释",
        "not-comparable": "没有可比对象",
        "fallback": "在 CPU 上执行：torch_npu 将其回退",
        "non-deterministic": "同一输入两次运行结果不同",
        "fault": "故障：任何格式都不能解释，请检查该算子与该模块的代码",
    },
    "en": {
        "ok": "equal in float32",
        "hf32": "explained by HF32 operands; switch HF32 off and it goes",
        "tf32-or-fp16": "explained by TF32 or half-precision operands",
        "bf16": "explained by BF16",
        "not-comparable": "nothing to compare with",
        "fallback": "ran on the CPU: torch_npu handed it over",
        "non-deterministic": "two runs on the same input differ",
        "fault": "fault: no format explains it; look at this operator and its module's code",
    },
}
_LEVELS_ZH = {
    "bitwise": "逐位一致",
    "fp32-equal": "单精度一致（fp32-equal）",
    "within-criteria": "在判据之内",
    "not-judged": "没有可据以判定的判据",
    "out": "超出判据",
}


def located(why: str, lang: str) -> str:
    """What explains an operator's error, and what to do."""
    return _LOCATED[lang].get(why, why)


def agreement_level(name: str, lang: str) -> str:
    """How well an output agrees, as `level` of the localisation names it."""
    if lang == "zh":
        return _LEVELS_ZH.get(name, name.replace("explained", "可解释"))
    return name


def ended(by: str, lang: str) -> str:
    """Why a batch size has no statistics: how its run ended."""
    return _ENDED[lang].get(by, by)
