"""Latency of the forward pass: each call synchronised with the device, every sample kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from npu_eval.asked.spec import TimingProtocol
from npu_eval.device.device import Times, is_out_of_memory, timed_with_events
from npu_eval.experiments.performance.data import LatencyRun
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import Context
from npu_eval.timing.samples import STEADY_WINDOW, is_steady
from npu_eval.under_test.batches import batch_of

Outputs = dict[str, torch.Tensor]

MAX_SAMPLES = 20_000
"""Samples kept of one batch size at most, and calls of its warm-up: three times what a p99.9 needs."""


@dataclass
class Progress:
    """Says how far a batch size is, every few seconds."""

    context: Context
    size: int
    last: float = 0.0

    def say(self, phase: str, calls: int, spent: float, seconds: float) -> None:
        """Tell, when some seconds have passed since the last time."""
        now = time.monotonic()
        if now - self.last >= 2.0:
            self.last = now
            self.context.say(f"[performance] batch {self.size}: {phase} {calls} calls, {spent:.0f} of {seconds:.0f} s")


def measure(
    context: Context, model: torch.nn.Module, singles: Sequence[torch.Tensor], size: int
) -> tuple[LatencyRun, Outputs]:
    """Time one batch size by the protocol; one that does not fit into memory is recorded as such.

    Returns:
        the run, and what its last timed call gave; nothing where there was no call.
    """
    timing, device, side = context.spec.timing, context.device, context.spec.candidate
    progress = Progress(context, size)
    first: float | None = None
    warmup: list[float] = []
    samples: list[float] = []
    by_events: list[tuple[float, float]] = []
    steady = False
    device.reset_peak_memory()

    outputs: Outputs = {}

    def clocked() -> Times:
        outputs.clear()  # before the next forward, so that the memory of two is never needed
        times, found = timed_with_events(
            device, lambda: checked_forward(context.adapter, model, batch, context.spec.adapter)
        )
        outputs.update(found)
        return times

    def call() -> float:
        return clocked().wall_s

    def sample() -> float:
        times = clocked()
        if times.enqueue_s is not None and times.device_s is not None:
            by_events.append((times.enqueue_s, times.device_s))
        return times.wall_s

    try:
        batch = batch_of(context, singles, size)
        first = call()
        steady = warm_up(call, warmup, timing, progress)
        ended_by = _sample(sample, samples, timing, progress)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        ended_by = "out of memory"
        outputs.clear()
        context.say(f"[performance] batch {size}: out of memory, recorded as such")
    run = LatencyRun(
        batch_size=size,
        input_shape=(size, *singles[0].shape[1:]),
        dtype=side.dtype,
        first_call_s=first,
        warmup_s=tuple(warmup),
        warmup_steady=steady,
        samples_s=tuple(samples),
        peak_memory_bytes=device.peak_memory(),
        ended_by=ended_by,
        enqueue_s=tuple(enqueue for enqueue, _ in by_events),
        device_s=tuple(spent for _, spent in by_events),
    )
    return run, outputs


def warm_up(call: Callable[[], float], warmup: list[float], timing: TimingProtocol, progress: Progress) -> bool:
    """Call until the calls are steady; gives up, and says so, at the protocol's limit.

    Looks only when the calls have grown by a twentieth: each look sorts them all, and fast calls are many.
    """
    spent, look = 0.0, STEADY_WINDOW
    while spent < timing.warmup_limit_s and len(warmup) < MAX_SAMPLES:
        warmup.append(call())
        spent += warmup[-1]
        progress.say("warm-up", len(warmup), spent, timing.warmup_limit_s)
        if len(warmup) >= look:
            if is_steady(warmup):
                return True
            look += max(1, look // 20)
    return False


def _sample(call: Callable[[], float], samples: list[float], timing: TimingProtocol, progress: Progress) -> str:
    """Call until the tier's seconds and calls are both reached, or a limit; says which."""
    spent = 0.0
    while spent < timing.min_duration_s or len(samples) < timing.min_samples:
        if spent >= timing.limit_s:
            return "limit"
        if len(samples) >= MAX_SAMPLES:
            return "call limit"
        samples.append(call())
        spent += samples[-1]
        progress.say("timed", len(samples), spent, timing.min_duration_s)
    return "protocol"
