"""What the raw times of a performance record say beyond the latency of one process. Pure, standard library only."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npu_eval.experiments.performance.data import (
    CacheRun,
    EndToEnd,
    LatencyRun,
    PerformanceData,
    SampledOutput,
    ThroughputRun,
)
from npu_eval.timing.intervals import mean_interval
from npu_eval.timing.samples import PERCENTILES, Stability, percentile_estimate, stability_of

# --- throughput ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Images a second of pipelined calls: all images over all seconds of the windows, and the extreme windows."""

    batch_size: int
    windows: int
    calls: int
    seconds: float
    images_per_s: float
    slowest_window_per_s: float
    quickest_window_per_s: float


def images_per_s(run: ThroughputRun) -> float:
    """All images over all seconds of a run that has a window."""
    return run.batch_size * run.calls * len(run.windows_s) / math.fsum(run.windows_s)


def throughputs(data: PerformanceData) -> tuple[Throughput, ...]:
    """One for each batch size that has a window."""
    found = []
    for run in data.throughput:
        if not run.windows_s:
            continue
        images = run.batch_size * run.calls
        found.append(
            Throughput(
                batch_size=run.batch_size,
                windows=len(run.windows_s),
                calls=run.calls * len(run.windows_s),
                seconds=math.fsum(run.windows_s),
                images_per_s=images_per_s(run),
                slowest_window_per_s=images / max(run.windows_s),
                quickest_window_per_s=images / min(run.windows_s),
            )
        )
    return tuple(found)


# --- fresh processes -------------------------------------------------------------------------------------------------

PRECISION = 0.01
"""Half-width of the interval that the number of processes is computed for: 1 %."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """One batch size over fresh processes: the mean of their medians with its 95 % interval, likewise the throughput.

    ``needed`` is the number of processes for an interval of ±1 %, n = (1.96 s / 0.01)² of their relative spread.
    """

    batch_size: int
    count: int
    median_s: float
    low_s: float
    high_s: float
    spread: float
    images_per_s: float
    low_per_s: float
    high_per_s: float
    first_call_s: float
    start_s: float
    needed: int


def processes(data: PerformanceData) -> tuple[Processes, ...]:
    """One for each batch size that at least two fresh processes measured."""
    found = []
    for size in dict.fromkeys(p.batch_size for p in data.processes):
        fresh = [p for p in data.processes if p.batch_size == size and p.samples_s and p.windows_s]
        if len(fresh) < 2:
            continue
        medians = [statistics.median(p.samples_s) for p in fresh]
        rates = [size * p.calls * len(p.windows_s) / math.fsum(p.windows_s) for p in fresh]
        low, high = mean_interval(medians)
        slow, quick = mean_interval(rates)
        spread = statistics.stdev(medians) / statistics.fmean(medians)
        found.append(
            Processes(
                batch_size=size,
                count=len(fresh),
                median_s=statistics.fmean(medians),
                low_s=max(0.0, low),
                high_s=high,
                spread=spread,
                images_per_s=statistics.fmean(rates),
                low_per_s=max(0.0, slow),
                high_per_s=quick,
                first_call_s=statistics.median(p.first_call_s for p in fresh),
                start_s=statistics.median(p.start_s for p in fresh),
                needed=max(2, math.ceil((1.96 * spread / PRECISION) ** 2)),
            )
        )
    return tuple(found)


# --- the whole way ---------------------------------------------------------------------------------------------------

PHASES = ("decode", "preprocess", "upload", "forward", "postprocess")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase of a photo's way: its median, and its share of all the time of all ways."""

    name: str
    median_s: float
    share: float


@dataclass(frozen=True, kw_only=True)
class WholeWay:
    """Photos from file to predictions. ``decode_apart`` is false where decoding is part of the pre-processing."""

    photos: int
    decode_apart: bool
    median_s: float
    mean_s: float
    phases: tuple[Phase, ...]


def whole_way(ways: Sequence[EndToEnd]) -> WholeWay | None:
    """The phases of the measured ways; None without any."""
    if not ways:
        return None
    total = math.fsum(way.total_s for way in ways)
    apart = all(way.decode_s is not None for way in ways)
    phases = []
    for name in PHASES:
        if name == "decode" and not apart:
            continue
        times = [getattr(way, f"{name}_s") for way in ways]
        if name == "preprocess" and not apart:
            times = [way.preprocess_s + (way.decode_s or 0.0) for way in ways]
        phases.append(Phase(name=name, median_s=statistics.median(times), share=math.fsum(times) / total))
    return WholeWay(
        photos=len(ways),
        decode_apart=apart,
        median_s=statistics.median(way.total_s for way in ways),
        mean_s=total / len(ways),
        phases=tuple(phases),
    )


# --- honesty ---------------------------------------------------------------------------------------------------------

HOST_BOUND = 0.8
"""Enqueue time over device time from which on the host, not the device, sets the pace (TensorRT's trtexec)."""
CACHED = 1.10
"""How much quicker repeated inputs may be than new ones (MLPerf Inference's TEST04)."""


@dataclass(frozen=True, kw_only=True)
class HostBound:
    """Median seconds to submit a call and of the device to carry it out; ``bound`` where the host sets the pace.

    ``share`` is the share of the calls of which that is true.
    """

    batch_size: int
    calls: int
    enqueue_s: float
    device_s: float
    ratio: float
    device_cv: float
    share: float
    bound: bool


def device_times(data: PerformanceData) -> tuple[HostBound, ...]:
    """The device's own time of the latency runs' calls, for each batch size; none where the device has no events."""
    runs = [run for run in data.runs if len(run.device_s) > 1]
    return tuple(_host_bound(run.batch_size, run.enqueue_s, run.device_s) for run in runs)


def host_bound(data: PerformanceData) -> HostBound | None:
    """The host-bound test of the smallest batch; None where the host is the device."""
    found = device_times(data)
    if found:
        return found[0]
    earlier = data.enqueue
    if earlier is None or len(earlier.enqueue_s) < 2:
        return None
    return _host_bound(earlier.batch_size, earlier.enqueue_s, earlier.device_s)


@functools.lru_cache(maxsize=64)  # for the log, and twice for the summary
def _host_bound(size: int, enqueue_s: Sequence[float], device_s: Sequence[float]) -> HostBound:
    enqueue, device = statistics.median(enqueue_s), statistics.median(device_s)
    slow = sum(e > HOST_BOUND * d for e, d in zip(enqueue_s, device_s, strict=True))
    return HostBound(
        batch_size=size,
        calls=len(enqueue_s),
        enqueue_s=enqueue,
        device_s=device,
        ratio=enqueue / device,
        device_cv=statistics.stdev(device_s) / statistics.fmean(device_s),
        share=slow / len(enqueue_s),
        bound=enqueue > HOST_BOUND * device,
    )


@dataclass(frozen=True, kw_only=True)
class CacheCheck:
    """Median seconds with ever new inputs and with the same; ``cached`` where the same is more than 10 % quicker."""

    calls: int
    distinct_s: float
    repeated_s: float
    ratio: float
    cached: bool


def cache_check(run: CacheRun | None) -> CacheCheck | None:
    """The check on cached answers; None where it was not made."""
    if run is None or not run.distinct_s or not run.repeated_s:
        return None
    distinct, repeated = statistics.median(run.distinct_s), statistics.median(run.repeated_s)
    ratio = distinct / repeated
    return CacheCheck(
        calls=len(run.distinct_s), distinct_s=distinct, repeated_s=repeated, ratio=ratio, cached=ratio > CACHED
    )


@dataclass(frozen=True, kw_only=True)
class SampledCheck:
    """Outputs of timed calls of one batch size: against each input alone, and against the precision run's own.

    ``equal_to_precision`` counts outputs with the very bytes of the precision run; None without that run, and for
    batch sizes above one, whose rounding may differ. ``bound`` is the error that the spec's criteria allow.
    """

    batch_size: int
    outputs: int
    bitwise_equal: int
    worst_relative_l2: float
    equal_to_precision: int | None
    bound: float | None
    same: bool


def sampled_checks(
    sampled: Sequence[SampledOutput], precision_sha256: Mapping[tuple[str, str], str] | None, bound: float | None
) -> tuple[SampledCheck, ...]:
    """One for each batch size.

    Args:
        precision_sha256: (input, output) → hash of the candidate's output in the precision record.
        bound: the largest relative L2 error that a criterion of the spec allows; None without such a criterion.
    """
    found = []
    for size in dict.fromkeys(s.batch_size for s in sampled):
        outputs = [s for s in sampled if s.batch_size == size]
        worst = max(_relative_l2(s) for s in outputs)
        equal = None
        if size == 1 and precision_sha256 is not None:
            equal = sum(precision_sha256.get((s.input, s.output)) == s.sha256 for s in outputs)
        broken = any(s.nonfinite_mismatch or not s.same_shape for s in outputs)
        found.append(
            SampledCheck(
                batch_size=size,
                outputs=len(outputs),
                bitwise_equal=sum(s.bitwise_equal for s in outputs),
                worst_relative_l2=worst,
                equal_to_precision=equal,
                bound=bound,
                same=not broken and (worst == 0.0 if bound is None else worst <= bound),
            )
        )
    return tuple(found)


def _relative_l2(sampled: SampledOutput) -> float:
    """Relative L2 error; a zero reference has 0 when the other is zero too, else 1."""
    if not sampled.sum_sq_reference:
        return float(sampled.sum_sq_diff > 0)
    return math.sqrt(sampled.sum_sq_diff / sampled.sum_sq_reference)


# --- the machine -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Latency:
    """What the samples of one batch size say. Percentiles only where the sample count supports them."""

    batch_size: int
    sample_count: int
    duration_s: float
    mean_s: float
    std_s: float
    min_s: float
    max_s: float
    percentiles_s: dict[str, float]
    first_call_s: float | None
    warmup_count: int
    warmup_steady: bool
    stability: Stability
    peak_memory_bytes: int | None


@functools.lru_cache(maxsize=64)  # the log, the verdicts and the summary each ask for them, of 16 batch sizes at most
def latency(run: LatencyRun) -> Latency:
    """Statistics of one batch size, from its raw samples (at least 4)."""
    samples, ordered = run.samples_s, sorted(run.samples_s)
    mean, deviation = statistics.fmean(samples), statistics.stdev(samples)
    estimates = {f"p{p:g}": percentile_estimate(ordered, p) for p in PERCENTILES}
    return Latency(
        batch_size=run.batch_size,
        sample_count=len(samples),
        duration_s=math.fsum(samples),
        mean_s=mean,
        std_s=deviation,
        min_s=min(samples),
        max_s=max(samples),
        percentiles_s={name: value for name, value in estimates.items() if value is not None},
        first_call_s=run.first_call_s,
        warmup_count=len(run.warmup_s),
        warmup_steady=run.warmup_steady,
        stability=stability_of(samples, ordered, deviation),
        peak_memory_bytes=run.peak_memory_bytes,
    )
