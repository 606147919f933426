"""What a performance record says of a metric, batch size by batch size. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData, ThroughputRun
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.records.kind import Value
from npu_eval.timing.samples import MIN_RUN


def values(data: PerformanceData, metric: str) -> list[Value]:
    """What the data say of a metric."""
    if metric == "throughput_per_s":
        return [_throughput(run) for run in data.throughput]
    return [_latency(run, metric) for run in data.runs]


def _latency(run: LatencyRun, metric: str) -> Value:
    evidence = said("batch", size=run.batch_size)
    if metric == "sample_count":
        return Value(str(run.batch_size), evidence, float(len(run.samples_s)))
    if len(run.samples_s) < MIN_RUN:
        return Value(str(run.batch_size), evidence, 0.0, missing=_too_few("calls", len(run.samples_s), run))
    latency = speed.latency(run)
    if metric == "latency_p50_s":  # without support the worst sample stands in: never better than the truth
        value = latency.percentiles_s.get("p50", latency.max_s)
    else:
        value = float(getattr(latency, {"latency_mean_s": "mean_s"}.get(metric, metric)))
    return Value(str(run.batch_size), evidence, value)


def _throughput(run: ThroughputRun) -> Value:
    missing = NOTHING if run.windows_s else _too_few("windows", 0, run)
    value = speed.images_per_s(run) if run.windows_s else 0.0
    return Value(str(run.batch_size), said("batch", size=run.batch_size), value, missing=missing)


def _too_few(what: str, number: int, run: LatencyRun | ThroughputRun) -> Phrase:
    return said(f"{what}-{run.ended_by.replace(' ', '-')}", **{what: number})
