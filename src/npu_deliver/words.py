"""The few words that pictures and reports share, in both languages. Longer prose is in the templates."""

from __future__ import annotations

import re

from npu_eval.stamps import Stamp, stamp_words

LANGUAGES = ("zh", "en")


def stamp_line(stamps: tuple[Stamp, ...], lang: str) -> str | None:
    """All stamps in one line; None when there is none."""
    return "  |  ".join(stamp_words(stamp, lang) for stamp in stamps) or None


REASONS_ZH = {
    "contest rule: error below 1 %, read as relative L2 error of every declared output":
        "赛事规则：误差小于 1 %，此处取每个声明输出的相对 L2 误差",
    "a NaN or infinity on one side only is a defect whatever the other elements do":
        "只在一侧出现的 NaN 或无穷大即为缺陷，与其他元素无关",
    "a tenth of the allowed error, so that the verdict does not depend on which run is looked at":
        "取允许误差的十分之一，使判定不依赖于查看哪一次运行",
    "MLPerf Inference: task result at least 99 % of the reference's":
        "MLPerf Inference：任务结果不低于参考端的 99 %",
    "COCO's strictest threshold: above it, both sides found the same object at each threshold of AP":
        "COCO 最严的阈值：达到该值时，两侧在 AP 的每个阈值下都是同一目标",
    "contest rule: error below 1 %, read as the largest difference of a score":
        "赛事规则：误差小于 1 %，此处取得分的最大差值",
    "contest rule: error below 1 %, read as relative error of every loss of every step":
        "赛事规则：误差小于 1 %，此处取每一步每项损失的相对误差",
    "contest rule: error below 1 %, read as relative L2 error of the gradients of every part":
        "赛事规则：误差小于 1 %，此处取网络各部分梯度的相对 L2 误差",
    "fewest timed calls that support a p90 at 99 % confidence (MLPerf LoadGen early stopping)":
        "在 99 % 置信度下支持 p90 所需的最少计时次数（MLPerf LoadGen 早停规则）",
    "an operator that torch_npu hands to the CPU has not run on the NPU":
        "被 torch_npu 回退到 CPU 的算子并未在 NPU 上运行",
}  # fmt: skip
"""The default criteria's reasons in Chinese; a reason that a user wrote stands as it was written."""

_REASON_PATTERNS_ZH = {
    r"msprobe API pre-check, dual benchmark, level (L\d): error of the candidate over float32's own":
        r"msprobe API 预检的双标杆比对，\1 级：适配端误差与 float32 自身误差之比",
    r"msprobe compare, tensor mode: what it calls acceptable": "msprobe compare 的 tensor 模式：其所称可接受范围",
    r"CANN operator precision standard for (\w+), single benchmark: T = 2\^-(\d+)":
        r"CANN 算子精度标准（\1，单标杆）：T = 2^-\2",
    r"MLPerf Inference: task metric on the data set at least (\S+) % of the reference's":
        r"MLPerf Inference：数据集上的任务指标不低于参考端的 \1 %",
    r"Polygraphy CompareFunc.simple: defaults atol = rtol = 1e-5, check_error_stat elemwise":
        "Polygraphy CompareFunc.simple：默认 atol = rtol = 1e-5，check_error_stat 为 elemwise",
    r"Polygraphy CompareFunc.simple: a NaN is a mismatch, and equal infinities are by default too":
        "Polygraphy CompareFunc.simple：NaN 即不匹配，默认下相等的无穷大亦然",
}  # fmt: skip
"""Those of the other profiles' rules."""


_ENDED_ZH = {"out of memory": "内存不足", "limit": "达到时间上限", "call limit": "达到次数上限", "protocol": "样本过少"}

_UNMEASURED_ZH = {
    r"there is no (\w+) record": r"没有 \1 记录",
    r"the record holds no output '(.*)'": r"记录中没有输出 '\1'",
    r"the record holds no (\w+)": r"记录中没有 \1",
    r"(.*): not finite": r"\1：非有限值",
    r"all inputs: no detection on either side": "全部输入：两侧均未检出目标",
    r"all inputs: no detection with a partner": "全部输入：没有可配对的检出目标",
    r"(.*): no element is finite on both sides": r"\1：没有两侧均为有限值的元素",
    r"(.*): the record was made before this was stored": r"\1：记录早于该项的存储",
    r"(.*): the record holds no error of float32 itself": r"\1：记录中没有 float32 自身误差",
    r"all images: no run of the reference was compared with": "全部图像：没有与参考端的运行比较",
    r"(.*): the other run has no (\w+)": r"\1：另一次运行没有 \2",
    r"(\w+) has no switch for a reduced format": r"\1 没有降低精度格式的开关",
    r"the candidate runs in (\w+), on which the switches do not act": r"适配端为 \1，开关对其不起作用",
    r"(\w+) stays (\w+)": r"\1 仍为 \2",
    r"the record was made before this was stored": "记录早于该项的存储",
    r"(batch \d+): (\d+) calls, out of memory": r"\1：计时 \2 次，内存不足",
    r"(batch \d+): (\d+) calls, limit": r"\1：计时 \2 次，达到时间上限",
    r"(batch \d+): (\d+) calls, call limit": r"\1：计时 \2 次，达到次数上限",
}
"""Reasons of a verdict without a value, as `judge` words them."""


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
_REFUSAL_ZH = {
    r"not on (\w+)": r"不适用于 \1",
    r"lib(\w+) is not installed": r"未安装 lib\1",
    r"it already reads '(.*)' without us": r"本来就已是 '\1'",
    r"(.*) did not take: it reads '(.*)'": r"\1 未生效：读回为 '\2'",
    r"the network has no batch norm": "网络没有批归一化",
    r"the network has no optimise\(\) of its own": "网络自身没有 optimise()",
    r"the network has no convolution": "网络没有卷积",
    r"the kernel grants no huge pages": "内核不提供大页",
    r"the C library does not tell what it keeps": "C 库无法说明保留了哪些内存",
    r"there is one thread": "只有一个线程",
    r"no C\+\+ compiler": "没有 C++ 编译器",
    r"(.*) registered no backend '(.*)' for torch\.compile": r"\1 没有为 torch.compile 注册后端 '\2'",
    r"(.*) has no code generator '(.*)' for inductor": r"\1 的 inductor 没有代码生成器 '\2'",
    r"(.*) was built without TorchAir, so its backend 'npu' would run eagerly": (
        r"\1 编译时未包含 TorchAir，其后端 'npu' 只会逐算子执行"
    ),
    r"torch\.compile with the backend '(.*)' fails on a small product: (.*)": (
        r"torch.compile 的后端 '\1' 编译小矩阵乘失败，报错原文：\2"
    ),
    r"torch\.compile with the backend '(.*)' computes a wrong small product": (
        r"torch.compile 的后端 '\1' 算错了小矩阵乘"
    ),
    r"clearly slower: dropped": "明显更慢，不再测量",
    r"clearly quicker: measured anew in the combination": "明显更快，在组合中重新测量",
    r"no gain left in its interval: dropped": "区间内已无提升可能，不再测量",
    r"did not answer within (\d+) s": r"\1 s 内没有回应",
    r"the process was killed by signal (\d+)(.*)": r"进程被信号 \1 终止\2",
    r"the model already runs in ([\w ]+)": r"模型已是 \1",
}


def outcome(name: str, lang: str) -> str:
    """What came of a switch."""
    return _OUTCOME_ZH[name] if lang == "zh" else name


def stage_word(name: str, lang: str) -> str:
    """Whether a switch was tried alone or with others."""
    return _STAGE[name][lang == "en"]


def refusal(why: str, lang: str) -> str:
    """Why a switch was not tried, or no further."""
    return _matched(why, _REFUSAL_ZH) if lang == "zh" else why


def ended_sweep(by: str, lang: str) -> str:
    """How the windows of a batch size ended."""
    if by == "protocol":
        return "完成" if lang == "zh" else "complete"
    return ended(by, lang)


def seen(evidence: str, lang: str) -> str:
    """Where the worst value of a criterion was seen."""
    words = {"all inputs": "全部输入", "all operators": "全部算子", "all images": "全部图像"}
    return words.get(evidence, evidence) if lang == "zh" else evidence


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


def optimizer(text: str, lang: str) -> str:
    """How the training steps were taken, as `npu_eval.training` words it."""
    chinese = r"SGD，动量 \1，梯度裁剪至范数 \2"
    return re.sub(r"SGD, momentum (\S+), gradients clipped to norm (\S+)", chinese, text) if lang == "zh" else text


_LOCATED = {
    "zh": {
        "ok": "float32 下一致",
        "hf32": "HF32 输入舍入，可解释；关闭 HF32 可消除",
        "tf32-or-fp16": "TF32 或半精度输入舍入，可解释",
        "bf16": "BF16 舍入，可解释",
        "not-comparable": "没有可比对象",
        "fallback": "在 CPU 上执行：设备没有该算子",
        "non-deterministic": "同一输入两次运行结果不同",
        "fault": "故障：任何格式都不能解释，请检查该算子与该模块的代码",
    },
    "en": {
        "ok": "equal in float32",
        "hf32": "explained by HF32 operands; switch HF32 off and it goes",
        "tf32-or-fp16": "explained by TF32 or half-precision operands",
        "bf16": "explained by BF16",
        "not-comparable": "nothing to compare with",
        "fallback": "ran on the CPU: the device has no such operator",
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
    if lang == "zh":
        return _ENDED_ZH.get(by, by)
    return "too few calls" if by == "protocol" else by


def unmeasured(why: str, lang: str) -> str:
    """Why a criterion has no value."""
    return _matched(why, _UNMEASURED_ZH) if lang == "zh" else why


def reason(why: str, lang: str) -> str:
    """A criterion's reason in a language."""
    return _matched(REASONS_ZH.get(why, why), _REASON_PATTERNS_ZH) if lang == "zh" else why


def _matched(text: str, patterns: dict[str, str]) -> str:
    """The Chinese of a text that one of some patterns matches whole; else the text."""
    for pattern, chinese in patterns.items():
        if re.fullmatch(pattern, text):
            return re.sub(pattern, chinese, text)
    return text
