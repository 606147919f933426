"""What must be said on every page and picture: a number that is not from a real NPU or real weights never looks so.

Pure, standard library only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

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


def is_real_npu(device: DeviceFacts) -> bool:
    """Whether a result may be called an NPU result: an NPU, with positive evidence that it is a real one."""
    return device.kind == "npu" and device.evidence == "real"


def stamps_of(provenances: Iterable[Provenance]) -> tuple[Stamp, ...]:
    """Every stamp that the records of one deliverable call for, in order of weight."""
    found: set[Stamp] = set()
    for provenance in provenances:
        if provenance.device.kind == "npu" and not is_real_npu(provenance.device):
            found.add(Stamp.SIMULATED)
        if provenance.device.kind != "npu":
            found.add(Stamp.NO_NPU)
        if provenance.weights.random:
            found.add(Stamp.RANDOM_WEIGHTS)
        if provenance.replayed_from:
            found.add(Stamp.REPLAYED)
    return tuple(stamp for stamp in Stamp if stamp in found)
