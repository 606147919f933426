"""The charts of this experiment, by their stems in the deliverable. Importing this loads matplotlib."""

from __future__ import annotations

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.performance.chart import BatchPoint, LatencySeries, batch_chart, latency_chart
from npu_deliver.experiments.performance.summary import Performance
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.records.record import Record
from npu_eval.timing.samples import MIN_RUN


def draw(found: Performance, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """Every call of each batch size, and the throughput over the batch sizes."""
    if record is None or not isinstance(record.data, PerformanceData) or not found.runs:
        return {}
    percentiles = {run.batch_size: run.percentiles_s for run in found.runs}
    series = [
        LatencySeries(
            batch_size=run.batch_size,
            first_call_s=run.first_call_s,
            warmup_s=run.warmup_s,
            samples_s=run.samples_s,
            percentiles_s={k: v for k, v in percentiles[run.batch_size].items() if k in ("p50", "p90", "p99")},
        )
        for run in record.data.runs
        if len(run.samples_s) >= MIN_RUN and run.first_call_s is not None
    ]
    pictures = {"performance_chart": latency_chart(series, frame)}
    if len(found.throughput) > 1:
        fresh = {p.batch_size: p for p in found.processes}
        points = [
            BatchPoint(
                batch_size=t.batch_size,
                throughput=t.images_per_s,
                latency_p50_s=percentiles.get(t.batch_size, {}).get("p50"),
                interval=(fresh[t.batch_size].low_per_s, fresh[t.batch_size].high_per_s)
                if t.batch_size in fresh
                else None,
            )
            for t in found.throughput
        ]
        pictures["batch_chart"] = batch_chart(points, frame)
    return pictures
