"""What the linter says: a finding with its evidence, and the rule behind it. All plain data."""

from __future__ import annotations

import enum
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Severity(enum.StrEnum):
    """How bad a finding is; the names are SARIF's levels."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    zh: str
    en: str

    def said(self, lang: str) -> str:
        """The sentence in ``zh`` or ``en``."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a file: ``line`` from 1, ``text`` as it stands there."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One check. ``good`` and ``bad`` are Markdown reports, run through the rule by a test."""

    id: str
    severity: Severity
    title: Text
    why: Text
    formula: str
    good: str
    bad: str


@functools.cache
def _data() -> dict[str, Any]:
    with (Path(__file__).with_name("rules.toml")).open("rb") as stream:
        return tomllib.load(stream)


def rule(name: str) -> Rule:
    """The rule of an id, from ``rules.toml``."""
    entry = _data()[name]
    return Rule(
        id=name,
        severity=Severity(entry["severity"]),
        title=Text(**entry["title"]),
        why=Text(**entry["why"]),
        formula=entry["formula"],
        good=entry["good"],
        bad=entry["bad"],
    )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect: where it stands, what was compared, what would have been right, and what is there."""

    rule: str
    severity: Severity
    file: str
    line: int
    message: Text
    evidence: tuple[Span, ...]
    expected: Text
    found: str


def found(
    broken: Rule, at: Span, message: Text, *, expected: str | Text, got: str, evidence: tuple[Span, ...] = ()
) -> Finding:
    """A finding of a rule at a place; the place itself is always part of the evidence."""
    spans = tuple(dict.fromkeys((at, *evidence)))
    return Finding(
        rule=broken.id,
        severity=broken.severity,
        file=at.file,
        line=at.line,
        message=message,
        evidence=spans,
        expected=expected if isinstance(expected, Text) else Text(EXPECTED_ZH.get(expected, expected), expected),
        found=got,
    )


EXPECTED_ZH = {
    "a value": "一个值",
    "(empty)": "（空）",
    "a value, or 'not measured' and why": "一个值，或“未测量”及原因",
    "cos >= 0.99995, or a relative L2 error": "余弦 >= 0.99995，或相对 L2 误差",
    "0 %, or the share explained with its floor": "0 %，或说明占比及其下限",
    "the share over 1 %, with its floor": "超过 1 % 的占比及其下限",
    "the reference's RMS beside it": "同时给出参考输出的 RMS",
    "class logits": "类别 logits",
    "a difference for each of boxes, scores and masks": "框、分数、掩码各自的差异数值",
    "real inputs with names and hashes": "真实输入及其名称与哈希",
    "several real inputs": "多个真实输入",
    "two runs of one input, bitwise or with their difference": "同一输入运行两次，给出是否按位相等或差异",
    "trained weights": "训练好的权重",
    "URL, revision and sha256 of the weights": "权重的地址、版本与 sha256",
    "strict=True, 0 missing, 0 unexpected": "strict=True，缺失键 0，多余键 0",
    "every parameter from the checkpoint": "全部参数来自权重文件",
    "the upstream architecture": "上游模型的结构",
    "dtype and HF32 of both sides": "两侧的数据类型与 HF32",
    "exact versions of CANN, torch and torch_npu": "CANN、torch 与 torch_npu 的确切版本",
    "an exact version": "确切版本",
    "CANN 6 to 9": "CANN 6 至 9",
    "the SoC as npu-smi prints it": "npu-smi 显示的芯片型号",
    "no fallback": "没有回退",
    "an error where there is no NPU": "没有 NPU 时报错",
    "the real extension": "真正的扩展模块",
    "warm-up first": "先预热",
    "CPU model, threads and dtype": "CPU 型号、线程数与数据类型",
    "a baseline measured here": "在本机测得的基准",
    "a documented variable": "有文档的变量",
    "a value that is not the default": "不同于默认的值",
    "one switch a row": "每行一个开关",
    "a .log or .json file": "一个 .log 或 .json 文件",
    "the numbers as text": "以文字给出数值",
    "a relative path or a public address": "相对路径或公开地址",
    "no secret": "没有密钥",
    "no such line": "不含此行",
    "port 8000 and $MODEL_PATH": "8000 端口与 $MODEL_PATH",
    "a report of its own": "自己的报告",
    "a readable text file": "可读的文本文件",
    "well-formed JSON": "完整的 JSON",
}
"""What was expected, in Chinese, where it is words; intervals and names stand as they are."""
