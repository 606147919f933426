"""What the rules expect and find where it is words: each in both languages, and nowhere else.

What is no words, a number, an interval or a name, is the same in every language, and a rule says it itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from npu_deliver.lint.finding import Text

A_VALUE = Text("一个值", "a value")
EMPTY = Text("（空）", "(empty)")
A_VALUE_OR_WHY_NOT = Text("一个值，或“未测量”及原因", "a value, or 'not measured' and why")
COSINE_OR_ERROR = Text("余弦 >= 0.99995，或相对 L2 误差", "cos >= 0.99995, or a relative L2 error")
SHARE_EXPLAINED = Text("0 %，或说明占比及其下限", "0 %, or the share explained with its floor")
SHARE_WITH_FLOOR = Text("超过 1 % 的占比及其下限", "the share over 1 %, with its floor")
REFERENCE_RMS = Text("同时给出参考输出的 RMS", "the reference's RMS beside it")
CLASS_LOGITS = Text("类别 logits", "class logits")
EACH_PART = Text("框、分数、掩码各自的差异数值", "a difference for each of boxes, scores and masks")
REAL_INPUTS = Text("真实输入及其名称与哈希", "real inputs with names and hashes")
SEVERAL_INPUTS = Text("多个真实输入", "several real inputs")
TWO_RUNS = Text("同一输入运行两次，给出是否按位相等或差异", "two runs of one input, bitwise or with their difference")
TRAINED_WEIGHTS = Text("训练好的权重", "trained weights")
WEIGHTS_ORIGIN = Text("权重的地址、版本与 sha256", "URL, revision and sha256 of the weights")
STRICT = Text("strict=True，缺失键 0，多余键 0", "strict=True, 0 missing, 0 unexpected")
EVERY_PARAMETER = Text("全部参数来自权重文件", "every parameter from the checkpoint")
UPSTREAM = Text("上游模型的结构", "the upstream architecture")
MODES = Text("两侧的数据类型与 HF32", "dtype and HF32 of both sides")
VERSIONS = Text("CANN、torch 与 torch_npu 的确切版本", "exact versions of CANN, torch and torch_npu")
EXACT_VERSION = Text("确切版本", "an exact version")
DRIVERS = Text("CANN 6 至 9", "CANN 6 to 9")
SOC = Text("npu-smi 显示的芯片型号", "the SoC as npu-smi prints it")
NO_FALLBACK = Text("没有回退", "no fallback")
AN_ERROR = Text("没有 NPU 时报错", "an error where there is no NPU")
REAL_EXTENSION = Text("真正的扩展模块", "the real extension")
WARM_UP = Text("先预热", "warm-up first")
CPU_FACTS = Text("CPU 型号、线程数与数据类型", "CPU model, threads and dtype")
BASELINE_HERE = Text("在本机测得的基准", "a baseline measured here")
DOCUMENTED = Text("有文档的变量", "a documented variable")
NO_DEFAULT = Text("不同于默认的值", "a value that is not the default")
ONE_SWITCH = Text("每行一个开关", "one switch a row")
LOG_OR_JSON = Text("一个 .log 或 .json 文件", "a .log or .json file")
NUMBERS_AS_TEXT = Text("以文字给出数值", "the numbers as text")
PUBLIC_PATH = Text("相对路径或公开地址", "a relative path or a public address")
NO_SECRET = Text("没有密钥", "no secret")
NO_SUCH_LINE = Text("不含此行", "no such line")
SERVED = Text("8000 端口与 $MODEL_PATH", "port 8000 and $MODEL_PATH")
OWN_REPORT = Text("自己的报告", "a report of its own")
READABLE = Text("可读的文本文件", "a readable text file")
WELL_FORMED = Text("完整的 JSON", "well-formed JSON")

NONE = Text("无", "none")
ABSENT = Text("没有", "absent")
A_PICTURE = Text("图片", "a picture")
NO_BATCH = Text("没有 batch", "no batch size")

PROTOCOL = {
    "warm-up": Text("预热", "warm-up"),
    "iterations": Text("迭代次数", "iterations"),
    "batch": Text("batch", "batch"),
    "input shape": Text("输入形状", "input shape"),
    "synchronise": Text("同步", "synchronisation"),
    "spread": Text("离散程度", "spread"),
}
"""Parts of a timing protocol."""


def listed(parts: Iterable[str]) -> Text:
    """The parts of a timing protocol, one after the other."""
    every = [PROTOCOL[part] for part in parts]
    return Text("、".join(part.zh for part in every), ", ".join(part.en for part in every))


def without(names: Text | str) -> Text:
    """These are not there."""
    text = names if isinstance(names, Text) else Text(names, names)
    return Text(f"缺少 {text.zh}", f"without {text.en}")


def batch_stated(size: int) -> Text:
    """The batch size that the numbers come to, written down."""
    return Text(f"写明 batch = {size}", f"batch = {size}, stated")


def or_explained(bound: str) -> Text:
    """A bound, or the reason why it is not kept."""
    return Text(f"{bound}，或说明原因", f"{bound}, or an explanation")


def in_folder(path: str) -> Text:
    """A file that is there."""
    return Text(f"文件夹内有 {path}", f"{path} in the folder")


def defined(name: str, module: str) -> Text:
    """A name that a module defines."""
    return Text(f"{module} 定义 {name}", f"{name} in {module}")


def about(value: str) -> Text:
    """Roughly so much."""
    return Text(f"约 {value}", f"about {value}")


def on_line(text: str, line: int) -> Text:
    """Something as it stands on a line."""
    return Text(f"第 {line} 行的 {text}", f"{text} in line {line}")
