"""What the performance experiment stores: raw times, never a statistic. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npu_eval.errors import RecordError


@dataclass(frozen=True, kw_only=True)
class LatencyRun:
    """The calls of one batch size, in order, each synchronised with the device before and after the clock is read.

    ``ended_by`` is ``protocol`` (its seconds and calls were reached), ``limit`` (of seconds), ``call limit`` or
    ``out of memory``; in the last case there may be no call at all and ``first_call_s`` is None.
    """

    batch_size: int
    input_shape: tuple[int, ...]
    dtype: str
    first_call_s: float | None
    warmup_s: tuple[float, ...]
    warmup_steady: bool
    samples_s: tuple[float, ...]
    peak_memory_bytes: int | None
    ended_by: str


@dataclass(frozen=True, kw_only=True)
class PerformanceData:
    """Raw latencies of the forward pass for each batch size."""

    kind: ClassVar[str] = "performance"
    clock: str
    timed: str
    runs: tuple[LatencyRun, ...]


def check_performance(data: PerformanceData, where: str) -> None:
    """Refuse numbers that no experiment writes.

    Raises:
        RecordError: a batch size or a duration is not above zero.
    """
    for i, run in enumerate(data.runs):
        if run.batch_size < 1 or min((*run.samples_s, 1.0)) <= 0.0:
            raise RecordError("batch sizes and durations are above zero", where=f"{where}.runs[{i}]")
