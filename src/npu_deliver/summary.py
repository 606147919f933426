"""Records and verdicts → `Summary`: the only source of every rendered number, and the content of summary.json."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from npu_deliver.errors import RecordError
from npu_deliver.experiments.dataset.summary import Dataset, summarize_dataset
from npu_deliver.experiments.localisation.summary import Localisation, summarize_localisation
from npu_deliver.experiments.optimisation.summary import Optimisation, optimisation
from npu_deliver.experiments.precision.summary import Precision, summarize_precision
from npu_deliver.experiments.registry import KINDS
from npu_deliver.experiments.training.summary import Training, summarize_training
from npu_deliver.ledger import Runs
from npu_eval.agreement import metrics
from npu_eval.asked.criteria import Criterion
from npu_eval.asked.layout import LAYOUTS, Layout
from npu_eval.asked.profiles import profile_of
from npu_eval.asked.spec import EvalSpec, ModelFacts, Side, SpecFile, TimingProtocol, ToolVersion
from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.localisation.data import LocalisationData
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.training.data import TrainingData
from npu_eval.jsonio import ABSENT_BY_DEFAULT, canonical_sha256
from npu_eval.machine.load import MachineState, is_busy
from npu_eval.records.log import exit_code, log_name, log_text, verdicts_of
from npu_eval.records.provenance import Provenance
from npu_eval.records.record import Record, record_sha256
from npu_eval.records.stamps import Stamp, is_real_npu, stamps_of
from npu_eval.records.verdict import Status, Verdict, judge_all, overall
from npu_eval.timing.samples import MIN_RUN

SCHEMA = "npu-deliver/summary/2"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where an experiment's numbers come from: the files, their hashes, the command, its times and its exit code."""

    experiment: str
    command: str
    record: str
    record_sha256: str
    log: str
    log_sha256: str
    started_at: str
    finished_at: str
    exit_code: int


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


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything a report says, and nothing that is not derived from records and the spec.

    ``hardware`` is ``NPU`` only for a real NPU, by evidence; it is None otherwise. ``criteria_profile`` is the named
    profile whose rules the criteria are, None where they are the author's own. ``measured_with`` is the version of this
    tool that laid the folder out and measured, ``derived_with`` the one that derived all of this from the records.
    ``words`` are what somebody asked a model to look for; empty where it has classes of its own.
    """

    schema: str
    measured_with: ToolVersion | None
    derived_with: ToolVersion | None
    name: str
    task: str
    adapter: str
    profile: str
    model: ModelFacts
    overall: Status
    stamps: tuple[Stamp, ...]
    hardware: str | None
    npu_count: int
    provenance: Provenance
    reference: Side
    candidate: Side
    seed: int
    inputs: tuple[str, ...]
    input_sha256: dict[str, str]
    spec_sha256: str
    criteria_sha256: str
    code_sha256: str
    criteria: tuple[Criterion, ...]
    criteria_profile: str | None
    verdicts: tuple[Verdict, ...]
    inference: tuple[PhotoResult, ...]
    precision: Precision | None
    performance: Performance | None
    training: Training | None
    dataset: Dataset | None
    optimisation: Optimisation | None
    localisation: Localisation | None
    evidence: tuple[Evidence, ...]
    runs: Runs | None
    serve: bool
    words: tuple[str, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)

    @property
    def layout(self) -> Layout:
        """Where the files of the deliverable lie."""
        return LAYOUTS[self.profile]

    @functools.cached_property
    def content_sha256(self) -> str:
        """Hash of everything that it says, made once: every picture that is drawn from it is asked for it."""
        return canonical_sha256(self)


def summarize(
    spec_file: SpecFile,
    records: Mapping[str, Record],
    runs: Runs | None = None,
    derived_with: ToolVersion | None = None,
    logs: Mapping[str, str] | None = None,
) -> Summary:
    """What the records of one deliverable come to.

    Args:
        runs: what the ledger of the runs comes to; None where there is none.
        derived_with: the version of this tool that says all of it; None where it is not known.
        logs: path of a log → the text that its record gives, where that was made already.

    Raises:
        RecordError: there is none, one is of another spec, or they are not of one run's code, device and weights.
    """
    spec = spec_file.evaluation
    if not records:
        raise RecordError("there is no record", where=spec.name, fix="run the experiments first")
    first = next(iter(records.values()))
    for kind, record in records.items():
        _check_same(kind, record, first, spec_file)
    verdicts = judge_all(records, spec.criteria)
    provenance = first.provenance
    stamps = stamps_of(record.provenance for record in records.values())
    return Summary(
        schema=SCHEMA,
        measured_with=spec_file.measured_with,
        derived_with=derived_with,
        name=spec.name,
        task=spec.task,
        adapter=spec.adapter,
        profile=spec_file.profile,
        model=spec_file.model,
        overall=overall(verdicts),
        stamps=stamps,
        hardware="NPU" if is_real_npu(provenance.device) and Stamp.REPLAYED not in stamps else None,
        npu_count=int(provenance.device.kind == "npu"),
        provenance=provenance,
        reference=spec.reference,
        candidate=spec.candidate,
        seed=spec.seed,
        inputs=tuple(entry.path for entry in spec.inputs),
        input_sha256={entry.path: entry.sha256 for entry in spec.inputs},
        spec_sha256=spec.sha256,
        criteria_sha256=spec.criteria_sha256,
        code_sha256=first.code_sha256,
        criteria=spec.criteria,
        criteria_profile=profile_of(spec.criteria, spec.task, training=spec.training is not None),
        verdicts=verdicts,
        inference=_inference(records.get("inference")),
        precision=_precision(records, spec),
        performance=_performance(records, spec_file),
        training=_training(records.get("training")),
        dataset=_dataset(records.get("dataset")),
        optimisation=_optimisation(records, spec.criteria),
        localisation=_localisation(records.get("localisation"), spec),
        evidence=tuple(_evidence(kind, records[kind], spec_file, logs or {}) for kind in KINDS if kind in records),
        runs=runs,
        serve=spec_file.serve,
        words=spec.classes.names if spec.classes is not None and ":" not in spec.adapter else (),
    )


FLOAT32_LIMIT = 1e-5
"""Relative L2 error of an output that float32 itself does not reach: networks of this size come to about 1e-6 against
float64, and HF32, the shortest format that is on by default anywhere, to more than 1e-4.
"""


def differs(record: Record | None) -> bool:
    """Whether a precision record shows an output that differs by more than float32 explains."""
    if record is None or not isinstance(record.data, PrecisionData):
        return False
    found = map(metrics.agreement, record.data.differences)
    return any(a.nonfinite_mismatch or a.relative_l2 > FLOAT32_LIMIT for a in found)


def _check_same(kind: str, record: Record, first: Record, spec_file: SpecFile) -> None:
    where = spec_file.layout.record(kind)
    if record.spec_sha256 != spec_file.evaluation.sha256:
        raise RecordError("was made under another spec", where=where,
                          fix="run the experiment again")  # fmt: skip
    ours, theirs = record.provenance, first.provenance
    for what, same in (
        ("code", record.code_sha256 == first.code_sha256),
        ("device", ours.device == theirs.device),
        ("weights", ours.weights == theirs.weights),
        ("environment", ours.image == theirs.image),
    ):
        if not same:
            raise RecordError(
                f"was made with other {what} than {spec_file.layout.record(first.kind)}",
                where=where,
                fix="run both again with --fresh",
            )


def _inference(record: Record | None) -> tuple[PhotoResult, ...]:
    return record.data.results if record is not None and isinstance(record.data, InferenceData) else ()


def _precision(records: Mapping[str, Record], spec: EvalSpec) -> Precision | None:
    record, located = records.get("precision"), records.get("localisation")
    if record is None or not isinstance(record.data, PrecisionData):
        return None
    found = located.data.operators if located is not None and isinstance(located.data, LocalisationData) else ()
    return summarize_precision(
        record.data, spec, bundle=record.provenance.reference_bundle, causes=frozenset(o.cause for o in found)
    )


def _performance(records: Mapping[str, Record], spec_file: SpecFile) -> Performance | None:
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


def _dataset(record: Record | None) -> Dataset | None:
    return summarize_dataset(record.data) if record is not None and isinstance(record.data, DatasetData) else None


def _localisation(record: Record | None, spec: EvalSpec) -> Localisation | None:
    if record is None or not isinstance(record.data, LocalisationData):
        return None
    return summarize_localisation(record.data, spec.criteria)


def _training(record: Record | None) -> Training | None:
    return summarize_training(record.data) if record is not None and isinstance(record.data, TrainingData) else None


def _optimisation(records: Mapping[str, Record], criteria: tuple[Criterion, ...]) -> Optimisation | None:
    record, speed_record = records.get("optimisation"), records.get("performance")
    if record is None or not isinstance(record.data, OptimisationData):
        return None
    bound, way = None, None
    if speed_record is not None and isinstance(speed_record.data, PerformanceData):
        bound, way = speed.host_bound(speed_record.data), speed.whole_way(speed_record.data.end_to_end)
    return optimisation(record.data, criteria, bound=bound, way=way)


def _output_sha256(record: Record | None) -> dict[tuple[str, str], str] | None:
    """(input, output) → hash of what the candidate gave in the precision run."""
    if record is None or not isinstance(record.data, PrecisionData):
        return None
    return {(d.input, d.output): d.candidate_sha256 for d in record.data.differences}


def _evidence(kind: str, record: Record, spec_file: SpecFile, logs: Mapping[str, str]) -> Evidence:
    criteria, layout = spec_file.evaluation.criteria, spec_file.layout
    log = layout.log(log_name(record))
    text = logs[log] if log in logs else log_text(record, criteria)
    return Evidence(
        experiment=kind,
        command=" ".join(record.command),
        record=layout.record(kind),
        record_sha256=record_sha256(record),
        log=log,
        log_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        started_at=record.started_at,
        finished_at=record.finished_at,
        exit_code=exit_code(record, verdicts_of(record, criteria)),
    )


def summary_sha256(summary: Summary) -> str:
    """Hash of the summary's content; pictures that are drawn from the summary carry it."""
    return summary.content_sha256
