"""The lines of the performance log's body: a pure function of the record's data. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData
from npu_eval.machine.load import MachineState, is_busy
from npu_eval.notation import units
from npu_eval.notation.tables import table
from npu_eval.records.stamps import Untimed
from npu_eval.timing import samples
from npu_eval.timing.samples import MIN_RUN


def performance_lines(data: PerformanceData, *, simulated: bool) -> list[str]:
    """The body of the log, without the head and the verdicts."""
    u: Any = Untimed if simulated else units
    measured = [speed.latency(run) for run in data.runs if len(run.samples_s) >= MIN_RUN]
    return [
        f"timed: {data.timed}",
        f"clock: {data.clock}",
        *_machine(data.machine, u),
        "",
        *_protocol(data.runs, u),
        "",
        "latency: one synchronised call at a time",
        *_latency(measured, u),
        *_device_times(data, u),
        *_throughput(data, u),
        *_processes(data, u),
        *_whole_way(data, u),
        *_honesty(data, u),
    ]


def _machine(states: Sequence[MachineState], u: Any) -> list[str]:
    lines = []
    for state in states:
        others = "unknown" if state.foreign_cpus is None else f"{state.foreign_cpus:.2f} of {state.cpus} CPUs"
        parts = [f"machine {state.when}: others kept {others} busy over {u.seconds(state.watched_s)}"]
        parts += [f"load {state.load_1min:.2f}"]
        parts += [] if state.cpu_quota is None else [f"quota {state.cpu_quota:.2f} CPUs"]
        parts += [] if state.throttled_s is None else [f"throttled {u.seconds(state.throttled_s)}"]
        if state.others_memory_bytes is not None:
            parts.append(f"device memory in use {u.mib(state.others_memory_bytes)}")
        lines.append(", ".join(parts) + (" - BUSY" if is_busy(state) else ""))
    return lines


def _protocol(runs: Sequence[LatencyRun], u: Any) -> list[str]:
    return table(
        ("batch", "input shape", "dtype", "first call", "warm-up", "steady", "timed calls", "ended by"),
        [
            (
                u.count(run.batch_size),
                "x".join(map(str, run.input_shape)),
                run.dtype,
                "-" if run.first_call_s is None else u.ms(run.first_call_s),
                u.count(len(run.warmup_s)),
                _yes(run.warmup_steady),
                u.count(len(run.samples_s)),
                run.ended_by,
            )
            for run in runs
        ],
    )


def _latency(measured: Sequence[speed.Latency], u: Any) -> list[str]:
    return [
        *table(
            ("batch", "mean", "std", "min", "max", "peak memory"),
            [
                (
                    u.count(s.batch_size),
                    u.ms(s.mean_s),
                    u.ms(s.std_s),
                    u.ms(s.min_s),
                    u.ms(s.max_s),
                    "-" if s.peak_memory_bytes is None else u.mib(s.peak_memory_bytes),
                )
                for s in measured
            ],
        ),
        "",
        "percentiles (early-stopping estimate at 99 % confidence; - where the calls are too few)",
        *table(
            ("batch", *(f"p{p:g}" for p in samples.PERCENTILES)),
            [
                (
                    u.count(s.batch_size),
                    *(
                        u.ms(s.percentiles_s[f"p{p:g}"]) if f"p{p:g}" in s.percentiles_s else "-"
                        for p in samples.PERCENTILES
                    ),
                )
                for s in measured
            ],
        ),
        "",
        *table(
            ("batch", "stable", "because", "CV", "IQR/median", "window max/min", "outliers"),
            [
                (
                    u.count(s.batch_size),
                    _yes(s.stability.stable),
                    ",".join(s.stability.reasons) or "-",
                    u.percent(s.stability.cv),
                    u.percent(s.stability.iqr_over_median),
                    u.ratio(s.stability.window_ratio),
                    u.count(s.stability.outliers),
                )
                for s in measured
            ],
        ),
    ]


def _device_times(data: PerformanceData, u: Any) -> list[str]:
    found = speed.device_times(data)
    if not found:
        return []
    rows = [
        (
            u.count(d.batch_size),
            u.ms(d.device_s),
            u.percent(d.device_cv),
            u.ms(d.enqueue_s),
            u.ratio(d.ratio),
            u.percent(d.share),
        )
        for d in found
    ]
    header = ("batch", "device time", "CV", "submitted in", "submitted/device", "host-bound calls")
    return [
        "",
        f"device time: events around the same calls; a call is host-bound above {speed.HOST_BOUND:g}",
        *table(header, rows),
    ]


def _throughput(data: PerformanceData, u: Any) -> list[str]:
    found = speed.throughputs(data)
    if not found:
        return []
    rows = [
        (
            u.count(t.batch_size),
            u.rate(t.images_per_s),
            u.rate(t.slowest_window_per_s),
            u.rate(t.quickest_window_per_s),
            u.count(t.windows),
            u.count(t.calls),
            u.seconds(t.seconds),
        )
        for t in found
    ]
    header = ("batch", "images per s", "slowest window", "quickest window", "windows", "calls", "seconds")
    return ["", "throughput: pipelined calls, waited for once a window; not derived from latency", *table(header, rows)]


def _processes(data: PerformanceData, u: Any) -> list[str]:
    found = speed.processes(data)
    if not found:
        return []
    rows = [
        (
            u.count(p.batch_size),
            u.count(p.count),
            u.ms(p.median_s),
            f"{u.ms(p.low_s)} .. {u.ms(p.high_s)}",
            u.percent(p.spread),
            u.rate(p.images_per_s),
            f"{u.rate(p.low_per_s)} .. {u.rate(p.high_per_s)}",
            u.ms(p.first_call_s),
            u.seconds(p.start_s),
            u.count(p.needed),
        )
        for p in found
    ]
    header = (
        "batch",
        "processes",
        "median",
        "95 %",
        "spread",
        "images per s",
        "95 %",
        "first call",
        "start",
        "needed for 1 %",
    )
    return ["", "fresh processes: the mean of their medians, with its interval", *table(header, rows)]


def _whole_way(data: PerformanceData, u: Any) -> list[str]:
    way = speed.whole_way(data.end_to_end)
    if way is None:
        return []
    rows = [(phase.name, u.ms(phase.median_s), u.percent(phase.share)) for phase in way.phases]
    rows.append(("total", u.ms(way.median_s), u.percent(1.0)))
    apart = "" if way.decode_apart else " (decoding is part of preprocess)"
    title = f"end to end: {way.photos} photos from file to predictions, one at a time{apart}"
    return ["", title, *table(("phase", "median", "share"), rows)]


def _honesty(data: PerformanceData, u: Any) -> list[str]:
    lines = []
    bound = speed.host_bound(data)
    if bound is not None:
        lines.append(
            f"host-bound: {_yes(bound.bound)} (enqueue {u.ms(bound.enqueue_s)} / device "
            f"{u.ms(bound.device_s)} = {u.ratio(bound.ratio)}, device time CV "
            f"{u.percent(bound.device_cv)}, {bound.calls} calls)"
        )
    cache = speed.cache_check(data.cache)
    if cache is not None:
        lines.append(
            f"cached answers: {_yes(cache.cached)} (new inputs {u.ms(cache.distinct_s)} / the same input "
            f"{u.ms(cache.repeated_s)} = {u.ratio(cache.ratio)}, {cache.calls} calls each)"
        )
    lines += [
        f"outputs while timed, batch {check.batch_size}: {check.bitwise_equal} of {check.outputs} bitwise equal to "
        f"each input alone, largest relative L2 {u.sci(check.worst_relative_l2)}"
        for check in speed.sampled_checks(data.sampled, None, None)
    ]
    return ["", *lines] if lines else []


def _yes(value: bool) -> str:
    return "yes" if value else "no"
