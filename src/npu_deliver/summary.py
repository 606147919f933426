"""Records and verdicts → `Summary`: the only source of every rendered number, and the content of summary.json."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from npu_deliver.errors import RecordError
from npu_deliver.experiments.dataset.summary import Dataset
from npu_deliver.experiments.localisation.summary import Localisation
from npu_deliver.experiments.optimisation.summary import Optimisation
from npu_deliver.experiments.performance.summary import Performance
from npu_deliver.experiments.precision.summary import Precision
from npu_deliver.experiments.registry import KINDS, PARTS
from npu_deliver.experiments.training.summary import Training
from npu_deliver.ledger import Runs
from npu_eval.asked.criteria import Criterion
from npu_eval.asked.layout import LAYOUTS, Layout
from npu_eval.asked.profiles import profile_of
from npu_eval.asked.spec import ModelFacts, Side, SpecFile, ToolVersion
from npu_eval.experiments.inference.data import PhotoResult
from npu_eval.jsonio import ABSENT_BY_DEFAULT, canonical_sha256
from npu_eval.records.log import exit_code, log_name, log_text, verdicts_of
from npu_eval.records.provenance import Provenance
from npu_eval.records.record import Record, record_sha256
from npu_eval.records.stamps import Stamp, is_real_npu, stamps_of
from npu_eval.records.verdict import Status, Verdict, judge_all, overall

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
        **{name: part.summarize(records, spec_file) for name, part in PARTS.items()},
        evidence=tuple(_evidence(kind, records[kind], spec_file, logs or {}) for kind in KINDS if kind in records),
        runs=runs,
        serve=spec_file.serve,
        words=spec.classes.names if spec.classes is not None and ":" not in spec.adapter else (),
    )


def _check_same(kind: str, record: Record, first: Record, spec_file: SpecFile) -> None:
    where = spec_file.layout.record(kind)
    if record.spec_sha256 != spec_file.evaluation.sha256:
        raise RecordError("was made under another spec", where=where, fix="run the experiment again")
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
