"""What a metric can be at all, and what it can support (checks 5, 7, 8, 10 and 11)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.number import Interval
from npu_deliver.lint.reading.quantity import Group, Quantity
from npu_deliver.lint.reading.submission import Document, Submission

RANGE = rule("NPU005a")
ORDER = rule("NPU005b")
IDENTITY = rule("NPU005c")
COSINE_GATE = rule("NPU007a")
COSINE_ERROR = rule("NPU007b")
SHARES_IGNORED = rule("NPU008")
SCALE_BLIND = rule("NPU010")
TOP_K = rule("NPU011")
RULES = (RANGE, ORDER, IDENTITY, COSINE_GATE, COSINE_ERROR, SHARES_IGNORED, SCALE_BLIND, TOP_K)


def check(submission: Submission) -> Iterator[Finding]:
    """Ranges, orders and identities everywhere; what supports what in the reports."""
    for document in submission.documents:
        if document.kind in ("report", "log", "json"):
            yield from _ranges(document)
            for group in document.quantities.groups:
                yield from _order(group)
                yield from _identity(group)
                yield from _cosine_error(group)
    for document in submission.reports:
        yield from _cosine_gate(submission, document)
        yield from _shares(submission, document)
        yield from _scale_blind(submission, document)
        yield from _top_k(document)
        yield from _printed_outputs(document)


_SHARES = {"share_over", "accuracy", "accuracy1", "accuracy5"}
_ERRORS = {"max_abs", "mean_abs", "relative_l2", "max_rel", "mean_rel", "rmse", "abs_error", "rel_error"}


def _ranges(document: Document) -> Iterator[Finding]:
    for q in document.quantities.all:
        span, allowed = q.number.span, ""
        if q.kind == "cosine" and not q.number.unit and (span.lo > 1 or span.hi < -1) and q.number.value < 50:
            allowed = "[-1, 1]"
        elif q.kind in _SHARES and q.number.unit == "%" and (span.lo > 100 or span.hi < 0):
            allowed = "[0, 100 %]"
        elif (
            q.kind in _ERRORS and span.hi < 0 and q.number.unit != "%" and not re.search(r"logit|log10|差值", q.context)
        ):
            allowed = ">= 0"
        elif (
            q.kind == "latency"
            and q.number.unit == "s"
            and span.hi < 0
            and q.stat
            and not re.search(r"变化|差|diff|change|delta|Δ|vs", q.context)
        ):
            allowed = "> 0"
        if allowed:
            yield found(
                RANGE,
                q.at,
                Text(f"{q.label} 不可能是 {q.number.text}", f"{q.label} cannot be {q.number.text}"),
                expected=allowed,
                got=q.number.text,
            )


_CHAIN = ("min", "p50", "p75", "p90", "p95", "p99", "p99.9", "max")
_ORDERED = (
    ("mean_abs", "max_abs"),
    ("mean_rel", "max_rel"),
    ("accuracy1", "accuracy5"),
    ("map", "map50"),
    ("mean_abs", "rmse"),
    ("rmse", "max_abs"),
    ("map75", "map50"),
)


def _order(group: Group) -> Iterator[Finding]:
    for kind in ("latency",):  # "slowest" and "quickest" of a rate mean the opposite ends
        stats: dict[tuple[str, str], list[Quantity]] = {}
        for q in group.quantities:
            if q.kind == kind and q.stat:
                stats.setdefault((q.side, q.stat), []).append(q)
        for side in {side for side, _ in stats}:
            one = {stat: qs[0] for (s, stat), qs in stats.items() if s == side and len(qs) == 1}
            chain = [one[stat] for stat in _CHAIN if stat in one]
            pairs = list(pairwise(chain)) if kind == "latency" else []
            pairs += [
                (one[a], one[b]) for a, b in (("min", "mean"), ("mean", "max"), ("min", "max")) if a in one and b in one
            ]
            for low, high in pairs:
                if low.number.span.lo > high.number.span.hi and low.number.unit == high.number.unit:
                    yield _out_of_order(low, high)
                    break
            if {"std", "min", "max"} <= one.keys() and one["std"].number.span.lo > (
                one["max"].number.span - one["min"].number.span
            ).hi:
                yield _out_of_order(one["std"], one["max"])
    for small, large in _ORDERED:
        lows, highs = (_single(group, kind) for kind in (small, large))
        if (
            lows
            and highs
            and lows.side == highs.side
            and lows.number.unit == highs.number.unit
            and lows.number.span.lo > highs.number.span.hi
        ):
            yield _out_of_order(lows, highs)


def _single(group: Group, kind: str) -> Quantity | None:
    values = [q for q in group.quantities if q.kind == kind and not q.number.bound]
    return values[0] if len(values) == 1 else None


def _out_of_order(low: Quantity, high: Quantity) -> Finding:
    return found(
        ORDER,
        high.at,
        Text(
            f"“{high.label}” {high.number.text} 小于 “{low.label}” {low.number.text}",
            f"'{high.label}' {high.number.text} is below '{low.label}' {low.number.text}",
        ),
        expected=f">= {low.number.text}",
        got=high.number.text,
        evidence=(low.at,),
    )


def _identity(group: Group) -> Iterator[Finding]:
    cosine, error = _single(group, "cosine"), _single(group, "relative_l2")
    if cosine is None or error is None or not 0 <= cosine.number.value <= 1:
        return
    worst = min(1.0, cosine.number.span.hi)
    floor = math.sqrt(max(0.0, 1 - worst * worst))
    stated = error.number.span.hi * (0.01 if error.number.unit == "%" else 1.0)
    if stated < floor * (1 - 1e-9):
        yield found(
            IDENTITY,
            error.at,
            Text(
                f"余弦 {cosine.number.text} 时相对 L2 误差至少为 {floor:.3g}",
                f"with a cosine of {cosine.number.text} the relative L2 error is at least {floor:.3g}",
            ),
            expected=f">= {floor:.3g}",
            got=error.number.text,
            evidence=(cosine.at,),
        )


_NOT_SO = re.compile(
    r"不(?:作为|能|可|应|得|是|代表|等于|足以|用)|而非|并非|不用于|仅供参考|\bnot?\b|never|cannot|n't|相当于|"
    r"对应.{0,6}误差|corresponds? to|admits|容许",
    re.IGNORECASE,
)
_RELATIVE_L2 = re.compile(r"rel(?:ative)?[_ \-]?l2|相对\s?l2|l2\s?相对|relative euclid", re.IGNORECASE)
_GATE = re.compile(
    r"(?:cos(?:ine)?(?:[_ ]?sim\w*)?|余弦(?:相似度)?)[^|;。\n]{0,24}?(?:>=?|≥|大于等于|大于|不低于|高于|above|over|"
    r"exceeds?)\s*(?P<gate>0\.9\d*)",
    re.IGNORECASE,
)
_ONE_PERCENT = re.compile(
    r"(?:<|≤|小于|低于|不超过|within|below|under|less than)\s*=?\s*1(?:\.0+)?\s*%|within_1_percent|1\s*%\s*(?:以内|"
    r"之内|要求|的要求|误差)",
    re.IGNORECASE,
)


def _cosine_gate(submission: Submission, document: Document) -> Iterator[Finding]:
    claims = [line for line, _ in document.search(_ONE_PERCENT)]
    if submission.says(_RELATIVE_L2):
        return
    for line, match in document.search(_GATE):
        if _NOT_SO.search(line.plain) or float(match["gate"]) >= 0.99995:
            continue
        gate = float(match["gate"])
        admits = 100 * math.sqrt(2 * (1 - gate))
        claim = (document.span(claims[0].number),) if claims else ()
        yield found(
            COSINE_GATE,
            document.span(line.number),
            Text(
                f"余弦 > {match['gate']} 容许约 {admits:.3g} % 的相对 L2 误差，不能支持 1 %",
                f"a cosine above {match['gate']} admits a relative L2 error of about {admits:.3g} %; it supports no "
                f"1 %",
            ),
            expected="cos >= 0.99995, or a relative L2 error",
            got=match[0].strip(),
            evidence=claim,
        )


_DEFINED = re.compile(
    r"(?:误差|error|差异)[^|。;\n]{0,12}[=:为]?\s*\(?\s*1\s*-\s*(?:cos\w*|余弦\w*)|1\s*-\s*(?:cosine|cos|"
    r"余弦)\w*\s*\)?\s*[×x*]\s*100",
    re.IGNORECASE,
)


def _cosine_error(group: Group) -> Iterator[Finding]:
    cosine = _single(group, "cosine")
    errors = [
        q for q in group.quantities if q.kind in ("error", "rel_error") and q.number.unit == "%" and not q.number.bound
    ]
    if cosine is None or cosine.number.value >= 1 or cosine.number.value < 0.9 or len(errors) != 1:
        return
    error = errors[0]
    span = cosine.number.span
    one_minus = Interval(max(0.0, 100 * (1 - span.hi)), 100 * (1 - span.lo))
    rounded = Interval(error.number.span.lo, error.number.span.hi)
    if (
        rounded.meets(one_minus)
        and one_minus.hi > 0
        and error.number.value > 0
        and (span.hi - span.lo) < 0.6 * (1 - cosine.number.value)
    ):
        honest = 100 * math.sqrt(2 * (1 - cosine.number.value))
        yield found(
            COSINE_ERROR,
            error.at,
            Text(
                f"“{error.label}” {error.number.text} 就是 1-{cosine.number.text}；相应的相对 L2 误差约为 "
                f"{honest:.2g} %",
                f"'{error.label}' {error.number.text} is 1 - {cosine.number.text}; the relative L2 error is about "
                f"{honest:.2g} %",
            ),
            expected=f"about {honest:.2g} %",
            got=error.number.text,
            evidence=(cosine.at,),
        )


_CLAIM_NONE = re.compile(
    r"(?:均|都|全部|所有|各).{0,14}(?:无|没有|未出现|不存在).{0,6}>?\s*1\s*%|no .{0,30}(?:over|above|>)\s*1\s*%|"
    r"none .{0,20}1\s*%"
    r"|(?:误差|error|diff\w*).{0,10}(?:均|都|全部|all)?\s*(?:<|小于|低于|below|under|within)\s*1\s*%",
    re.IGNORECASE,
)
_EXPLAINED = re.compile(
    r"接近\s?0|近零|near zero|分母|floor|下限|占比.{0,20}(?:说明|原因|解释)|explain|because|由于|因为", re.IGNORECASE
)
_LARGE_SHARE = 1.0
"""In per cent. Below, shares over 1 % come from elements near zero."""


def _shares(submission: Submission, document: Document) -> Iterator[Finding]:
    large = [
        q
        for d in submission.texts
        for q in d.quantities.all
        if q.kind == "share_over" and q.number.unit == "%" and q.number.span.lo > _LARGE_SHARE and not q.number.bound
    ]
    if not large:
        return
    for line, match in document.search(_CLAIM_NONE, ("text", "table")):
        if (
            line.number in {q.at.line for q in large}
            or _EXPLAINED.search(line.plain)
            or re.search(r"要求|目标|标准|criteri|require|must|should", line.plain)
        ):
            continue
        worst = max(large, key=lambda q: q.number.value)
        yield found(
            SHARES_IGNORED,
            document.span(line.number),
            Text(
                f"这里说没有超过 1 % 的误差，而第 {worst.at.line} 行有 {worst.number.text} 的元素超过 1 %",
                f"this says that nothing is over 1 %, but line {worst.at.line} has {worst.number.text} of the "
                f"elements over 1 %",
            ),
            expected="0 %, or the share explained with its floor",
            got=worst.number.text,
            evidence=tuple(q.at for q in large[:6]),
        )
        del match


_VECTOR = re.compile(
    r"(?:logits?|输出|output|前\s?\d+\s?个|values?|"
    r"特征)[^\[\n]{0,30}\[(?P<values>\s*-?\d+\.\d+(?:\s*,\s*-?\d+\.\d+){2,})\s*(?:,\s*\.\.\.)?\s*\]",
    re.IGNORECASE,
)


def _printed_outputs(document: Document) -> Iterator[Finding]:
    """Outputs printed for both sides can be compared on the spot."""
    vectors = [(line, [float(v) for v in match["values"].split(",")]) for line, match in document.search(_VECTOR)]
    claim = next((line for line, _ in document.search(_ONE_PERCENT, ("text", "table"))), None)
    if len(vectors) != 2 or claim is None or len(vectors[0][1]) != len(vectors[1][1]):
        return
    (first, a), (second, b) = vectors
    over = sum(abs(x - y) > 0.01 * abs(x) + 1e-12 for x, y in zip(a, b, strict=True))
    norm = math.sqrt(sum(x * x for x in a))
    error = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True))) / norm if norm else 0.0
    if over and (error > 0.01 or not any(_RELATIVE_L2.search(line.plain) for line in document.lines)):
        yield found(
            SHARES_IGNORED,
            document.span(second.number),
            Text(
                f"两侧打印的 {len(a)} 个输出中有 {over} 个相差超过 1 %，报告却称误差小于 1 %",
                f"{over} of the {len(a)} outputs printed for both sides differ by over 1 %; the report says that "
                f"the error is below 1 %",
            ),
            expected="the share over 1 %, with its floor",
            got=f"{over}/{len(a)}",
            evidence=(document.span(first.number), document.span(claim.number)),
        )


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


def _scale_blind(submission: Submission, document: Document) -> Iterator[Finding]:
    if submission.says(_SCALE):
        return
    for line, match in document.search(_ABSOLUTE, ("text", "table")):
        if not _RELATIVE_L2.search(line.plain):
            yield found(
                SCALE_BLIND,
                document.span(line.number),
                Text(
                    f"绝对门限 {match['gate']} 旁没有参考输出的幅值",
                    f"the absolute threshold {match['gate']} stands without the scale of the reference",
                ),
                expected="the reference's RMS beside it",
                got=match[0].strip(),
            )


_FEATURES = re.compile(
    r"num_classes\s*=\s*0|backbone features?|last_hidden_state|embedding|嵌入|特征向量|特征维|pooled|"
    r"features?[ _]only|维特征",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"(?:输出形状|输出 ?shape|output[_ ]?shape|output)[^\[\n]{0,20}\[\s*\d+(?:\s*,\s*\d+)*\s*\]", re.IGNORECASE
)
_TOP = re.compile(
    r"top[-_ ]?[15][-_ ]?(?:match|一致|accuracy|agreement|索引|index|完全|相同|匹配|[:：]|\s*\|)", re.IGNORECASE
)


def _top_k(document: Document) -> Iterator[Finding]:
    shape = next((line for line, _ in document.search(_SHAPE) if _FEATURES.search(line.plain)), None)
    if shape is None:
        return
    for line, match in document.search(_TOP, ("text", "table")):
        value = line.plain[match.end() :]
        if re.fullmatch(r"[\s|:：]*", value) or re.search(
            r"不适用|n/a|not applicable|none|-\s*\|?\s*$", value, re.IGNORECASE
        ):
            continue
        yield found(
            TOP_K,
            document.span(line.number),
            Text("输出是特征而不是类别，top-k 没有意义", "the output is features, not classes; top-k means nothing"),
            expected="class logits",
            got=match[0].strip(),
            evidence=(document.span(shape.number),),
        )
        return
