"""Series of measurements: throughput over batch sizes, the repeated values of one baseline, the gains of a table."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import bare
from npu_deliver.lint.reading.quantities.quantity import Quantity
from npu_deliver.lint.reading.speeds.sweeps import sweeps
from npu_deliver.lint.reading.speeds.trial import Speed
from npu_deliver.lint.reading.words.label import batches, dtypes, many
from npu_deliver.lint.reading.words.number import Number

_BASELINE = re.compile(r"基线|baseline|fp32|float32|batch\s*[=:]?\s*1\b|单卡|npu:0|默认|eager|基准", re.IGNORECASE)
_TUNED = re.compile(r"fp16|float16|bf16|int8|amp|优化后|调优|tuned|双卡|dual|cpu|gpu", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """A throughput at a batch size."""

    batch: int
    number: Number
    at: Span


@dataclass(frozen=True, slots=True)
class Repeats:
    """What a page says of one baseline in several sections, by kind of quantity, and the gains of its tables."""

    baselines: dict[str, tuple[Quantity, ...]]
    gains: tuple[Quantity, ...]


def rates_by_batch(document: Document) -> list[tuple[Rate, ...]]:
    """Throughputs that differ in nothing but the batch size, from the smallest up: a table's, and those of lines."""
    return document.facts(_rates_by_batch)


def repeats_of_baselines(document: Document) -> Repeats:
    """The values that ought to be equal, and the gains of the page's tables that name no batch size."""
    return document.facts(_repeats)


def gain_lines(document: Document) -> frozenset[int]:
    """The lines on which a gain or a speed-up stands."""
    return document.facts(_gain_lines)


def _rates_by_batch(document: Document) -> list[tuple[Rate, ...]]:
    tables = [sweep for sweep in document.facts(sweeps) if sweep.speed is Speed.RATE]
    return [
        *(tuple(Rate(t.batch or 0, t.number, t.at) for t in sweep.points) for sweep in tables),
        *_lines_by_batch(document),
    ]


def _lines_by_batch(document: Document) -> Iterator[tuple[Rate, ...]]:
    by_setting: dict[tuple[object, ...], dict[int, Rate]] = defaultdict(dict)
    for group in document.quantities.groups:
        rates = [q for q in group.one("throughput", ("mean", "")) if q.table < 0]
        sizes = {int(q.number.value) for q in group.quantities if q.kind == "batch"} or set(batches(group.context))
        if len(rates) == 1 and len(sizes) == 1 and not many(group.context) and len(dtypes(group.context)) < 2:
            size = sizes.pop()
            setting = (group.section, dtypes(group.context))
            by_setting[setting].setdefault(size, Rate(size, rates[0].number, rates[0].at))
    for points in by_setting.values():
        if len(points) > 1:
            yield tuple(rate for _, rate in sorted(points.items()))


def _repeats(document: Document) -> Repeats:
    same: dict[str, list[Quantity]] = {"latency": [], "throughput": []}
    for q in document.quantities.all:
        words = f"{q.label} {row_words(document, q)}"
        if (
            q.kind in same
            and q.stat in ("", "mean")
            and q.side != "cpu"
            and q.number.value > 0
            and not q.number.bound
            and _BASELINE.search(words)
            and not _TUNED.search(words)
            and all(size == 1 for size in batches(words))
        ):
            same[q.kind].append(q)
    gains = tuple(
        q
        for q in document.quantities.all
        if q.kind == "gain"
        and q.number.unit == "%"
        and q.number.value > 0
        and not q.number.bound
        and q.table >= 0
        and not batches(row_words(document, q))
    )
    return Repeats({kind: tuple(values) for kind, values in same.items()}, gains)


def _gain_lines(document: Document) -> frozenset[int]:
    return frozenset(q.at.line for q in document.quantities.all if q.kind in ("gain", "speedup"))


def row_words(document: Document, quantity: Quantity) -> str:
    """The words at the head of a quantity's row, or its line."""
    if quantity.table < 0:
        return quantity.at.text
    return " ".join(bare(cell) for cell in document.structure.tables[quantity.table].rows[quantity.row][1][:2])
