"""Speed-ups and percentages of improvement, with the measured values that they may have been computed from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.arithmetic.ratios import ratios
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.speeds.trial_words import words
from npu_deliver.lint.reading.words.label import many, meaning

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_BASE = re.compile(
    r"基线|基准|baseline|原始|before|优化前|eager|cpu|gpu|fp32|单卡|single|batch\s*=?\s*1\b|原模型|默认|default|"
    r"naive|npu:\d",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"理论|theor|预期|expected|目标|target|论文|paper|官方|official|显存|memory|内存|效率|efficien|scal|线性度",
    re.IGNORECASE,
)
"""Theory and published numbers: what such a claim was computed from need not be at hand."""
_ADDED = re.compile(r"提升|提高|增加")
_PAIRS_LIMIT = 20_000
"""Values that a claim is compared with; a table with more has no one baseline."""
_TIMES = ("latency", "step_time", "total_time")


@dataclass(frozen=True, slots=True)
class Claim:
    """A stated speed-up or gain and the pairs (new, old) that it may compare.

    ``added`` where "raised by 2.4 times" may mean one less than the quotient.
    """

    stated: Quantity
    pairs: tuple[tuple[Quantity, Quantity], ...]
    added: bool = False


def speedups(document: Document) -> list[Claim]:
    """The speed-ups whose operands are at hand."""
    return [
        Claim(claim, pairs, added=bool(_ADDED.search(claim.context)))
        for claim in document.quantities.all
        if claim.kind == "speedup" and claim.number.value > 0 and _checkable(claim) and claim.number.value != 1
        if (pairs := _of_speedup(document, claim))
    ]


def gains(document: Document) -> list[Claim]:
    """The gains in per cent whose operands are at hand."""
    return [
        Claim(claim, pairs)
        for claim in document.quantities.all
        if claim.kind == "gain" and claim.number.unit == "%" and _checkable(claim)
        if (pairs := _of_gain(document, claim))
    ]


def _checkable(claim: Quantity) -> bool:
    return not claim.number.bound and not _ELSEWHERE.search(claim.context)


def _of_speedup(document: Document, claim: Quantity) -> tuple[tuple[Quantity, Quantity], ...]:
    if claim.table < 0:
        own, others = _spoken(document, document.facts(_measured_by_line).get(claim.at, []))
        return tuple(_pairs(own, others))
    if not _heads_speedups(document, claim):
        return ()
    pairs = tuple(_pairs(*_in_table(document, claim)))
    related = any(old.row != claim.row or old.table != claim.table or new.row == old.row for new, old in pairs)
    return pairs if related else ()


def _heads_speedups(document: Document, claim: Quantity) -> bool:
    """Whether a column of numbers with an ``x`` is about speed: a schedule of ``2x`` is not, unless it is named so."""
    header = document.structure.tables[claim.table].header[claim.column]
    if (claim.table, words(header)) in {(ratio.table, ratio.name) for ratio in document.facts(ratios)}:
        return False  # it names its operands, or there are only two
    what = meaning(header or "")
    return what is None or what.kind in ("speedup", "gain", "throughput", "performance", *_TIMES)


def _of_gain(document: Document, claim: Quantity) -> tuple[tuple[Quantity, Quantity], ...]:
    if claim.table < 0:
        near = document.facts(_measured_by_line).get(claim.at, [])
        kinds = [kind for kind in (*_TIMES, "throughput") if sum(q.kind == kind for q in near) == 2]
        if len(kinds) != 1 or len(near) > 3:
            return ()
        both = [q for q in near if q.kind == kinds[0]]
        return tuple(_pairs(both, both))
    pairs = tuple(_pairs(*_in_table(document, claim)))
    related = any(old.table == claim.table and (old.row, old.column) != (new.row, new.column) for new, old in pairs)
    return pairs if related else ()


def _measured(document: Document) -> list[Quantity]:
    return [
        q
        for q in document.quantities.all
        if q.kind in (*_TIMES, "throughput") and q.stat in ("", "mean", "p50") and q.number.span.lo > 0
    ]


def _measured_by_line(document: Document) -> dict[Span, list[Quantity]]:
    found: dict[Span, list[Quantity]] = defaultdict(list)
    for q in document.facts(_measured):
        found[q.at].append(q)
    return found


def _measured_by_table(document: Document) -> dict[int, list[Quantity]]:
    found: dict[int, list[Quantity]] = defaultdict(list)
    for q in document.facts(_measured):
        found[q.table].append(q)
    return found


def _bases(document: Document) -> list[Quantity]:
    return [q for q in document.facts(_measured) if _BASE.search(f"{q.context} {q.at.text}")]


def _in_table(document: Document, claim: Quantity) -> tuple[list[Quantity], list[Quantity]]:
    """(what the claim's own row or column measured, what it may be compared with)."""
    here = document.facts(_measured_by_table).get(claim.table, [])
    header = document.structure.tables[claim.table].header[claim.column] or ""
    if any(q.column == claim.column for q in here) or meaning(header) is None:
        own, others = [q for q in here if q.row == claim.row or q.column == claim.column], here
    else:
        own = [q for q in here if q.row == claim.row]
        others = [q for q in here if q.row != claim.row] + own
    bases = document.facts(_measured if many(claim.at.text) else _bases)
    return own, others + [q for q in bases if q.table != claim.table]


def _spoken(document: Document, near: list[Quantity]) -> tuple[list[Quantity], list[Quantity]]:
    """The operands of a speed-up in prose: two times of its line, or the line's CPU time and any other side's."""
    times = [q for q in near if q.kind == "latency"]
    if len(times) == 2:
        return times, times
    rates = [q for q in near if q.kind == "throughput"]
    if len(rates) == 2 and not times:
        return rates, rates
    if len(times) == 1 and times[0].side in ("cpu", "gpu"):
        base = times[0]
        every = document.quantities.all
        return [q for q in every if q.kind == "latency" and q.stat in ("", "mean") and q.side != base.side], [base]
    return [], []


def _pairs(own: Iterable[Quantity], others: Iterable[Quantity]) -> Iterator[tuple[Quantity, Quantity]]:
    own, others = list(own), list(others)
    for new in own if len(own) * len(others) <= _PAIRS_LIMIT else ():
        for old in others:
            if new is not old and new.kind == old.kind and new.number.span.lo > 0 and old.number.span.lo > 0:
                yield new, old
