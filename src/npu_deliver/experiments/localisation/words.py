"""Words of this experiment that its pages and pictures share, in both languages."""

from __future__ import annotations

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


def located(why: str, lang: str) -> str:
    """What explains an operator's error, and what to do."""
    return _LOCATED[lang].get(why, why)


FILTERS = {"located": located}
"""Name of a filter of the pages → what it says of a word, in a language."""
