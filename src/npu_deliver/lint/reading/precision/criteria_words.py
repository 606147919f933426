"""What a page accepts as equal: thresholds of cosine and of absolute differences, the claim of 1 %, and its reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document


@dataclass(frozen=True, slots=True)
class Gate:
    """A threshold as it is written."""

    at: Span
    value: str
    words: str


_NOT_SO = re.compile(
    r"不(?:作为|能|可|应|得|是|代表|等于|足以|用)|而非|并非|不用于|仅供参考|\bnot?\b|never|cannot|n't|相当于|"
    r"对应.{0,6}误差|corresponds? to|admits|容许",
    re.IGNORECASE,
)
_RELATIVE_L2 = re.compile(r"rel(?:ative)?[_ \-]?l2|相对\s?l2|l2\s?相对|relative euclid", re.IGNORECASE)
_COSINE_GATE = re.compile(
    r"(?:cos(?:ine)?(?:[_ ]?sim\w*)?|余弦(?:相似度)?)[^|;。\n]{0,24}?(?:>=?|≥|大于等于|大于|不低于|高于|above|over|"
    r"exceeds?)\s*(?P<gate>0\.9\d*)",
    re.IGNORECASE,
)
_ONE_PERCENT = re.compile(
    r"(?:<|≤|小于|低于|不超过|within|below|under|less than)\s*=?\s*1(?:\.0+)?\s*%|within_1_percent|1\s*%\s*(?:以内|"
    r"之内|要求|的要求|误差)",
    re.IGNORECASE,
)
_NONE_OVER = re.compile(
    r"(?:均|都|全部|所有|各).{0,14}(?:无|没有|未出现|不存在).{0,6}>?\s*1\s*%|no .{0,30}(?:over|above|>)\s*1\s*%|"
    r"none .{0,20}1\s*%"
    r"|(?:误差|error|diff\w*).{0,10}(?:均|都|全部|all)?\s*(?:<|小于|低于|below|under|within)\s*1\s*%",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(
    r"接近\s?0|近零|near zero|分母|floor|下限|占比.{0,20}(?:说明|原因|解释)|explain|because|由于|因为", re.IGNORECASE
)
_REQUIRED = re.compile(r"要求|目标|标准|criteri|require|must|should")
_SET = re.compile(
    r"要求|目标|标准(?!差)|阈值|门限|判据|criteri|require|must|should|threshold|toleran|FAIL|未通过|不通过",
    re.IGNORECASE,
)
_LARGEST = re.compile(r"max|最大", re.IGNORECASE)
_ABSOLUTE = re.compile(
    r"(?:(?:max|mean)[_ ]?(?:abs\w*)?[_ ]?(?:diff|err\w*)|\bmae\b|最大绝对误差|平均绝对误差|绝对误差|"
    r"\batol)[^|;。\n<]{0,30}?(?:<=?|≤|小于|低于|below|under)\s*(?P<gate>\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?!\s*%|\d)",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r"\brms\b|均方根|参考(?:输出|端)?(?:的)?(?:幅值|范围|标准差|最大值|均值)|reference (?:rms|scale|range|"
    r"magnitude)|max\|r\||输出范围|value range|max_abs_ref",
    re.IGNORECASE,
)


def says_relative_l2(document: Document) -> bool:
    """Whether a page speaks of a relative L2 error, which supports a claim of per cent."""
    return document.says(_RELATIVE_L2)


def says_scale(document: Document) -> bool:
    """Whether a page gives the scale of the reference, without which an absolute difference says nothing."""
    return document.says(_SCALE)


def cosine_gates(document: Document) -> list[Gate]:
    """The thresholds of a cosine that a page accepts; those that it only explains are none."""
    return [
        Gate(document.span(line.number), match["gate"], match[0].strip())
        for line, match in document.search(_COSINE_GATE)
        if not _NOT_SO.search(line.plain)
    ]


def absolute_gates(document: Document) -> list[Gate]:
    """The thresholds of an absolute difference that stand without a relative one."""
    return [
        Gate(document.span(line.number), match["gate"], match[0].strip())
        for line, match in document.search(_ABSOLUTE, ("text", "table"))
        if not _RELATIVE_L2.search(line.plain)
    ]


def largest_below(document: Document) -> list[Gate]:
    """What a page says its largest absolute difference stays below; a threshold that is only set says nothing of it."""
    return [
        Gate(document.span(line.number), match["gate"], match[0].strip())
        for line, match in document.search(_ABSOLUTE)
        if _LARGEST.search(match[0]) and not _SET.search(line.plain)
    ]


def one_percent(document: Document) -> list[Span]:
    """The lines that speak of an error of at most 1 %."""
    return [document.span(line.number) for line, _ in document.search(_ONE_PERCENT)]


def one_percent_told(document: Document) -> list[Span]:
    """Those of them that a log does not print."""
    return [document.span(line.number) for line, _ in document.search(_ONE_PERCENT, ("text", "table"))]


def none_over(document: Document) -> list[Span]:
    """The lines that say that no error is over 1 %, unless they give a reason or only set it as the aim."""
    return [
        document.span(line.number)
        for line, _ in document.search(_NONE_OVER, ("text", "table"))
        if not _EXPLAINED.search(line.plain) and not _REQUIRED.search(line.plain)
    ]
