"""Which network a page says it ported: its classes, its output, and whether it is a simplified stand-in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Quote, Span
from npu_deliver.lint.reading.folder.submission import Document


@dataclass(frozen=True, slots=True)
class Classifier:
    """A task that is declared as image classification; ``headless``: where and how the page says that there is no head.

    ``counts`` are the numbers of classes with the lines that declare them, ``outputs`` the shapes of outputs.
    """

    at: Span
    headless: tuple[Span, str] | None
    counts: tuple[tuple[int, Span], ...]
    outputs: tuple[tuple[tuple[int, ...], Span], ...]


_CLASSIFIES = re.compile(
    r"图像分类|image[ -]classification|任务(?:类型)?\s?[:|]\s?分类|task\s?[:|]\s?classif", re.IGNORECASE
)
_NO_HEAD = re.compile(r"num_classes\s?=\s?0(?!\d)|backbone features?", re.IGNORECASE)
_CLASSES = re.compile(
    r"(?:图像分类|分类|classification|classes|类别数|num_classes)\D{0,10}?(?P<n>\d{1,6})\s?(?:类|个类别|classes)|"
    r"(?:类别数|num_classes|number of classes)\s?[:=|]\s?(?P<m>[1-9]\d{0,5})\b",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"(?:输出形状|输出\s?shape|output[_ ]?shape)[^\[\n]{0,20}\[\s?(?P<dims>\d+(?:\s?,\s?\d+)*)\s?\]", re.IGNORECASE
)
_SIMPLER = re.compile(
    r"(?:light-?weight|simplified|simple|mini|tiny|toy|small|简化|轻量|精简|自写|自定义|自行实现)\s?(?:的|版)?\s?"
    r"(?P<like>[a-z][\w+]{0,30}(?:[- ][\w+]{1,12})?)-like\b",
    re.IGNORECASE,
)
_LIKE = re.compile(r"(?<![\w-])(?P<like>[a-z][\w+]{0,30})-like\s(?:model|network)\b", re.IGNORECASE)
_REWRITE = re.compile(
    r"简化版(?!本|权重)|简化实现|简化的(?:模型|网络)|simplified (?:version|re-?implementation|model|network)|"
    r"轻量(?:化)?(?:替代|复现)|mock\s?model|玩具模型|toy model",
    re.IGNORECASE,
)
_OF_NETWORK = re.compile(
    r"模型|网络|骨干|结构|架构|替代|复现|实现|model|network|backbone|architect|implement", re.IGNORECASE
)
_GRAPH = re.compile(
    r"onnx|onnxsim|simplif(?:ier|y)\b|常量折叠|计算图|改图|atc|推理指导|论文|paper|链接|http|参考|提出|propos|introduc",
    re.IGNORECASE,
)
_DENIED = re.compile(r"不(?:是|使用|采用)|没有|并非|未使用|\bnot?\b|instead of|而非", re.IGNORECASE)


def classifier(document: Document) -> Classifier | None:
    """What a page that declares image classification says of classes and outputs; None for another task."""
    return document.facts(_classifier)


def stand_in(document: Document) -> Quote | None:
    """The first line that says that a simplified network was ported in the place of the real one.

    A graph that onnxsim simplified is the same network, and so is a family of networks called "ResNet-like".
    """
    return document.facts(_stand_in)


def _classifier(document: Document) -> Classifier | None:
    declared = next((line for line, _ in document.search(_CLASSIFIES, ("text", "table", "front"))), None)
    if declared is None:
        return None
    headless = next(((document.span(line.number), match[0]) for line, match in document.search(_NO_HEAD)), None)
    counts = {int(m["n"] or m["m"]): line.number for line, m in document.search(_CLASSES, ("text", "table"))}
    outputs = [(m["dims"], line.number) for line, m in document.search(_SHAPE)]
    return Classifier(
        document.span(declared.number),
        headless,
        tuple((count, document.span(line)) for count, line in counts.items()),
        tuple((tuple(int(d) for d in dims.split(",")), document.span(line)) for dims, line in outputs),
    )


def _stand_in(document: Document) -> Quote | None:
    title = next((section.title for section in document.structure.sections if section.title), "").lower()
    for pattern in (_SIMPLER, _LIKE, _REWRITE):
        for line, match in document.search(pattern, ("text", "table", "log", "code")):
            if _GRAPH.search(line.plain) or _DENIED.search(line.plain):
                continue
            if pattern is _REWRITE and not _OF_NETWORK.search(line.plain):
                continue
            if pattern is not _LIKE or match["like"].lower() in title:
                return Quote(document.span(line.number), match[0])
    return None
