"""What kind of page a document is: a page is held only to what pages of its kind promise.

A model zoo's training page promises no comparison of the NPU with a CPU, and an index of data sets no versions; to ask
them for a precision protocol accuses people of leaving out what nobody wanted.
"""

from __future__ import annotations

import enum
import re

from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.folder.tree import is_deliverable
from npu_deliver.lint.reading.precision.agreement import compares

_NPU = re.compile(
    r"(?<![a-z])npu|昇腾|(?<![a-z])ascend(?!er|ing|ed\b|s\b|an)|(?<![a-z])cann(?![a-z])|atlas\s?\d{3}|\.om\b|\batc\s--|(?<![\w#])(?:310[pb]|910[a-d])\d?(?![\w.])",
    re.IGNORECASE,
)
_DELIVERED = re.compile(r"npu_deliverables|评分字段|scoring fields?", re.IGNORECASE)
_REPORT_TITLE = re.compile(r"报告|\breport\b|交付|自测", re.IGNORECASE)
_PORT_TITLE = re.compile(
    r"适配|移植(?!指导)|\bport(?:ing|ed)? (?:of|to)\b|\badapt(?:ed|ation)\b|\bon (?:the )?(?:ascend|npu)", re.IGNORECASE
)
"""Titles that reports on a port have, and guides too: what such a page measures tells them apart."""
_TEMPLATE = re.compile(r"template", re.IGNORECASE)
_INTERFACE = re.compile(
    r"功能(?:说明|描述)|(?:函数|接口)原型|参数说明|返回值|调用(?:示例|说明)|约束说明|配置示例|使用约束|支持的型号",
    re.IGNORECASE,
)
"""Headings of the reference of a function or a variable; two of them make a page one."""
_TRAINS = re.compile(
    r"(?:train|finetune|pretrain)\w*_\d+p\w*\.sh|(?:train_full|train_performance|train_eval|train_ID\d*)\w*\.sh|"
    r"npu[_ ]?nums?|训练结果|training results?|(?:开始|准备|启动|模型|进行)训练|训练(?:任务|环境|脚本|指导)|"
    r"\btraining 1p\b|multinode_train|\btorchrun\b|pretrain_\w+\.sh",
    re.IGNORECASE,
)
_INFERS = re.compile(
    r"\.om\b|\batc\s+--|ais[_-]bench|\bmsame\b|benchmark\.(?:x86_64|aarch64|\$)|推理指导|推理(?:环境|脚本|任务)|模型推理|"
    r"\bmindie\b|torch_?aie|离线推理|vllm",
    re.IGNORECASE,
)
_DIFFERENCES = frozenset(
    {"max_abs", "mean_abs", "max_rel", "mean_rel", "relative_l2", "rel_error", "abs_error", "cosine", "share_over"}
)
"""Quantities that exist only where two runs were compared."""


class Genre(enum.Enum):
    """A report on a port, a training page, an inference page, or a page that reports nothing of an NPU."""

    REPORT = "report"
    TRAINING = "training"
    INFERENCE = "inference"
    GUIDE = "guide"


def genre(document: Document) -> Genre:
    """The kind of a page; a page that names no NPU is a guide, whatever else it holds."""
    return document.facts(_genre)


def foreign(submission: Submission, document: Document) -> bool:
    """Whether a page only lies in the folder: another project's documentation, or a template."""
    if submission.names is None or document is submission.main:
        return False
    return genre(document) is Genre.GUIDE or bool(_TEMPLATE.search(document.name))


def is_own_report(submission: Submission, document: Document) -> bool:
    """Whether a page is a report on a port, or at least the very page that was asked about; a log is of its page."""
    guide = genre(document) is Genre.GUIDE and document is submission.main
    asked = guide and (submission.names is None or is_deliverable(submission.names))
    if document.kind != "report":
        return submission.main is None or is_own_report(submission, submission.main)
    return asked or genre(document) is Genre.REPORT


def claims_precision(document: Document) -> bool:
    """Whether a page reports how far two runs lie apart, beyond a metric on a data set."""
    return document.facts(_claims_precision)


def answers_for_precision(document: Document) -> bool:
    """Whether a page is to be held to what a comparison of two runs needs; training and inference pages are not."""
    kind = genre(document)
    loose = kind is Genre.GUIDE and claims_precision(document) and not document.facts(_interface_headings)
    return compares(document) and (kind is Genre.REPORT or loose)


def _claims_precision(document: Document) -> bool:
    return any(quantity.kind in _DIFFERENCES for quantity in document.quantities.all)


def _interface_headings(document: Document) -> int:
    return sum(bool(_INTERFACE.search(section.title)) for section in document.structure.sections)


def _genre(document: Document) -> Genre:
    titles = [section.title for section in document.structure.sections if section.title]
    if not _NPU.search(document.plain) or document.facts(_interface_headings) > 1:
        return Genre.GUIDE
    if "hardware" in document.structure.front or _DELIVERED.search(document.plain):
        return Genre.REPORT
    title = titles[0] if titles else ""
    trains, infers = (len(set(map(str.lower, p.findall(document.plain)))) for p in (_TRAINS, _INFERS))
    ported = _PORT_TITLE.search(title) and (document.quantities.all or compares(document))
    if (_REPORT_TITLE.search(title) or ported) and max(trains, infers) < 2:
        return Genre.REPORT
    said = (bool(re.search(r"训练|train", title, re.IGNORECASE)), bool(re.search(r"推理|infer", title, re.IGNORECASE)))
    if said[0] != said[1]:
        return Genre.TRAINING if said[0] else Genre.INFERENCE
    if trains or infers:
        return Genre.INFERENCE if infers > trains else Genre.TRAINING
    measured = any(quantity.kind in ("latency", "throughput") for quantity in document.quantities.all)
    return Genre.REPORT if claims_precision(document) or measured else Genre.GUIDE
