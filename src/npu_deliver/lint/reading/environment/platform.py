"""What a page says of the machine and of how its two sides compute: NPUs, their number, number formats and modes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.pages.stages import aside, stage
from npu_deliver.lint.reading.words.label import dtypes

_DISTRIBUTION = re.compile(r"vllm[-_ ]?ascend|mindie|(?:cann|torch-npu|ascend[-\w]*):v?\d+\.\d", re.IGNORECASE)
_ELSEWHERE = re.compile(r"NO NPU\b|未使用 NPU|SIMULATED - NOT AN NPU", re.IGNORECASE)
_MODES = re.compile(
    r"hf32|allow_internal_format|numeric mode|数值模式|float64|fp64|allow_fp32|precision_mode|must_keep", re.IGNORECASE
)
_SIDE_KEY = re.compile(r"^(?P<side>参考端|适配端|cpu|npu|gpu|reference|candidate)$", re.IGNORECASE)
_BOTH = re.compile(
    r"(?:cpu|gpu)\s?[(（]?\s?(?P<a>fp32|fp16|float32|float16|bf16)\)?[^|。]{0,12}?(?:vs\.?|与|和|对比|"
    r"against)[^|。]{0,12}?npu\s?[(（]?\s?(?P<b>fp32|fp16|float32|float16|bf16)",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(
    r"混合精度|格式误差|mixed precision|because of the format|fp16 (?:本身|误差)|(?:fp|float)64", re.IGNORECASE
)
_COUNT = re.compile(r"npu[ _]?(?:数量|count|个数)|num[_ ]npus?|卡数", re.IGNORECASE)
_SETTING = re.compile(
    r"[单双多]\s?(?:卡|机|npu)|\d\s?(?:卡|机|p\b|npus?|cards?)|single|multi|parallel|并行", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Format:
    """The number format of one side and where it stands."""

    name: str
    at: Span


@dataclass(frozen=True, slots=True)
class CardCount:
    """A number of NPUs that a field states; ``setting`` is what its section sets apart."""

    count: int
    at: Span
    setting: frozenset[str]


def names_distribution(document: Document) -> bool:
    """Whether a page names a distribution that brings its versions along."""
    return document.says(_DISTRIBUTION)


def was_elsewhere(document: Document) -> bool:
    """Whether a page says of itself that no NPU was there."""
    return document.says(_ELSEWHERE)


def records_modes(document: Document) -> bool:
    """Whether a page or a log says in which numeric modes the device computed."""
    return document.says(_MODES)


def explains_formats(document: Document) -> bool:
    """Whether a page says why its two sides have different number formats."""
    return document.says(_EXPLAINED)


def formats_of_sides(document: Document) -> tuple[Format, Format] | None:
    """The number formats of the reference and of the candidate, where each side has one."""
    return document.facts(_formats_of_sides)


def card_counts(document: Document) -> tuple[CardCount, ...]:
    """The numbers of NPUs that fields of a page state."""
    return document.facts(_card_counts)


def _formats_of_sides(document: Document) -> tuple[Format, Format] | None:
    for line, match in document.search(_BOTH, ("text", "table")):
        at = document.span(line.number)
        return Format(dtypes(match["a"])[0], at), Format(dtypes(match["b"])[0], at)
    sides: dict[bool, Format] = {}
    for pair in document.structure.pairs:
        side = _SIDE_KEY.match(pair.key)
        named = dtypes(pair.value) if side else ()
        if side and len(named) == 1:
            candidate = side["side"].lower() in ("适配端", "npu", "candidate")
            sides[candidate] = Format(named[0], document.span(pair.line))
    return (sides[False], sides[True]) if len(sides) == 2 else None


def _card_counts(document: Document) -> tuple[CardCount, ...]:
    out = []
    for pair in document.structure.pairs:
        number = re.match(r"\d+", pair.value.strip("*` "))
        if not number or not _COUNT.search(pair.key) or len(pair.key) >= 16 or aside(document, pair.line):
            continue
        titles = " ".join(document.structure.sections[pair.section].titles)
        setting = stage(document, pair.line) | frozenset(m[0].lower() for m in _SETTING.finditer(titles))
        out.append(CardCount(int(number[0]), document.span(pair.line), setting))
    return tuple(out)
