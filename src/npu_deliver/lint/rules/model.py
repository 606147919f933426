"""Which model it is, and whether its weights are what they are said to be (checks 12 and 13)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.agreement import COMPARISON as PRECISION
from npu_deliver.lint.reading.submission import Document, Submission

UNIDENTIFIED = rule("NPU012a")
NOT_STRICT = rule("NPU012b")
RANDOM_HEAD = rule("NPU012c")
DRY_RUN = rule("NPU012d")
NO_CLASSES = rule("NPU013a")
CLASSES_DIFFER = rule("NPU013b")
STAND_IN = rule("NPU013c")
RULES = (UNIDENTIFIED, NOT_STRICT, RANDOM_HEAD, DRY_RUN, NO_CLASSES, CLASSES_DIFFER, STAND_IN)

_HASH = re.compile(r"sha-?256|\bmd5\b|\b[0-9a-f]{40,64}\b|校验和|checksum|commit_id", re.IGNORECASE)
_WEIGHTS = re.compile(r"权重|weights?|checkpoint|\.pth\b|\.safetensors\b|预训练|pretrained", re.IGNORECASE)
_LOOSE = re.compile(
    r"strict\s*=\s*False|(?:缺失键|missing(?:[_ ]keys?)?)\s*[:=为]?\s*(?P<n>[1-9]\d*)|"
    r"(?P<m>[1-9]\d*)\s*(?:个)?\s*missing keys?",
    re.IGNORECASE,
)
_RANDOM_WEIGHTS = re.compile(
    r"随机初始化|randomly[ -]initiali[sz]ed|newly initiali[sz]ed|random(?:ly)? init|使用随机权重|随机权重|"
    r"random weights|未加载(?:真实|预训练)权重|无预训练权重|without pretrained",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:没有|不(?:是|含|使用)|无|非|未使用?|排除|避免|而不是|并非)[^。;|]{0,8}(?:随机|random)|(?:\bnot?\b|never|"
    r"without any|rule\w* out)[^.;|]{0,20}random|无法排除|cannot be ruled",
    re.IGNORECASE,
)
_CLASSIFIES = re.compile(
    r"图像分类|image[ -]classification|任务(?:类型)?\s*[:|]\s*分类|task\s*[:|]\s*classif", re.IGNORECASE
)
_NO_HEAD = re.compile(r"num_classes\s*=\s*0(?!\d)|backbone features?", re.IGNORECASE)
_CLASSES = re.compile(
    r"(?:图像分类|分类|classification|classes|类别数|num_classes)\D{0,10}?(?P<n>\d{1,6})\s*(?:类|个类别|classes)|"
    r"(?:类别数|num_classes|number of classes)\s*[:=|]\s*(?P<m>[1-9]\d{0,5})\b",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"(?:输出形状|输出\s*shape|output[_ ]?shape)[^\[\n]{0,20}\[\s*(?P<dims>\d+(?:\s*,\s*\d+)*)\s*\]", re.IGNORECASE
)
_LIKE = re.compile(
    r"\b\w+-like\s+(?:model|network)|lightweight\s+\w+-like|简化(?:版|实现|的?模型|网络)|simplified (?:model|"
    r"version|re-?implementation)|轻量(?:化)?(?:替代|复现)|mock\s+model|玩具模型|toy model",
    re.IGNORECASE,
)


def check(submission: Submission) -> Iterator[Finding]:
    """The model and its weights, as the reports tell them."""
    main = submission.main
    if main is None:
        return
    yield from _unidentified(submission, main)
    for document in submission.reports:
        for line, match in document.search(_LOOSE):
            if not re.search(r"不使用|未使用|not use|避免|instead of|没有", line.plain):
                yield found(
                    NOT_STRICT,
                    document.span(line.number),
                    Text("权重没有严格加载", "the weights were not loaded strictly"),
                    expected="strict=True, 0 missing, 0 unexpected",
                    got=match[0],
                )
                break
        yield from _random(document)
        yield from _classes(document)
        for line, match in document.search(_LIKE, ("text", "table", "log", "code")):
            yield found(
                STAND_IN,
                document.span(line.number),
                Text("适配的是简化的替身，而不是上游模型", "a simplified stand-in was ported, not the upstream model"),
                expected="the upstream architecture",
                got=match[0],
            )
            break


BANNER_LINES = 20
"""Lines from the top in which a banner, a block quote, says what kind of run it was."""


def _random(document: Document) -> Iterator[Finding]:
    """Random weights: a defect where a line lets them out, a dry run where a banner says so before anything else."""
    for line, match in document.search(_RANDOM_WEIGHTS):
        if _DENIED.search(line.plain):
            continue
        if line.number <= BANNER_LINES and line.text.lstrip().startswith(">"):
            said = Text("报告开头写明使用随机权重", "the report says at its beginning that its weights are random")
            yield found(DRY_RUN, document.span(line.number), said, expected="trained weights", got=match[0])
        else:
            said = Text("有参数是随机初始化的", "some parameters are randomly initialised")
            got, wanted = match[0], "every parameter from the checkpoint"
            yield found(RANDOM_HEAD, document.span(line.number), said, expected=wanted, got=got)
        return


def _unidentified(submission: Submission, main: Document) -> Iterator[Finding]:
    if (
        not main.says(PRECISION)
        or submission.says(_HASH)
        or any(d.kind == "json" and any(_HASH.search(line.plain) for line in d.lines) for d in submission.documents)
    ):
        return
    weights = next((line for line, _ in main.search(_WEIGHTS, ("text", "table"))), None)
    if weights is None:
        weights = next((line for line, _ in main.search(PRECISION)), main.lines[0])
    yield found(
        UNIDENTIFIED,
        main.heading(weights.number),
        Text("没有权重的 sha256 或版本", "the weights have no sha256 and no revision"),
        expected="URL, revision and sha256 of the weights",
        got="none",
        evidence=(main.span(weights.number),),
    )


def _classes(document: Document) -> Iterator[Finding]:
    declared = next((line for line, _ in document.search(_CLASSIFIES, ("text", "table", "front"))), None)
    if declared is None:
        return
    for line, match in document.search(_NO_HEAD):
        yield found(
            NO_CLASSES,
            document.span(line.number),
            Text(
                "声明为图像分类，模型却没有分类头", "declared as image classification, but the model has no classifier"
            ),
            expected="num_classes > 0",
            got=match[0],
            evidence=(document.span(declared.number),),
        )
        return
    counts = {int(m["n"] or m["m"]): line for line, m in document.search(_CLASSES, ("text", "table"))}
    shapes = [(line, [int(d) for d in m["dims"].split(",")]) for line, m in document.search(_SHAPE)]
    for line, dims in shapes:
        if len(counts) == 1 and len(dims) == 2 and dims[-1] not in counts:
            ((count, stated),) = counts.items()
            yield found(
                CLASSES_DIFFER,
                document.span(line.number),
                Text(
                    f"声明 {count} 类，输出最后一维是 {dims[-1]}",
                    f"{count} classes are declared, the output's last axis is {dims[-1]}",
                ),
                expected=str(count),
                got=str(dims[-1]),
                evidence=(document.span(stated.number),),
            )
            return
