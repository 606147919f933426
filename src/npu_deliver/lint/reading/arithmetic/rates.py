"""Rates that stand beside a time of the same measurement, and the batch sizes that their product may be.

FPS × mean latency = batch, and FPS × step time = batch of all cards. Where calls overlap the product is neither, and a
page that measured the two apart says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npu_deliver.lint.reading.quantities.quantity import Group, Quantity
from npu_deliver.lint.reading.words.label import batches
from npu_deliver.lint.reading.words.number import numbers
from npu_deliver.lint.reading.words.settings import settings

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_ONE_IMAGE = re.compile(r"单张|每张|单帧|per[ _-]image|/img|/image|per[ _-]frame", re.IGNORECASE)
_MEASURED_APART = re.compile(
    r"吞吐[^|]{0,20}(?:流水|连续提交|单独测|分开测)"
    r"|throughput[^|]{0,30}(?:pipelin|measured apart|back to back|not derived)",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"端到端|e2e|end.to.end|前处理|后处理|preproc|postproc|pre-?process|post-?process|含加载|decode|理论|theor|峰值|"
    r"peak",
    re.IGNORECASE,
)
_NO_SAMPLES = re.compile(r"token|flops|(?<![a-z])tps(?![a-z])|字符/|字/", re.IGNORECASE)
_WHOLE_BATCH = re.compile(r"(?:global|total|全局|总)\s?_?(?:的)?(?:batch|bs|批)", re.IGNORECASE)
_OVERLAPPING = re.compile(
    r"并行|并发|流水|异步|pipelin|async|concurren|offline|多\s?(?:进程|流|线程)|multi-?(?:process|stream|thread)|合计|总计"
    r"|\btotal\b|aggregate|总吞吐",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Paced:
    """A rate and the mean times that stand beside it. ``sizes`` are what their product may be.

    ``stated`` where some text names a batch size; without any, a product that is whole may be one that nobody stated.
    ``per_pass`` is the batch that passes may add up, 0 where the stated one is that of all cards and passes.
    """

    rate: Quantity
    times: tuple[Quantity, ...]
    sizes: frozenset[int]
    stated: bool
    per_pass: int = 0


def measured_apart(document: Document) -> bool:
    """Whether a page says that throughput was measured with calls in flight: then it is no quotient of the latency."""
    return document.says(_MEASURED_APART)


def paced(document: Document) -> list[Paced]:
    """The rates beside a mean latency of one measurement."""
    return [found for group in document.quantities.groups for found in _of_latency(document, group)]


def stepped(document: Document) -> list[Paced]:
    """The rates beside the time of a training step, where a batch size is stated."""
    return [found for group in document.quantities.groups for found in _of_step(document, group)]


_MOST_SIZES = 64
"""A text that names more batch sizes than this numbers its batches, and says nothing of how large they are."""


def batch_of(document: Document, group: Group) -> tuple[int, ...]:
    """The batch sizes that a measurement may have had, from its own words outwards; empty where nothing says."""
    own = [q for q in group.quantities if q.kind == "batch" and q.number.value >= 1]
    if own:
        return tuple(int(q.number.value) for q in own)
    return _in_flight(document, group) or batches(group.context) or document.batches_of(group.section)


_IN_FLIGHT = re.compile(r"concurren|并发|in.?flight|\bclients?\b", re.IGNORECASE)


def _in_flight(document: Document, group: Group) -> tuple[int, ...]:
    """How many requests run at once, by a column of the group's row: a rate times a latency is that many."""
    first = next((q for q in group.quantities if q.table >= 0), None)
    if first is None or group.shape != "row":
        return ()
    table = document.structure.tables[first.table]
    cells = table.rows[first.row][1]
    return tuple(
        int(found[0].value)
        for name, cell in zip(table.header, cells, strict=False)
        if _IN_FLIGHT.search(name) and (found := list(numbers(cell))) and found[0].integer and found[0].value >= 1
    )


def _of_latency(document: Document, group: Group) -> Iterator[Paced]:
    times = [q for q in group.one("latency", ("mean", "")) if q.number.value > 0]
    rates = _rates(group)
    if not times or not rates or any(_WHOLE.search(q.label) for q in times) or len(rates) > 2 or len(times) > 3:
        return
    if _in_flight(document, group):  # the last requests of a run overlap with fewer: near that number is right
        return
    known = batch_of(document, group)
    sizes = _sizes(group, known)
    if sizes is None or len(known) > _MOST_SIZES:
        return
    if group.shape != "row" or _ONE_IMAGE.search(group.context):
        sizes |= {1}
    for rate in rates:
        beside = [q for q in times if not q.side or not rate.side or q.side == rate.side]
        if means := [q for q in beside if q.stat == "mean"] or beside:
            yield Paced(rate, tuple(means), frozenset(sizes), stated=bool(known))


def _of_step(document: Document, group: Group) -> Iterator[Paced]:
    times = [q for q in group.quantities if q.kind == "step_time" and q.number.unit == "s" and q.number.value > 0]
    rates = _rates(group) if len(times) == 1 else []
    if (
        len(rates) == 1
        and 0 < len(known := batch_of(document, group)) <= _MOST_SIZES
        and (sizes := _sizes(group, known))
    ):
        per_pass = 0 if _WHOLE_BATCH.search(group.context) else min(known)
        yield Paced(rates[0], tuple(times), frozenset(sizes), stated=True, per_pass=per_pass)


def _rates(group: Group) -> list[Quantity]:
    """The group's rates of samples; tokens and operations per second have no batch to be held against."""
    return [
        q
        for q in group.one("throughput", ("mean", ""))
        if q.number.value > 0 and not _WHOLE.search(q.label) and not _NO_SAMPLES.search(f"{q.label} {q.at.text}")
    ]


def _sizes(group: Group, known: tuple[int, ...]) -> set[int] | None:
    """What rate × time may be: a batch of one card or of all; None where calls overlap or nothing can be told."""
    if _OVERLAPPING.search(group.context):
        return None
    said = dict(settings(group.context))
    cards, nodes = said.get("cards", "1"), said.get("nodes", "1")
    if cards == nodes == "1":
        return set(known or (1,))
    if not known or not cards.isdigit() or not nodes.isdigit():
        return None
    all_cards = int(cards) * int(nodes)
    of_all = {size * count for size in known for count in (1, int(cards), all_cards)}
    return of_all | {size // all_cards for size in known if size % all_cards == 0}
