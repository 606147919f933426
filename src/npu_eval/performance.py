"""Experiment `performance`: latency of the forward pass, each call synchronised, every sample kept."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from npu_eval.adapter import checked_forward
from npu_eval.config import TimingProtocol
from npu_eval.device import is_out_of_memory, timed
from npu_eval.records import LatencyRun, PerformanceData
from npu_eval.session import Context, dtype_of
from npu_eval.stats import STEADY_WINDOW, is_steady

DESCRIPTION = """Measure the latency of the model's forward pass.

example: python evaluation/eval_performance.py --device auto"""

TIMED = "forward pass of one batch that already lies on the device; one synchronised call per sample"
CLOCK = "time.perf_counter (monotonic), device synchronised before both readings"

MAX_SAMPLES = 20_000
"""Samples kept of one batch size at most, and calls of its warm-up: three times what a p99.9 needs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: the timing protocol was fixed in spec.json."""
    del parser


def run(context: Context, arguments: argparse.Namespace) -> PerformanceData:
    """Time each batch size of the protocol; one that does not fit into memory is recorded as such."""
    del arguments
    side = context.spec.candidate
    model = context.model(side, context.device.name)
    photos = context.photos()
    singles = [context.preprocess([photo]) for photo in photos]
    same_shape = [s for s in singles if s.shape == singles[0].shape]
    runs = tuple(_measure(context, model, same_shape, size) for size in context.spec.timing.batch_sizes)
    return PerformanceData(clock=CLOCK, timed=TIMED, runs=runs)


@dataclass
class _Progress:
    """Says how far a batch size is, every few seconds."""

    context: Context
    size: int
    last: float = 0.0

    def say(self, phase: str, calls: int, spent: float, seconds: float) -> None:
        now = time.monotonic()
        if now - self.last >= 2.0:
            self.last = now
            self.context.say(f"[performance] batch {self.size}: {phase} {calls} calls, {spent:.0f} of {seconds:.0f} s")


def _measure(context: Context, model: torch.nn.Module, singles: Sequence[torch.Tensor], size: int) -> LatencyRun:
    timing, device, side = context.spec.timing, context.device, context.spec.candidate
    progress = _Progress(context, size)
    first: float | None = None
    warmup: list[float] = []
    samples: list[float] = []
    steady = False
    device.reset_peak_memory()

    def call() -> float:
        return timed(device, lambda: checked_forward(context.adapter, model, batch, context.spec.adapter))[0]

    try:
        batch = torch.cat([singles[i % len(singles)] for i in range(size)]).to(device.name, dtype_of(side))
        first = call()
        steady = _warm_up(call, warmup, timing, progress)
        ended_by = _sample(call, samples, timing, progress)
    except Exception as error:
        cause = error if is_out_of_memory(error) else error.__cause__
        if cause is None or not is_out_of_memory(cause):
            raise
        ended_by = "out of memory"
        context.say(f"[performance] batch {size}: out of memory, recorded as such")
    return LatencyRun(
        batch_size=size,
        input_shape=(size, *singles[0].shape[1:]),
        dtype=side.dtype,
        first_call_s=first,
        warmup_s=tuple(warmup),
        warmup_steady=steady,
        samples_s=tuple(samples),
        peak_memory_bytes=device.peak_memory(),
        ended_by=ended_by,
    )


def _warm_up(call: Callable[[], float], warmup: list[float], timing: TimingProtocol, progress: _Progress) -> bool:
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


def _sample(call: Callable[[], float], samples: list[float], timing: TimingProtocol, progress: _Progress) -> str:
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
