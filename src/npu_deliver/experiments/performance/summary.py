"""The part of a summary that is about speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npu_eval.asked.spec import SpecFile, TimingProtocol
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.machine.load import MachineState, is_busy
from npu_eval.records.record import Record
from npu_eval.timing.samples import MIN_RUN


@dataclass(frozen=True, kw_only=True)
class Unmeasured:
    """A batch size without statistics, and why."""

    batch_size: int
    ended_by: str
    sample_count: int


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Latency and throughput for each batch size, each measured in its own way, and what else the record says.

    ``best_batch_size`` has the highest throughput; ``busy`` says that others kept the machine busy meanwhile.
    """

    protocol: TimingProtocol
    clock: str
    timed: str
    input_shape: tuple[int, ...]
    dtype: str
    runs: tuple[speed.Latency, ...]
    unmeasured: tuple[Unmeasured, ...]
    throughput: tuple[speed.Throughput, ...]
    processes: tuple[speed.Processes, ...]
    whole_way: speed.WholeWay | None
    host_bound: speed.HostBound | None
    device_times: tuple[speed.HostBound, ...]
    cache: speed.CacheCheck | None
    sampled: tuple[speed.SampledCheck, ...]
    machine: tuple[MachineState, ...]
    busy: bool
    best_batch_size: int | None

    @property
    def single(self) -> speed.Latency | None:
        """The run with one image at a time, which people quote as *the* latency; None when there is none."""
        return next((run for run in self.runs if run.batch_size == 1), None)


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Performance | None:
    """What the performance record comes to, if there is one."""
    record = records.get("performance")
    if record is None or not isinstance(record.data, PerformanceData):
        return None
    data = record.data
    measured = tuple(speed.latency(run) for run in data.runs if len(run.samples_s) >= MIN_RUN)
    throughput = speed.throughputs(data)
    best = max(throughput, key=lambda run: run.images_per_s, default=None)
    bounds = [c.threshold for c in spec_file.evaluation.criteria if c.metric == "relative_l2"]
    return Performance(
        protocol=spec_file.evaluation.timing,
        clock=data.clock,
        timed=data.timed,
        input_shape=data.runs[0].input_shape[1:],
        dtype=data.runs[0].dtype,
        runs=measured,
        unmeasured=tuple(
            Unmeasured(batch_size=run.batch_size, ended_by=run.ended_by, sample_count=len(run.samples_s))
            for run in data.runs
            if len(run.samples_s) < MIN_RUN
        ),
        throughput=throughput,
        processes=speed.processes(data),
        whole_way=speed.whole_way(data.end_to_end),
        host_bound=speed.host_bound(data),
        device_times=speed.device_times(data),
        cache=speed.cache_check(data.cache),
        sampled=speed.sampled_checks(data.sampled, _output_sha256(records.get("precision")), min(bounds, default=None)),
        machine=data.machine,
        busy=any(map(is_busy, data.machine)),
        best_batch_size=best.batch_size if best else None,
    )


def _output_sha256(record: Record | None) -> dict[tuple[str, str], str] | None:
    """(input, output) → hash of what the candidate gave in the precision run."""
    if record is None or not isinstance(record.data, PrecisionData):
        return None
    return {(d.input, d.output): d.candidate_sha256 for d in record.data.differences}
