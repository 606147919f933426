"""Under which circumstances the numbers of a record came to be. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field

from npu_eval.errors import RecordError
from npu_eval.jsonio import ABSENT_BY_DEFAULT
from npu_eval.machine.limits import HostLimits
from npu_eval.notation.phrases import Phrase
from npu_eval.npu.evidence import NpuProof
from npu_eval.npu.smi import NpuSmi


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


def check_device(device: DeviceFacts, where: str) -> None:
    """Refuse an NPU that is called something else than what was seen of it comes to."""
    if device.kind != "npu":
        return
    found = "nothing" if device.proof is None else device.proof.verdict
    if device.evidence != found:
        raise RecordError(f"evidence is '{device.evidence}', but the proof beside it comes to '{found}'", where=where)


def check_bundle(bundle: BundleOrigin | None, where: str) -> None:
    """Refuse a reference that an NPU computed, simulated or not: it is the NPU that is held against it."""
    if bundle is not None and bundle.device.kind == "npu":
        raise RecordError("the reference was made on an NPU", where=where, fix="make it on a CPU or a GPU")
