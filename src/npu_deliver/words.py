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


REASONS_ZH = {
    "contest rule: error below 1 %, read as relative L2 error of every declared output":
        "赛事规则:误差小于 1 %,此处取每个声明输出的相对 L2 误差",
    "a NaN or infinity on one side only is a defect whatever the other elements do":
        "只在一侧出现的 NaN 或无穷大即为缺陷,与其他元素无关",
    "a tenth of the allowed error, so that the verdict does not depend on which run is looked at":
        "取允许误差的十分之一,使判定不依赖于查看哪一次运行",
    "MLPerf Inference: task result at least 99 % of the reference's":
        "MLPerf Inference:任务结果不低于参考端的 99 %",
    "fewest timed calls that support a p90 at 99 % confidence (MLPerf LoadGen early stopping)":
        "在 99 % 置信度下支持 p90 所需的最少计时次数(MLPerf LoadGen 早停规则)",
}  # fmt: skip
"""The default criteria's reasons in Chinese; a reason that a user wrote stands as it was written."""


def reason(why: str, lang: str) -> str:
    """A criterion's reason in a language."""
    return REASONS_ZH.get(why, why) if lang == "zh" else why
