"""Throughput: pipelined calls, the device waited for once at the end of each window. Never derived from latency.

A synchronised call leaves the device idle while the host prepares the next one; a server does not. The two answer
different questions and are measured apart, as MLPerf Inference tells its single-stream and offline scenarios apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch

from npu_eval.asked.spec import MIN_WINDOWS, WINDOWS_S
from npu_eval.device.device import is_out_of_memory, timed
from npu_eval.experiments.performance.data import LatencyRun, ThroughputRun
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import Context
from npu_eval.under_test.batches import batch_of

MAX_CALLS = 2000
"""Calls of a window, or of a fresh process, at most."""
WINDOW_S = 0.5
"""Seconds of a window: Triton's perf_analyzer compares windows; half a second holds many calls of a small model."""


def calls_in(seconds: float, latencies_s: Sequence[float], *, least: int = 2, most: int = MAX_CALLS) -> int:
    """How many calls take about so long, by the latencies measured before."""
    return max(least, min(most, round(seconds / statistics.median(latencies_s))))


def measure(
    context: Context, model: torch.nn.Module, singles: Sequence[torch.Tensor], latency: LatencyRun
) -> ThroughputRun:
    """Windows of pipelined calls of one batch size; none where the latency run had no memory."""
    size, timing = latency.batch_size, context.spec.timing
    if not latency.samples_s:
        return ThroughputRun(batch_size=size, calls=1, windows_s=(), ended_by=latency.ended_by)
    slow = min(latency.samples_s) > WINDOW_S  # one call fills a window: there is nothing to overlap it with
    calls = calls_in(WINDOW_S, latency.samples_s, least=1 if slow else 2)
    windows: list[float] = []

    def submit() -> None:
        for _ in range(calls):
            checked_forward(context.adapter, model, batch, context.spec.adapter)

    ended_by = "protocol"
    try:
        batch = batch_of(context, singles, size)
        while sum(windows) < WINDOWS_S[timing.tier] or len(windows) < MIN_WINDOWS:
            if sum(windows) >= timing.limit_s:
                ended_by = "limit"
                break
            windows.append(timed(context.device, submit)[0])
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        ended_by = "out of memory"
    context.say(f"[performance] batch {size}: {len(windows)} windows of {calls} pipelined calls")
    return ThroughputRun(batch_size=size, calls=calls, windows_s=tuple(windows), ended_by=ended_by)
