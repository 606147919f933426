"""Records: what the experiments found. Immutable, raw, bound to the spec they ran under.

A record stores samples, sums and counts, never a statistic: `stats` derives those, so anybody can derive them again.
Standard library only.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from npu_eval.errors import RecordError
from npu_eval.experiments.dataset.data import DatasetData, ImageSet, check_dataset
from npu_eval.experiments.localisation.data import LocalisationData, check_localisation
from npu_eval.experiments.optimisation.data import OptimisationData, check_optimisation
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData, check_performance
from npu_eval.experiments.precision.data import (
    RELATIVE_ERROR_BOUNDS,
    RELATIVE_FLOOR,
    ULP_EDGES,
    ClassRanking,
    Difference,
    PrecisionData,
    check_precision,
)
from npu_eval.experiments.training.data import TrainingData, check_training
from npu_eval.jsonio import ABSENT_BY_DEFAULT, Kept, dumps, from_json, keep, loads, write_atomic
from npu_eval.limits import MAX_RECORD_BYTES, read_bytes
from npu_eval.machine.limits import HostLimits
from npu_eval.notation.phrases import Phrase
from npu_eval.npu.evidence import NpuProof
from npu_eval.npu.smi import NpuSmi

__all__ = [
    "RELATIVE_ERROR_BOUNDS",
    "RELATIVE_FLOOR",
    "ULP_EDGES",
    "ClassRanking",
    "DatasetData",
    "Difference",
    "ImageSet",
    "LatencyRun",
    "OptimisationData",
    "PerformanceData",
    "PrecisionData",
    "TrainingData",
]  # what the experiments store, by the module that everybody reads records through

SCHEMA = "npu-deliver/record/1"


# --- provenance ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DeviceFacts:
    """The device that was opened and proven.

    ``evidence`` is ``real`` only on positive evidence; for an NPU it is what ``proof`` comes to, and no other word.
    """

    name: str
    kind: str
    description: str
    evidence: str
    memory_bytes: int | None = None
    soc: str | None = None
    proof: NpuProof | None = None


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """The machine around the device."""

    system: str
    machine: str
    cpu_model: str
    cpu_count: int
    usable_cpus: int
    torch_threads: int
    memory_bytes: int
    limits: HostLimits | None = None


@dataclass(frozen=True, kw_only=True)
class WeightsFacts:
    """What was loaded, and how completely. ``notes`` say which weights of the file, and what of it was left out."""

    source: str
    random: bool
    file: str | None
    sha256: str | None
    sha256_fixed_before: bool
    size_bytes: int | None
    mapping: str
    tensors: int
    parameters: int
    missing_keys: tuple[str, ...]
    unexpected_keys: tuple[str, ...]
    notes: tuple[Phrase, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class BundleOrigin:
    """Who computed the reference, where it came from a bundle: its hash, and the machine that made it.

    ``state_sha256`` is of what the network held there, and here: another network is refused.
    """

    sha256: str
    made_at: str
    spec_sha256: str
    code_sha256: str
    state_sha256: str
    device: DeviceFacts
    host: HostFacts
    versions: dict[str, str]
    numeric_modes: dict[str, str]
    environment: dict[str, str]
    image: str


@dataclass(frozen=True, kw_only=True)
class CpuFallback:
    """An operator that torch_npu handed to the CPU. ``calls`` is None where none were counted, as in timed runs."""

    operator: str
    calls: int | None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Under which circumstances the numbers of a record came to be.

    ``npu_smi`` and ``fallbacks`` are of an NPU alone; ``npu_smi`` is None elsewhere. ``reference_bundle`` is None where
    the run computed its reference itself, or needed none.
    """

    requested_device: str
    device: DeviceFacts
    reference_device: str | None
    host: HostFacts
    versions: dict[str, str]
    weights: WeightsFacts
    numeric_modes: dict[str, str]
    environment: dict[str, str]
    image: str
    replayed_from: str | None = None
    npu_smi: NpuSmi | None = None
    reference_bundle: BundleOrigin | None = None
    fallbacks: tuple[CpuFallback, ...] = ()


# --- inference -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One thing the model said of a photo. ``box`` is x1, y1, x2, y2 in pixels of the photo."""

    label: str
    index: int
    score: float
    box: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PhotoResult:
    """The predictions for one photo, best first, and the picture that shows them."""

    input: str
    input_sha256: str
    picture: str | None
    picture_sha256: str | None
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, kw_only=True)
class InferenceData:
    """What the model says of each photo."""

    kind: ClassVar[str] = "inference"
    results: tuple[PhotoResult, ...]


# --- the envelope ----------------------------------------------------------------------------------------------------

Data = (
    InferenceData | PrecisionData | PerformanceData | TrainingData | OptimisationData | DatasetData | LocalisationData
)
_TYPES = (InferenceData, PrecisionData, PerformanceData, TrainingData, OptimisationData, DatasetData, LocalisationData)
KINDS: dict[str, type[Data]] = {cls.kind: cls for cls in _TYPES}


@dataclass(frozen=True, kw_only=True)
class Record(Kept):
    """What one experiment found, with the hashes of the spec and of the code that it ran under.

    Times are ISO 8601 in UTC. ``command`` is the command line relative to the deliverable's folder.
    """

    spec_sha256: str
    code_sha256: str
    command: tuple[str, ...]
    started_at: str
    finished_at: str
    provenance: Provenance
    data: Data

    @property
    def kind(self) -> str:
        """Which experiment made this record."""
        return self.data.kind

    @functools.cached_property
    def text_sha256(self) -> str:
        """sha256 of the text that this version writes; made once, because it is asked for many times."""
        return hashlib.sha256(record_text(self).encode("utf-8")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    """The part of a stored record that is the same for every kind."""

    spec_sha256: str
    code_sha256: str
    command: tuple[str, ...]
    started_at: str
    finished_at: str
    provenance: Provenance


def record_text(record: Record) -> str:
    """The record's JSON text; equal records have equal texts."""
    return dumps(
        {
            "schema": SCHEMA,
            "kind": record.kind,
            "spec_sha256": record.spec_sha256,
            "code_sha256": record.code_sha256,
            "command": record.command,
            "started_at": record.started_at,
            "finished_at": record.finished_at,
            "provenance": record.provenance,
            "data": record.data,
        }
    )


def record_sha256(record: Record) -> str:
    """sha256 of the record's file."""
    return record.kept.get("sha256") or record.text_sha256


def write_record(path: Path, record: Record) -> None:
    """Store a record; a kill leaves the old file or the new one."""
    write_atomic(path, record_text(record))


def parse_record(text: str, where: str) -> Record:
    """A record from its JSON text.

    Raises:
        RecordError: not JSON, another schema version, an unknown kind, or a field that is wrong.
    """
    value = loads(text, where)
    if not isinstance(value, dict):
        raise RecordError("is not a record", where=where)
    schema = value.pop("schema", None)
    if schema != SCHEMA:
        raise RecordError(f"schema '{schema}' is not '{SCHEMA}'", where=where, fix="run the experiment again")
    kind = value.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecordError(f"kind '{kind}' is unknown", where=where)
    data = from_json(KINDS[kind], value.pop("data", None), f"{where}: data")
    _check_data(data, f"{where}: data")
    envelope = from_json(_Envelope, value, where)
    _check_device(envelope.provenance.device, f"{where}: provenance.device")
    _check_bundle(envelope.provenance.reference_bundle, f"{where}: provenance.reference_bundle")
    return Record(data=data, **{name: getattr(envelope, name) for name in _Envelope.__dataclass_fields__})


def _check_device(device: DeviceFacts, where: str) -> None:
    """Refuse an NPU that is called something else than what was seen of it comes to."""
    if device.kind != "npu":
        return
    found = "nothing" if device.proof is None else device.proof.verdict
    if device.evidence != found:
        raise RecordError(f"evidence is '{device.evidence}', but the proof beside it comes to '{found}'", where=where)


def _check_bundle(bundle: BundleOrigin | None, where: str) -> None:
    """Refuse a reference that an NPU computed, simulated or not: it is the NPU that is held against it."""
    if bundle is not None and bundle.device.kind == "npu":
        raise RecordError("the reference was made on an NPU", where=where, fix="make it on a CPU or a GPU")


def _check_data(data: Data, where: str) -> None:
    """Refuse numbers that no experiment writes, so that every statistic of a record that was read exists."""
    if isinstance(data, PerformanceData):
        check_performance(data, where)
    if isinstance(data, PrecisionData):
        check_precision(data, where)
    if isinstance(data, TrainingData):
        check_training(data, where)
    if isinstance(data, DatasetData):
        check_dataset(data, where)
    if isinstance(data, OptimisationData):
        check_optimisation(data, where)
    if isinstance(data, LocalisationData):
        check_localisation(data, where)


def read_record(path: Path, *, spec_sha256: str | None = None) -> Record:
    """A stored record; with ``spec_sha256``, only if it was made under that spec.

    Raises:
        RecordError: absent, unreadable, of another schema version, or of another spec.
    """
    try:
        record = _stored(read_bytes(path, MAX_RECORD_BYTES), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=path.name) from error
    if spec_sha256 is not None and record.spec_sha256 != spec_sha256:
        raise RecordError(
            f"was made under spec {record.spec_sha256[:12]}, not {spec_sha256[:12]}",
            where=path.name,
            fix="run the experiment again",
        )
    return record


@functools.lru_cache(maxsize=len(KINDS))
def _stored(content: bytes, where: str) -> Record:
    """The record of a file's content; a folder's checks each read all of its records."""
    text = content.decode("utf-8")
    record = parse_record(text, where)
    found = hashlib.sha256(content).hexdigest()
    if record_text(record) == text:
        vars(record)["text_sha256"] = found  # as the cached property would find it
    else:
        keep(record, sha256=found)
    return record


def files_of(record: Record) -> tuple[tuple[str, str], ...]:
    """(path in the deliverable, sha256) of each file beside the record that it names."""
    if isinstance(record.data, InferenceData):
        named = ((r.picture, r.picture_sha256) for r in record.data.results)
        return tuple((path, sha256) for path, sha256 in named if path is not None and sha256 is not None)
    return ((record.data.results, record.data.results_sha256),) if isinstance(record.data, DatasetData) else ()


def replayed(record: Record) -> Record:
    """The same findings, marked as replayed from an earlier run."""
    origin = record.provenance.replayed_from or record_sha256(record)
    return replace(record, provenance=replace(record.provenance, replayed_from=origin))
