"""What the performance experiment finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.performance.data import (
    CacheRun,
    EndToEnd,
    EnqueueRun,
    FreshProcess,
    LatencyRun,
    PerformanceData,
    SampledOutput,
    ThroughputRun,
)
from npu_eval.records.record import Record
from samples.asked import PHOTOS, eval_spec
from samples.circumstances import machine_state
from samples.recorded import record
from samples.timed import latency_samples


def latency_run(batch_size: int = 1, **changes: Any) -> LatencyRun:
    run = LatencyRun(
        batch_size=batch_size,
        input_shape=(batch_size, 3, 224, 224),
        dtype="float32",
        first_call_s=3.25,
        warmup_s=(0.0301, *latency_samples(11, 0.0215 * batch_size**0.5, 1000 + batch_size)),
        warmup_steady=True,
        samples_s=latency_samples(70, 0.0215 * batch_size**0.5, batch_size),
        peak_memory_bytes=(40 + 30 * batch_size) * 2**20,
        ended_by="protocol",
    )
    return replace(run, **changes)


def throughput_run(batch_size: int = 1, **changes: Any) -> ThroughputRun:
    """Pipelined calls: a tenth quicker than the synchronised ones."""
    windows = tuple(20 * s for s in latency_samples(10, 0.0195 * batch_size**0.5, 2000 + batch_size))
    run = ThroughputRun(batch_size=batch_size, calls=20, windows_s=windows, ended_by="protocol")
    return replace(run, **changes)


def fresh_process(batch_size: int = 1, number: int = 0, **changes: Any) -> FreshProcess:
    """One of a few processes that differ by a per mille or two."""
    slower = 1 + 0.001 * ((number * 3) % 5)
    found = FreshProcess(
        batch_size=batch_size,
        start_s=9.5,
        first_call_s=3.25 * slower,
        samples_s=latency_samples(20, 0.0215 * batch_size**0.5 * slower, 3000 + 100 * number + batch_size),
        calls=10,
        windows_s=tuple(10 * s for s in latency_samples(3, 0.0195 * batch_size**0.5 * slower)),
    )
    return replace(found, **changes)


def end_to_end(path: str = "inputs/cat.jpg", number: int = 0, **changes: Any) -> EndToEnd:
    wobble = 1 + 0.002 * (number % 3)
    way = EndToEnd(
        input=path,
        decode_s=0.004 * wobble,
        preprocess_s=0.003 * wobble,
        upload_s=0.0002,
        forward_s=0.0215 * wobble,
        postprocess_s=0.0005,
        total_s=0.0285 * wobble + 0.0007,
    )
    return replace(way, **changes)


def sampled_output(batch_size: int = 1, **changes: Any) -> SampledOutput:
    """The output of the first input; in a larger batch off by a rounding."""
    alone = batch_size == 1
    found = SampledOutput(
        batch_size=batch_size,
        input="inputs/cat.jpg",
        output="logits",
        sha256="ca0d" * 16,
        same_shape=True,
        bitwise_equal=alone,
        nonfinite_mismatch=0,
        sum_sq_reference=14.25,
        sum_sq_diff=0.0 if alone else 1e-13,
    )
    return replace(found, **changes)


def out_of_memory_run(batch_size: int = 64) -> LatencyRun:
    return latency_run(
        batch_size, first_call_s=None, warmup_s=(), warmup_steady=False, samples_s=(), ended_by="out of memory"
    )


def performance_data(batch_sizes: Sequence[int] = (1, 8), **changes: Any) -> PerformanceData:
    runs: tuple[LatencyRun, ...] = changes.pop("runs", tuple(latency_run(size) for size in batch_sizes))
    fit = [run.batch_size for run in runs if run.samples_s]
    found = PerformanceData(
        clock="time.perf_counter (monotonic), device synchronised before both readings",
        timed="forward pass of one batch that already lies on the device; one synchronised call per sample",
        runs=runs,
        throughput=tuple(
            throughput_run(run.batch_size)
            if run.samples_s
            else throughput_run(run.batch_size, calls=1, windows_s=(), ended_by=run.ended_by)
            for run in runs
        ),
        processes=tuple(fresh_process(size, number) for number in range(5) for size in fit),
        end_to_end=tuple(end_to_end(path, number) for number in range(6) for path in PHOTOS),
        enqueue=EnqueueRun(
            batch_size=1,
            enqueue_s=tuple(s / 4 for s in latency_samples(20)),
            device_s=latency_samples(20, 0.0209),
        ),
        cache=CacheRun(
            batch_size=1, repeated_s=latency_samples(16, seed=4001), distinct_s=latency_samples(16, 0.0216, 4002)
        ),
        sampled=tuple(sampled_output(size) for size in fit),
        machine=(machine_state(), machine_state(when="during", watched_s=61.5)),
    )
    return replace(found, **changes)


def performance_record(*, spec: EvalSpec | None = None, data: PerformanceData | None = None, **changes: Any) -> Record:
    wanted = spec or eval_spec()
    ways = tuple(end_to_end(entry.path, number) for number in range(6) for entry in wanted.inputs)
    data = data or performance_data(wanted.timing.batch_sizes, end_to_end=ways)
    command = ("python", "evaluation/eval_performance.py", "--save", "evaluation")
    return record(data, command, spec=spec, **changes)
