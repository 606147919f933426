"""What a report compares: two runs, of which outputs, and whether one input was run twice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import bare

COMPARISON = re.compile(
    r"max_abs|mean_abs|cos(?:ine)?_?sim|余弦|相对误差|精度(?:对比|误差|验证)|rel(?:ative)?[_ ]?(?:err|diff|l2)|"
    r"accuracy compar|precision compar",
    re.IGNORECASE,
)
_DETECTS = re.compile(
    r"检测框|实例分割|目标检测|语义分割|掩码|detection|segmentation|bounding box|\bmasks?\b|关键点|keypoint",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"(?:结果|输出|精度|检测框|掩码|推理|预测|分数)[^。;|\n]{0,24}与\s*(?:cpu|gpu)[^。;|\n]{0,12}(?:一致|相同|吻合|对齐)|"
    r"与\s*(?:cpu|gpu)[^。;|\n]{0,8}(?:结果|输出|推理|精度)[^。;|\n]{0,8}(?:一致|相同|吻合|对齐)|"
    r"(?:outputs?|results?|boxes|masks|predictions?|scores|detections)\b[^.;|\n]{0,40}"
    r"(?:consistent|identical|same|agree\w*|match\w*) (?:with|to|as) (?:the )?(?:cpu|gpu)",
    re.IGNORECASE,
)
_OUTPUT_LABEL = re.compile(
    r"box|框|score|分数|得分|mask|掩码|iou|\bm?ap\b|召回|recall|heatmap|\bhm\b|关键点|keypoint|"
    r"classification logits|检测数|detections|cls_logits|bbox",
    re.IGNORECASE,
)
_LOSS = re.compile(r"^\W*(?:loss|损失)|loss_", re.IGNORECASE)
_STAND_IN = re.compile(r"loss|损失|backbone|骨干|特征", re.IGNORECASE)
_COMPARED = frozenset(
    {
        "max_abs",
        "mean_abs",
        "cosine",
        "relative_l2",
        "max_rel",
        "mean_rel",
        "rel_error",
        "abs_error",
        "error",
        "map",
        "map50",
        "rmse",
        "accuracy",
    }
)
_REPEATED = re.compile(
    r"重复(?:运行|性|推理|执行)|按位|bitwise|repeat|determinis|确定性|多次运行.{0,10}一致|两次运行|run.to.run|逐位",
    re.IGNORECASE,
)
_NPU = re.compile(r"(?<![a-z])npu(?![a-z])|昇腾|ascend", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A sentence that calls the outputs equal to the CPU's or the GPU's; ``of_outputs`` where it names them."""

    at: Span
    words: str
    of_outputs: bool


def compares(document: Document) -> bool:
    """Whether a page speaks of a comparison of two runs."""
    return document.says(COMPARISON)


def finds_objects(document: Document) -> bool:
    """Whether a page is about boxes, masks or key points."""
    return document.says(_DETECTS)


def names_stand_ins(document: Document) -> bool:
    """Whether a page speaks of losses or inner features, which stand in for outputs."""
    return document.says(_STAND_IN)


def repeats(document: Document) -> bool:
    """Whether a page speaks of a second run of one input."""
    return document.says(_REPEATED)


def about_npu(document: Document) -> bool:
    """Whether a page names an NPU."""
    return document.says(_NPU)


def agreements(document: Document) -> list[Agreement]:
    """The sentences that say so of the outputs."""
    return document.facts(_agreements)


def outputs_compared(document: Document) -> bool:
    """Whether a number stands beside a box, a score or a mask."""
    return document.facts(_outputs_compared)


def _agreements(document: Document) -> list[Agreement]:
    return [
        Agreement(document.span(line.number), match[0], bool(_DETECTS.search(line.plain)))
        for line, match in document.search(_AGREES, ("text", "table"))
    ]


def _outputs_compared(document: Document) -> bool:
    return any(
        quantity.kind in _COMPARED
        and _OUTPUT_LABEL.search(f"{quantity.label} {_row(document, quantity.at.line)}")
        and not _LOSS.search(bare(quantity.label))
        for quantity in document.quantities.all
    )


def _row(document: Document, line: int) -> str:
    text = document.lines[line - 1].plain
    return "" if _LOSS.search(text) else text
