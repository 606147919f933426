"""What a page says of how time was measured: the parts of a protocol, cold starts, the CPU, published baselines."""

from __future__ import annotations

import re

from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.precision.outcome import Said
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.words.number import numbers

_PROTOCOL = {
    "warm-up": re.compile(r"预热|热身|warm[-_ ]?up|warmup", re.IGNORECASE),
    "iterations": re.compile(
        r"迭代|iterations?|\biters?\b|(?<!首)次(?!数据)|\bruns?\b|\brepeats?\b|轮|timed calls|\bcalls\b|num_runs|"
        r"samples|循环",
        re.IGNORECASE,
    ),
    "batch": re.compile(r"batch|\bbs\b|批大小|批次|批量|单张|\[1\s*,\s*3\s*,|1x3x", re.IGNORECASE),
    "input shape": re.compile(
        r"\d{2,4}\s*[x×*]\s*\d{2,4}|\[\s*\d+\s*,\s*\d+\s*,\s*\d+|输入(?:形状|尺寸|大小)|input[_ ](?:shape|size)|"
        r"\d+\s*tokens",
        re.IGNORECASE,
    ),
    "synchronise": re.compile(r"同步|synchroni[sz]|npu\.Event|\bsync\b", re.IGNORECASE),
    "spread": re.compile(
        r"标准差|\bstd\w*|\bp9\d|百分位|percentile|\bp50|stdev|±|\bcv\b|min.{0,3}max|最小|最大|抖动", re.IGNORECASE
    ),
}
PARTS = tuple(_PROTOCOL)
"""What a protocol states, in the order in which it is asked for."""
_CPU_NAME = re.compile(
    r"鲲鹏|kunpeng|xeon|epyc|ryzen|(?:intel|amd)\b|core\s?i\d|cortex|neoverse|飞腾|phytium|hygon|海光|\b[Ii]\d-\d{4}",
    re.IGNORECASE,
)
_THREADS = re.compile(r"线程|threads?|核|cores?|OMP_NUM_THREADS|num_threads", re.IGNORECASE)
_COLD = re.compile(
    r"(?:含|包含|包括|incl\w*)\s*(?:首次|第一次|模型加载|编译|冷启动|(?:the )?(?:first|cold|model load|compil))|"
    r"(?:无|没有|未|不)(?:进行|做)?预热|预热\s*0\s*次|warm-?up\s*[=:]\s*0\b|without warm-?up|no warm-?up",
    re.IGNORECASE,
)
_NOT_INCLUDED = re.compile(r"不(?:包?含|计入|包括)|排除|excl\w*|not incl|without the first", re.IGNORECASE)
_LEARNING_RATE = re.compile(r"学习率|learning.rate|\blr\b|scheduler|epochs?", re.IGNORECASE)
_A_RUN = 10.0
"""Seconds from which a time is that of a whole run, not of a call: the slowest network here takes 6.5 s on a CPU."""
_SCORE = re.compile(
    r"(?<![a-z])(?:m?ap|m?iou|acc|top-?[15]|recall|fid|psnr|ssim|nds|f1|dice|loss|wer|cer)(?![a-z])|accuracy|准确率",
    re.IGNORECASE,
)
_STEP = re.compile(r"step|iter|单步|迭代|训练|train|epoch", re.IGNORECASE)
_PAPER = re.compile(
    r"论文|\bpaper\b|官方(?:公布|报告|数据|给出)|published|official(?:ly)?|technical report|reported by", re.IGNORECASE
)
_HIS_MACHINE = re.compile(r"(?<![A-Za-z])(?:[AHVBL]\d{2,3}|T4|RTX\s?\d{4}|H[12]00|A100|V100)(?!\d)", re.IGNORECASE)
_FASTER = re.compile(r"加速|speed-?up|faster|快|提升|倍", re.IGNORECASE)
_EXPLAINED = re.compile(
    r"(?:batch|批).{0,40}(?:下降|回落|降低|退化|骤降|变慢|drop|collapse|slower|degrad|因为|由于|原因|because|due to|"
    r"瓶颈|访存|换页)",
    re.IGNORECASE,
)


def stated(document: Document) -> frozenset[str]:
    """The parts of a protocol that a page states."""
    return document.facts(_stated)


def names_a_cpu(document: Document) -> bool:
    """Whether a page names the model of a CPU."""
    return document.says(_CPU_NAME)


def counts_threads(document: Document) -> bool:
    """Whether a page speaks of threads or cores."""
    return document.says(_THREADS)


def explains_a_fall(document: Document) -> bool:
    """Whether a page says why a larger batch is slower."""
    return document.says(_EXPLAINED)


def timed(document: Document) -> Quantity | None:
    """The first latency or rate that a page reports as a measurement of its own; None where it is no benchmark.

    A run that took 73 s is none, nor is the speed beside the scores of a table of models.
    """
    return next((q for q in document.quantities.all if _is_reported(document, q)), None)


def _is_reported(document: Document, q: Quantity) -> bool:
    if q.kind == "latency":
        return q.number.unit == "s" and 0 < q.number.value < _A_RUN
    if q.kind != "throughput" or q.number.unit != "/s" or q.number.value <= 0:
        return False
    return q.table < 0 or not any(map(_SCORE.search, document.structure.tables[q.table].header))


def times_a_step(quantity: Quantity) -> bool:
    """Whether a time is that of a training step, whose batch is the launch script's and goes over several cards."""
    return bool(_STEP.search(quantity.label))


def cold_starts(document: Document) -> list[Said]:
    """The measured times that a page itself calls cold: with the first call, the loading or the compiling in them."""
    return document.facts(_cold_starts)


def published_baselines(document: Document) -> list[Said]:
    """The speed-ups that a page states over what others published for a machine of theirs."""
    return document.facts(_published)


def _stated(document: Document) -> frozenset[str]:
    return frozenset(part for part, pattern in _PROTOCOL.items() if document.says(pattern))


def _cold_starts(document: Document) -> list[Said]:
    return [
        Said(document.span(line.number), match[0], line.section)
        for line, match in document.search(_COLD, ("text", "table"))
        if not _NOT_INCLUDED.search(line.plain)
        and not _LEARNING_RATE.search(line.plain)
        and any(number.unit in ("s", "/s") for number in numbers(line.plain))
    ]


def _published(document: Document) -> list[Said]:
    return [
        Said(document.span(line.number), match[0], line.section)
        for line, match in document.search(_PAPER, ("text", "table"))
        if _HIS_MACHINE.search(line.plain)
        and _FASTER.search(line.plain)
        and any(number.unit in ("x", "%") for number in numbers(line.plain))
    ]
