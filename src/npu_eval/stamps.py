"""What must be said on every page and picture: a number that is not from a real NPU or real weights never looks so.

Pure, standard library only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from pathlib import PurePosixPath

from npu_eval import units
from npu_eval.npu_evidence import MARK
from npu_eval.records import DeviceFacts, Provenance


class Stamp(enum.StrEnum):
    """A reason why a result is not what a reader might take it for, in order of weight."""

    SIMULATED = "simulated"
    REPLAYED = "replayed"
    RANDOM_WEIGHTS = "random-weights"
    NO_NPU = "no-npu"


ENGLISH: dict[Stamp, str] = {
    Stamp.SIMULATED: "SIMULATED - NOT AN NPU RESULT",
    Stamp.REPLAYED: "REPLAYED FROM AN EARLIER RUN",
    Stamp.RANDOM_WEIGHTS: "RANDOM WEIGHTS - NOT THE TRAINED MODEL",
    Stamp.NO_NPU: "NO NPU - MEASURED ON ANOTHER DEVICE",
}


BRIEF: dict[Stamp, str] = {
    Stamp.SIMULATED: "SIMULATED 模拟 NPU",
    Stamp.REPLAYED: "REPLAYED 回放",
    Stamp.RANDOM_WEIGHTS: "RANDOM WEIGHTS 随机权重",
    Stamp.NO_NPU: "NO NPU 未使用 NPU",
}
"""For pictures, which go from hand to hand without their page: in both languages at once."""


UNTIMED = "n/a (simulated)"
"""Stands where a time, a rate or an NPU's memory would: those of a simulated device say nothing about an NPU."""


def is_real_npu(device: DeviceFacts) -> bool:
    """Whether a result may be called an NPU result: an NPU, with positive evidence that it is a real one."""
    proven = device.proof is not None and device.proof.verdict == "real"
    return device.kind == "npu" and device.evidence == "real" and proven


def is_simulated(provenance: Provenance) -> bool:
    """Whether a result passes for an NPU's and is none: no positive evidence, or a version that says so itself."""
    if provenance.device.kind != "npu":
        return False
    return not is_real_npu(provenance.device) or any(MARK in v.lower() for v in provenance.versions.values())


def stamped_name(path: str, *, simulated: bool) -> str:
    """The path of a file that shows a result; of a simulated one it says so: ``logs/x.simulated.log``."""
    file = PurePosixPath(path)
    return str(file.with_suffix(f".{MARK}{file.suffix}")) if simulated else path


class Untimed:
    """Takes the place of `units` in a simulated device's log: its clock says nothing about an NPU."""

    ms = seconds = rate = ratio = percent = mib = staticmethod(lambda value: UNTIMED)
    count, sci = staticmethod(units.count), staticmethod(units.sci)


def told(word: str, *, simulated: bool) -> str:
    """A verdict as it may be shown: ``PASS``, or ``PASS (simulated)``."""
    return f"{word} ({MARK})" if simulated else word


def stamps_for(device: DeviceFacts, *, random_weights: bool, replayed: bool) -> tuple[Stamp, ...]:
    """The stamps that one result calls for, in order of weight."""
    found = {
        Stamp.SIMULATED: device.kind == "npu" and not is_real_npu(device),
        Stamp.REPLAYED: replayed,
        Stamp.RANDOM_WEIGHTS: random_weights,
        Stamp.NO_NPU: device.kind != "npu",
    }
    return tuple(stamp for stamp in Stamp if found[stamp])


def stamps_of(provenances: Iterable[Provenance]) -> tuple[Stamp, ...]:
    """Every stamp that the records of one deliverable call for, in order of weight."""
    found: set[Stamp] = set()
    for p in provenances:
        found.update(stamps_for(p.device, random_weights=p.weights.random, replayed=p.replayed_from is not None))
        if is_simulated(p):
            found.add(Stamp.SIMULATED)
    return tuple(stamp for stamp in Stamp if stamp in found)
