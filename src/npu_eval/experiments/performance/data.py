"""What the performance experiment stores: raw times, never a statistic. Standard library only.

Latency and throughput are two data, measured in two ways: neither is derived from the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from npu_eval.errors import RecordError
from npu_eval.jsonio import ABSENT_BY_DEFAULT
from npu_eval.machine.load import MachineState


@dataclass(frozen=True, kw_only=True)
class LatencyRun:
    """The calls of one batch size, in order, each synchronised with the device before and after the clock is read.

    ``ended_by`` is ``protocol`` (its seconds and calls were reached), ``limit`` (of seconds), ``call limit`` or
    ``out of memory``; in the last case there may be no call at all and ``first_call_s`` is None.

    ``enqueue_s`` and ``device_s`` are of the same calls as ``samples_s`` (see `device.Times`); empty, and absent from
    the stored record, where the device has no events of its own.
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
    enqueue_s: tuple[float, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)
    device_s: tuple[float, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class ThroughputRun:
    """Pipelined calls of one batch size: a window submits ``calls`` batches and waits for the device once, at its end.

    ``ended_by`` as for a `LatencyRun`.
    """

    batch_size: int
    calls: int
    windows_s: tuple[float, ...]
    ended_by: str


@dataclass(frozen=True, kw_only=True)
class FreshProcess:
    """One batch size, measured again in a process started for it: latencies, and windows of ``calls`` calls."""

    batch_size: int
    start_s: float
    first_call_s: float
    samples_s: tuple[float, ...]
    calls: int
    windows_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """One photo from its file to the predictions, phase by phase; ``total_s`` has a clock of its own around them.

    ``decode_s`` is the time inside Pillow's decoder, ``preprocess_s`` the rest of the adapter's preprocessing; where
    the adapter decodes by other means, ``decode_s`` is None and ``preprocess_s`` holds both. ``postprocess_s`` includes
    the way back to the host.
    """

    input: str
    decode_s: float | None
    preprocess_s: float
    upload_s: float
    forward_s: float
    postprocess_s: float
    total_s: float


@dataclass(frozen=True, kw_only=True)
class EnqueueRun:
    """How long the host takes to submit a call, and how long the device works on it by its own events; call by call.

    Of records from before the latency runs held these themselves.
    """

    batch_size: int
    enqueue_s: tuple[float, ...]
    device_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CacheRun:
    """Calls with one repeated batch and calls with ever another one, in turns: a model that caches is quicker there."""

    batch_size: int
    repeated_s: tuple[float, ...]
    distinct_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SampledOutput:
    """An output that a timed call of a batch gave for one input, against the untimed forward of that input alone.

    ``sha256`` is of the timed output's bytes; sums are over the elements finite on both sides, in float64.
    """

    batch_size: int
    input: str
    output: str
    sha256: str
    same_shape: bool
    bitwise_equal: bool
    nonfinite_mismatch: int
    sum_sq_reference: float
    sum_sq_diff: float


@dataclass(frozen=True, kw_only=True)
class NetworkWork:
    """What one forward pass of one input asks for at least, as torch's counter of floating-point operations tells it.

    A multiplication and an addition are two operations; ``convolution_flops`` are those of convolutions.
    ``parameter_bytes`` are of the parameters that lie on the device.
    """

    flops: int
    convolution_flops: int
    parameter_bytes: int


@dataclass(frozen=True, kw_only=True)
class PerformanceData:
    """Raw times of the forward pass for each batch size, of the whole way of a photo, and of the machine's state."""

    clock: str
    timed: str
    runs: tuple[LatencyRun, ...]
    throughput: tuple[ThroughputRun, ...] = ()
    processes: tuple[FreshProcess, ...] = ()
    end_to_end: tuple[EndToEnd, ...] = ()
    enqueue: EnqueueRun | None = None
    cache: CacheRun | None = None
    sampled: tuple[SampledOutput, ...] = ()
    machine: tuple[MachineState, ...] = ()
    work: NetworkWork | None = field(default=None, metadata=ABSENT_BY_DEFAULT)


ENDS = ("protocol", "limit", "call limit", "out of memory")
"""How the calls of a batch size end, see `LatencyRun`."""


def _check_ends(data: PerformanceData, where: str) -> None:
    for end in [run.ended_by for run in data.runs] + [run.ended_by for run in data.throughput]:
        if end not in ENDS:
            raise RecordError(f"no run ends by '{end}'", where=where)


def check_performance(data: PerformanceData, where: str) -> None:
    """Refuse numbers that no experiment writes.

    Raises:
        RecordError: a batch size or a duration is not above zero, or a count or a sum is below it.
    """
    _check_ends(data, where)
    for i, run in enumerate(data.runs):
        _check_latency(run, f"{where}.runs[{i}]")
    for i, windows in enumerate(data.throughput):
        _positive((windows.batch_size, windows.calls, *windows.windows_s), f"{where}.throughput[{i}]")
    for i, fresh in enumerate(data.processes):
        values = (fresh.batch_size, fresh.calls, *fresh.samples_s, *fresh.windows_s)
        _positive(values, f"{where}.processes[{i}]")
    for i, way in enumerate(data.end_to_end):
        _positive((way.total_s,), f"{where}.end_to_end[{i}]")
    for i, sampled in enumerate(data.sampled):
        if min(sampled.sum_sq_reference, sampled.sum_sq_diff, sampled.nonfinite_mismatch) < 0:
            raise RecordError("a count or a sum is negative", where=f"{where}.sampled[{i}]")
    if data.enqueue is not None:
        _positive((*data.enqueue.enqueue_s, *data.enqueue.device_s), f"{where}.enqueue")
        if len(data.enqueue.enqueue_s) != len(data.enqueue.device_s):
            raise RecordError("enqueue_s and device_s have other lengths", where=f"{where}.enqueue")
    _check_work(data.work, f"{where}.work")
    if data.cache is not None:
        _positive((*data.cache.repeated_s, *data.cache.distinct_s), f"{where}.cache")


def _check_work(work: NetworkWork | None, where: str) -> None:
    if work is not None and (not 0 <= work.convolution_flops <= work.flops or work.parameter_bytes < 0):
        raise RecordError("a count is negative, or convolutions are more than all operations", where=where)


def _check_latency(run: LatencyRun, where: str) -> None:
    _positive((run.batch_size, *run.samples_s, *run.enqueue_s, *run.device_s), where)
    if {len(run.enqueue_s), len(run.device_s)} not in ({0}, {len(run.samples_s)}):
        raise RecordError("enqueue_s and device_s are not of the calls in samples_s", where=where)


def _positive(values: Iterable[float], where: str) -> None:
    if min((*values, 1.0)) <= 0.0:
        raise RecordError("batch sizes and durations are above zero", where=where)
