"""What a metric can be at all, and what it can support (checks 5, 7, 8, 10 and 11)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.arithmetic.derived import is_change
from npu_deliver.lint.reading.folder.submission import Document, Submission
from npu_deliver.lint.reading.precision.criteria_words import (
    absolute_gates,
    cosine_gates,
    largest_below,
    none_over,
    one_percent,
    one_percent_told,
    says_relative_l2,
    says_scale,
)
from npu_deliver.lint.reading.precision.outputs import Printed, printed_outputs, tops_of_features
from npu_deliver.lint.reading.quantities.quantity import Group, Quantity
from npu_deliver.lint.reading.words.number import Interval

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
                singles = _singles(group)
                yield from _order(group, singles)
                yield from _identity(singles)
                yield from _cosine_error(group, singles)
    for document in submission.reports:
        yield from _cosine_gate(submission, document)
        yield from _shares(submission, document)
        yield from _scale_blind(submission, document)
        yield from _top_k(document)
        yield from _printed_outputs(document)


_SHARES = {"share_over", "accuracy", "accuracy1", "accuracy5"}
_NO_COSINE = 50.0
_COSINE_OF_ONE_PERCENT = 0.99995
_CLEARLY = 1.0 + 1e-6
_ERRORS = {"max_abs", "mean_abs", "relative_l2", "max_rel", "mean_rel", "rmse", "abs_error", "rel_error"}


def _ranges(document: Document) -> Iterator[Finding]:
    for q in document.quantities.all:
        if allowed := _outside(q):
            yield found(
                RANGE,
                q.at,
                Text(f"{q.label} 不可能是 {q.number.text}", f"{q.label} cannot be {q.number.text}"),
                expected=allowed,
                got=q.number.text,
            )


def _outside(q: Quantity) -> str:
    """The range that a value lies outside of; empty for one that is possible, or whose sign may be that of a change."""
    span, unit = q.number.span, q.number.unit
    if q.kind == "cosine" and not unit and (span.lo > 1 or span.hi < -1) and not q.number.exact:
        return "[-1, 1]" if q.number.value < _NO_COSINE else ""  # an angle, or a share in per cent
    if q.kind in _SHARES and unit == "%" and (span.lo > 100 or span.hi < 0) and not is_change(q):
        return "[0, 100 %]"
    if span.hi >= 0 or is_change(q):
        return ""
    if q.kind in _ERRORS and unit != "%":
        return ">= 0"
    return "> 0" if q.kind == "latency" and unit == "s" and q.stat else ""


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


def _order(group: Group, singles: dict[str, Quantity]) -> Iterator[Finding]:
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
        lows, highs = singles.get(small), singles.get(large)
        if (
            lows
            and highs
            and lows.side == highs.side
            and lows.number.unit == highs.number.unit
            and lows.number.span.lo > highs.number.span.hi
        ):
            yield _out_of_order(lows, highs)


def _singles(group: Group) -> dict[str, Quantity]:
    """The quantities of a group that are alone of their kind, by kind."""
    kinds = Counter(q.kind for q in group.quantities if not q.number.bound)
    return {q.kind: q for q in group.quantities if not q.number.bound and kinds[q.kind] == 1}


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


def _identity(singles: dict[str, Quantity]) -> Iterator[Finding]:
    cosine, error = singles.get("cosine"), singles.get("relative_l2")
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


def _cosine_gate(submission: Submission, document: Document) -> Iterator[Finding]:
    if any(d.facts(says_relative_l2) for d in submission.texts):
        return
    for gate in document.facts(cosine_gates):
        value = float(gate.value)
        if value >= _COSINE_OF_ONE_PERCENT:
            continue
        admits = 100 * math.sqrt(2 * (1 - value))
        yield found(
            COSINE_GATE,
            gate.at,
            Text(
                f"余弦 > {gate.value} 容许约 {admits:.3g} % 的相对 L2 误差，不能支持 1 %",
                f"a cosine above {gate.value} admits a relative L2 error of about {admits:.3g} %; it supports no 1 %",
            ),
            expected=due.COSINE_OR_ERROR,
            got=gate.words,
            evidence=tuple(document.facts(one_percent)[:1]),
        )


def _cosine_error(group: Group, singles: dict[str, Quantity]) -> Iterator[Finding]:
    cosine = singles.get("cosine")
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
            expected=due.about(f"{honest:.2g} %"),
            got=error.number.text,
            evidence=(cosine.at,),
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
    worst = max(large, key=lambda q: q.number.value)
    for claim in document.facts(none_over):
        if claim.line not in {q.at.line for q in large}:
            yield found(
                SHARES_IGNORED,
                claim,
                Text(
                    f"这里说没有超过 1 % 的误差，而第 {worst.at.line} 行有 {worst.number.text} 的元素超过 1 %",
                    f"this says that nothing is over 1 %, but line {worst.at.line} has {worst.number.text} of the "
                    f"elements over 1 %",
                ),
                expected=due.SHARE_EXPLAINED,
                got=worst.number.text,
                evidence=tuple(q.at for q in large[:6]),
            )


# Outputs that are printed for both sides


def _printed_outputs(document: Document) -> Iterator[Finding]:
    """Outputs printed for both sides can be compared on the spot."""
    for pair in document.facts(printed_outputs):
        yield from _over_one_percent(document, pair)
        yield from _over_a_stated_error(document, pair)


def _over_one_percent(document: Document, pair: Printed) -> Iterator[Finding]:
    claims = document.facts(one_percent_told)
    a, b = _middles(pair)
    over = sum(abs(x - y) > 0.01 * abs(x) + 1e-12 for x, y in zip(a, b, strict=True))
    norm = math.sqrt(sum(x * x for x in a))
    error = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True))) / norm if norm else 0.0
    if claims and over and (error > 0.01 or not document.facts(says_relative_l2)):
        yield found(
            SHARES_IGNORED,
            pair.at,
            Text(
                f"两侧打印的 {len(a)} 个输出中有 {over} 个相差超过 1 %，报告却称误差小于 1 %",
                f"{over} of the {len(a)} outputs printed for both sides differ by over 1 %; the report says that "
                f"the error is below 1 %",
            ),
            expected=due.SHARE_WITH_FLOOR,
            got=f"{over}/{len(a)}",
            evidence=(pair.first, claims[0]),
        )


def _middles(pair: Printed) -> tuple[list[float], list[float]]:
    a, b = ([(span.lo + span.hi) / 2 for span in side] for side in (pair.a, pair.b))
    return a, b


def _over_a_stated_error(document: Document, pair: Printed) -> Iterator[Finding]:
    """What is printed is part of an output: its largest difference is a lower bound, its smallest tells of the mean."""
    gaps = [_least_gap(x, y) for x, y in zip(pair.a, pair.b, strict=True)]
    parts = [gap / max(abs(x.lo), abs(x.hi)) for gap, x in zip(gaps, pair.a, strict=True) if x.lo > 0 or x.hi < 0]
    least = {"max_abs": max(gaps), "mean_abs": min(gaps), "max_rel": max(parts, default=0.0)}
    least["rel_error"] = least["mean_rel"] = min(parts, default=0.0) if len(parts) == len(gaps) else 0.0
    for kind, name, at, text, stated in _stated_errors(document):
        if kind in least and least[kind] > stated * _CLEARLY:
            yield found(
                SHARES_IGNORED,
                pair.at,
                Text(
                    f"两侧打印的输出相差至少 {least[kind]:.3g}，报告却称“{name}”为 {text}",
                    f"the outputs printed for both sides differ by at least {least[kind]:.3g}; the report gives "
                    f"'{name}' as {text}",
                ),
                expected=f">= {least[kind]:.3g}",
                got=text,
                evidence=(pair.first, at),
            )
            return


def _stated_errors(document: Document) -> Iterator[tuple[str, str, Span, str, float]]:
    """(kind, name, place, as printed, largest value that it may stand for) of every stated error."""
    for q in document.quantities.all:
        if q.number.bound not in (">", ">=", "≥"):
            yield q.kind, q.label, q.at, q.number.text, q.number.span.hi * (0.01 if q.number.unit == "%" else 1.0)
    for gate in document.facts(largest_below):
        yield "max_abs", gate.words, gate.at, gate.value, float(gate.value)


def _least_gap(a: Interval, b: Interval) -> float:
    return max(0.0, a.lo - b.hi, b.lo - a.hi)


def _scale_blind(submission: Submission, document: Document) -> Iterator[Finding]:
    if any(d.facts(says_scale) for d in submission.texts):
        return
    for gate in document.facts(absolute_gates):
        yield found(
            SCALE_BLIND,
            gate.at,
            Text(
                f"绝对门限 {gate.value} 旁没有参考输出的幅值",
                f"the absolute threshold {gate.value} stands without the scale of the reference",
            ),
            expected=due.REFERENCE_RMS,
            got=gate.words,
        )


def _top_k(document: Document) -> Iterator[Finding]:
    for top in document.facts(tops_of_features):
        yield found(
            TOP_K,
            top.at,
            Text("输出是特征而不是类别，top-k 没有意义", "the output is features, not classes; top-k means nothing"),
            expected=due.CLASS_LOGITS,
            got=top.words,
            evidence=(top.features,),
        )
