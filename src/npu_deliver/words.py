"""The few words that pictures and reports share, in both languages. Longer prose is in the templates."""

from __future__ import annotations

from npu_eval.stamps import Stamp

LANGUAGES = ("zh", "en")

STAMPS: dict[str, dict[Stamp, str]] = {
    "zh": {
        Stamp.SIMULATED: "SIMULATED - NOT AN NPU RESULT  模拟 NPU,非真实结果",
        Stamp.REPLAYED: "回放:数值来自先前的一次运行",
        Stamp.RANDOM_WEIGHTS: "随机权重:不是训练好的模型",
        Stamp.NO_NPU: "未使用 NPU:数值在其他设备上测得",
    },
    "en": {
        Stamp.SIMULATED: "SIMULATED - NOT AN NPU RESULT",
        Stamp.REPLAYED: "REPLAYED: numbers of an earlier run",
        Stamp.RANDOM_WEIGHTS: "RANDOM WEIGHTS: not the trained model",
        Stamp.NO_NPU: "NO NPU: measured on another device",
    },
}


def stamp_line(stamps: tuple[Stamp, ...], lang: str) -> str | None:
    """All stamps in one line; None when there is none."""
    return "  |  ".join(STAMPS[lang][stamp] for stamp in stamps) or None
