"""What a report says came out: failures, excuses for them, inequalities that it asserts, the limit that it sets.

An inequality is asserted where the words around it are those of a measurement or a verdict. One in a condition, a
progress bar (``48/48 [01:05<00:00``), a range of versions or a piece of code compares nothing that was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line
from npu_deliver.lint.reading.words.label import meaning
from npu_deliver.lint.reading.words.number import Number, numbers

_PASS = re.compile(r"✅|通过|\bpass(?:ed)?\b|满足|合格|达标|\btrue\b|成功|一致|\bok\b|是\s*[(|]", re.IGNORECASE)
_PASS_NOT = re.compile(
    r"未通过|不通过|不满足|不达标|没有通过|未满足|不合格|\bfail|not pass|❌|不一致|未达", re.IGNORECASE
)
_FAIL = re.compile(
    r"\bfail(?:ed)?\b|未通过|不通过|❌|略超|超出阈值|超过阈值|超出.{0,4}1(?:\.0)?\s*%|略高于|exceeds? the threshold|"
    r"slightly above",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    r"误差|精度|阈值|门限|指标|结果|判定|结论|余弦|验证|result|verdict|threshold|criterion|criteria|error|diff|accuracy|"
    r"precision|cos",
    re.IGNORECASE,
)
"""A failure of a measurement speaks of one; a build that failed does not."""
_EXCUSE = re.compile(
    r"(?:完全|可以|仍)?可接受|可以接受|可忽略|视为通过|仍(?:然)?(?:在)?合理|正常范围|不影响(?:使用|精度|结论)|"
    r"acceptable|negligible|considered (?:a )?pass|within reason",
    re.IGNORECASE,
)
_NO_EXCUSE = re.compile(
    r"不可接受|unacceptable|不能接受|not acceptable|无法接受|不可忽略|not negligible|告警|报错|warning", re.IGNORECASE
)
_INEQUALITY = re.compile(
    r"(?<![\d./])(?<!\d:)(?P<a>\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d+)?\s?(?P<unit>%|ms|s|FPS|fps|GB|MB)?)\s{0,4}"
    r"(?P<op><=?|>=?|≤|≥)\s{0,4}"
    r"(?P<b>\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d+)?\s?(?P<same>%|ms|s|FPS|fps|GB|MB)?)(?![\w?]|[.:/]\d|\s?[<>])"
)
_CONDITION = re.compile(
    r"\b(?:if|elif|when|where|while|until|unless|assert|only|for|must|should|requires?|filter\w*|keep|drop)\b|"
    r"[若当]|如果|假如|假设|判断|条件|只有|直到|除非|否则|要求|必须|需要|确保|应(?!用)|建议|筛选|过滤|大于等于|小于等于",
    re.IGNORECASE,
)
_VERSIONED = re.compile(r"(?:python|torch\w*|cann|cuda|gcc|cmake|numpy|版本|version)\W{0,4}$", re.IGNORECASE)
_BAR = re.compile(r"\d%\s?\||\bit/s\b|\bs/it\b|\d:\d\d\s?<|\[\d+:\d\d")
_CODE = re.compile(r"`[^`]{1,400}`")
_MEASURES = frozenset(
    {
        "cosine",
        "relative_l2",
        "rmse",
        "max_rel",
        "mean_rel",
        "max_abs",
        "mean_abs",
        "abs_error",
        "rel_error",
        "error",
        "share_over",
        "accuracy",
        "accuracy1",
        "accuracy5",
        "map",
        "map50",
        "map75",
        "latency",
        "throughput",
        "cv",
        "speedup",
        "gain",
        "total_time",
    }
)
_CLAUSE = re.compile(r"[,;，；。|]")
_LIMIT = re.compile(r"(?:<=?|≤|小于|低于|不超过|below|under|within)\s*(?P<limit>\d+(?:\.\d+)?\s*%)", re.IGNORECASE)
_ERROR_KEY = re.compile(r"误差|error|diff|偏差|差异|loss", re.IGNORECASE)
_OF_ANOTHER_KIND = re.compile(r"性能|提升|wer|cer|占比|share|cosine|余弦", re.IGNORECASE)
_THRESHOLD_KEY = re.compile(r"(?:threshold|阈值|门限)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a report at their place."""

    at: Span
    words: str
    section: int


@dataclass(frozen=True, slots=True)
class Inequality:
    """``a sign b`` as a report asserts it; ``words`` as printed."""

    at: Span
    words: str
    a: Number
    sign: str
    b: Number


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a report says of its results. ``limit`` is the one percentage that it allows an error, None for several.

    ``excused`` is empty where nothing failed; ``passed`` are the percentages of error that a line calls passed, one a
    line, where there is a limit.
    """

    failed: tuple[Said, ...]
    excused: tuple[Said, ...]
    inequalities: tuple[Inequality, ...]
    limit: Number | None
    passed: tuple[tuple[Span, Number], ...]


def outcome(document: Document) -> Outcome:
    """The results that a report asserts."""
    return document.facts(_outcome)


def passes(document: Document) -> bool:
    """Whether a page calls anything passed."""
    return document.says(_PASS)


def _outcome(document: Document) -> Outcome:
    failed = tuple(
        Said(document.span(line.number), match[0], line.section)
        for line, match in document.search(_FAIL)
        if _JUDGED.search(line.plain)
    )
    limit = _limit(document)
    return Outcome(
        failed=failed,
        excused=tuple(_excuses(document)) if failed else (),
        inequalities=tuple(_inequalities(document)),
        limit=limit,
        passed=tuple(_passed(document)) if limit is not None else (),
    )


def _excuses(document: Document) -> Iterator[Said]:
    for line, match in document.search(_EXCUSE, ("text", "table")):
        if not _NO_EXCUSE.search(line.plain):
            yield Said(document.span(line.number), match[0], line.section)


def _inequalities(document: Document) -> Iterator[Inequality]:
    for line, _ in document.search(_INEQUALITY, ("text", "table")):
        if _BAR.search(line.plain):
            continue
        spans = [match.span() for match in _CODE.finditer(line.plain)]
        verdict = bool(_PASS.search(line.plain) or _FAIL.search(line.plain))
        for match in _INEQUALITY.finditer(line.plain):
            a, b = (next(numbers(match[k].strip()), None) for k in "ab")
            quoted = any(start < match.start() < end for start, end in spans)
            if a and b and _asserted(line, match, verdict=verdict, quoted=quoted) and _comparable(match):
                yield Inequality(document.span(line.number), match[0], a, match["op"], b)


def _comparable(match: re.Match[str]) -> bool:
    return match["same"] == match["unit"] or {match["same"], match["unit"]} <= {"%", None}


def _asserted(line: Line, match: re.Match[str], *, verdict: bool, quoted: bool) -> bool:
    before = line.plain[: match.start()]
    clause = _CLAUSE.split(before)[-1]
    if re.search(r"[\w.<>=-]$", before[-2:]) or _CONDITION.search(clause) or _VERSIONED.search(clause.rstrip()):
        return False
    what = meaning(clause[-60:])
    return verdict or (not quoted and what is not None and what.kind in _MEASURES)


def _limit(document: Document) -> Number | None:
    texts = {
        match["limit"].replace(" ", "")
        for line, match in document.search(_LIMIT)
        if _ERROR_KEY.search(line.plain) or "精度" in line.plain
    }
    for pair in document.structure.pairs:
        if _THRESHOLD_KEY.match(pair.key):
            texts |= {n.text.replace(" ", "") for n in numbers(pair.value) if n.unit == "%"}
    limits = {n.value: n for text in texts for n in numbers(text)}
    return limits.popitem()[1] if len(limits) == 1 else None


def _passed(document: Document) -> Iterator[tuple[Span, Number]]:
    for line, _ in document.search(_PASS, ("text", "table")):
        if (
            not _ERROR_KEY.search(line.plain)
            or _PASS_NOT.search(line.plain)
            or _FAIL.search(line.plain)
            or _INEQUALITY.search(line.plain)
            or _OF_ANOTHER_KIND.search(line.plain)
        ):
            continue
        values = [n for n in numbers(line.plain) if n.unit == "%" and not n.bound]
        if len(values) == 1 and values[0].value < 100 and _names_an_error(line, values[0]):
            yield document.span(line.number), values[0]


def _names_an_error(line: Line, number: Number) -> bool:
    """Whether the words that belong to a number are of an error: those of its clause, or of its row's label."""
    clause = re.split(r"[,;，；。]", line.plain[: number.start])[-1]
    return bool(_ERROR_KEY.search(clause))
