"""Two deliverables side by side: which is quicker, by how much, and whether that may be asked at all.

The two were measured in sessions of their own, not in turns, so whatever differs between the sessions (clocks, heat,
other work) is part of the factor. What differs in their circumstances is listed beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.errors import ConfigError, RecordError
from npu_deliver.experiments.registry import read_record
from npu_deliver.release import versions
from npu_deliver.review import bounds, verify
from npu_deliver.review.otherwise import said
from npu_deliver.summary import Summary
from npu_eval.experiments.performance.data import FreshProcess, PerformanceData
from npu_eval.notation.units import Unit
from npu_eval.records.provenance import Provenance
from npu_eval.records.stamps import Stamp
from npu_eval.timing.intervals import t_quantile

MIN_EFFECT = 0.05
"""The smallest effect that is called one between two sessions: identical code on one card differed by 4.7 % between
sessions within one public report."""
MIN_PROCESSES = 3
"""Fresh processes on each side below which a spread says nothing."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One circumstance in which the two deliverables differ."""

    what: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity at one batch size: that of each in a unit, and how many times as quick B is as A.

    ``outcome`` is ``B is quicker``, ``B is slower`` or ``no measurable difference``.
    """

    quantity: str
    unit: Unit
    batch_size: int
    a: float
    b: float
    processes: tuple[int, ...]
    factor: float
    low: float
    high: float
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two deliverables come to, side by side. ``versions`` tells of sides that another version made."""

    a: str
    b: str
    differences: tuple[Difference, ...]
    busy: tuple[str, ...]
    versions: tuple[str, ...]
    rows: tuple[Row, ...]


def compare(a: Path, b: Path) -> Comparison:
    """Compare the performance of two deliverables' folders.

    Raises:
        ConfigError: one is no folder.
        RecordError: they cannot be compared; the message says why.
    """
    sides = {"A": _side(a), "B": _side(b)}
    (first, first_data), (second, second_data) = sides["A"], sides["B"]
    reasons = [*_other_work(first, second), *_no_evidence(sides)]
    if reasons:
        raise RecordError("; ".join(reasons), where=f"{a} and {b} cannot be compared")
    rows = tuple(_rows(first_data, second_data))
    if not rows:
        raise RecordError(
            "they have no batch size in common",
            where=f"{a} and {b} cannot be compared",
            fix="measure the same timing.batch_sizes",
        )
    busy = tuple(name for name, (summary, _) in sides.items() if summary.performance and summary.performance.busy)
    told = {"A": versions.told(a), "B": versions.told(b)}
    return Comparison(
        a=str(a),
        b=str(b),
        differences=tuple(_differences(first, second)),
        busy=busy,
        rows=rows,
        versions=tuple(
            f"{name} was {said(each)}, by whose rules both are read" for name, each in told.items() if not each.ours
        ),
    )


def _side(folder: Path) -> tuple[Summary, PerformanceData]:
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix="name the folder of a deliverable")
    bounds.require(folder)
    report = verify.verify(folder)
    if report.findings:
        raise RecordError(
            f"contradicts itself ({report.findings[0]})", where=str(folder), fix=f"see `npu-deliver verify {folder}`"
        )
    if report.summary is None:
        raise RecordError(
            f"cannot be read by this version ({report.other.unchecked[0]}): {said(report.other.told)}",
            where=str(folder),
            fix="compare with the version that made it",
        )
    path = folder / report.summary.layout.record("performance")
    data = read_record(path).data if path.is_file() else None
    if not isinstance(data, PerformanceData):
        raise RecordError("holds no performance record", where=str(folder), fix="make it again")
    return report.summary, data


def _other_work(a: Summary, b: Summary) -> Iterator[str]:
    """Why the two do different work, so that no time of one says anything of the other."""
    for what, first, second in (
        ("adapter", a.adapter, b.adapter),
        ("task", a.task, b.task),
        ("parameters", a.provenance.weights.parameters, b.provenance.weights.parameters),
        ("weights", a.provenance.weights.sha256, b.provenance.weights.sha256),
        ("input shape", _shape(a), _shape(b)),
    ):
        if first != second:
            yield f"{what} differs: {first} and {second}"


def _shape(summary: Summary) -> str:
    return "x".join(map(str, summary.performance.input_shape)) if summary.performance else "none"


def _no_evidence(sides: dict[str, tuple[Summary, PerformanceData]]) -> Iterator[str]:
    for name, (summary, data) in sides.items():
        if Stamp.SIMULATED in summary.stamps:
            yield f"{name} ran on a simulated device, whose clock says nothing"
        most = max((sum(p.batch_size == q.batch_size for q in data.processes) for p in data.processes), default=0)
        if most < MIN_PROCESSES:
            yield f"{name} has {most} fresh processes, fewer than {MIN_PROCESSES}; measure with TIER=standard"
        if (
            summary.performance is not None
            and summary.performance.cache is not None
            and summary.performance.cache.cached
        ):
            yield f"{name} answers repeated inputs from a cache"


def _differences(a: Summary, b: Summary) -> Iterator[Difference]:
    ours, theirs = dict(_circumstances(a)), dict(_circumstances(b))
    for name in dict.fromkeys((*ours, *theirs)):
        if ours.get(name) != theirs.get(name):
            yield Difference(what=name, a=ours.get(name, "-"), b=theirs.get(name, "-"))


def _circumstances(summary: Summary) -> Iterator[tuple[str, str]]:
    p: Provenance = summary.provenance
    yield "device", f"{p.device.name} ({p.device.description})"
    yield "dtype", summary.candidate.dtype
    yield "host", f"{p.host.cpu_model}, {p.host.usable_cpus} CPUs, {p.host.torch_threads} threads"
    yield "tier", summary.performance.protocol.tier if summary.performance else "-"
    yield "code", summary.code_sha256[:12]
    yield "measured with", versions.named(summary.measured_with)
    yield "image", p.image
    yield from p.versions.items()
    yield from p.numeric_modes.items()
    yield from p.environment.items()


def _rows(a: PerformanceData, b: PerformanceData) -> Iterator[Row]:
    for size in dict.fromkeys(p.batch_size for p in a.processes):
        first = [p for p in a.processes if p.batch_size == size]
        second = [p for p in b.processes if p.batch_size == size]
        if min(len(first), len(second)) < MIN_PROCESSES:
            continue
        yield _row("latency", Unit.SECONDS, size, [_latency(p) for p in first], [_latency(p) for p in second])
        yield _row("throughput", Unit.PER_SECOND, size, [_rate(p) for p in first], [_rate(p) for p in second])


def _latency(process: FreshProcess) -> float:
    return statistics.median(process.samples_s)


def _rate(process: FreshProcess) -> float:
    return process.batch_size * process.calls * len(process.windows_s) / math.fsum(process.windows_s)


def _row(quantity: str, unit: Unit, size: int, a: Sequence[float], b: Sequence[float]) -> Row:
    """Welch's interval for the difference of the means of logarithms, one value a process."""
    first, second = [math.log(v) for v in a], [math.log(v) for v in b]
    sign = 1 if unit is Unit.SECONDS else -1  # of seconds fewer are better
    difference = sign * (statistics.fmean(first) - statistics.fmean(second))
    parts = [statistics.variance(values) / len(values) for values in (first, second)]
    spread = sum(parts)
    degrees = 1.0
    if spread > 0:
        degrees = spread**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (first, second), strict=True))
    half = t_quantile(0.975, max(1, int(degrees))) * math.sqrt(spread)
    low, factor, high = (math.exp(difference + step) for step in (-half, 0.0, half))
    outcome = "no measurable difference"
    if low > 1 and factor > 1 + MIN_EFFECT:
        outcome = "B is quicker"
    elif high < 1 and factor < 1 / (1 + MIN_EFFECT):
        outcome = "B is slower"
    return Row(
        quantity=quantity,
        unit=unit,
        batch_size=size,
        a=statistics.fmean(a),
        b=statistics.fmean(b),
        processes=(len(a), len(b)),
        factor=factor,
        low=low,
        high=high,
        outcome=outcome,
    )


def lines(found: Comparison) -> list[str]:
    """The comparison as a table for a terminal."""
    from npu_eval.notation import units
    from npu_eval.notation.tables import table

    rows = [
        (
            f"{row.quantity}, batch {row.batch_size}",
            row.outcome,
            units.written(row.a, row.unit),
            units.written(row.b, row.unit),
            units.ratio(row.factor),
            f"{units.ratio(row.low)} .. {units.ratio(row.high)}",
            " and ".join(map(str, row.processes)),
        )
        for row in found.rows
    ]
    header = ("quantity", "verdict", "A", "B", "B is so many times as quick", "95 %", "processes")
    listed = [f"differs: {d.what}: {d.a} | {d.b}" for d in found.differences]
    told = [f"! {line}" for line in found.versions]
    busy = [f"the machine of {name} was busy while it was measured" for name in found.busy]
    return [
        f"A: {found.a}",
        f"B: {found.b}",
        *told,
        *listed,
        *busy,
        "",
        *table(header, rows),
        "",
        "measured in two sessions, not in turns: what differs between the sessions is in the factor",
    ]
