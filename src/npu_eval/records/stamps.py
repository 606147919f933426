"""What must be said on every page and picture: a number that is not from a real NPU or real weights never looks so.

Pure, standard library only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from pathlib import PurePosixPath

from npu_eval.notation import units
from npu_eval.npu.evidence import MARK
from npu_eval.records.provenance import DeviceFacts, Provenance


class Stamp(enum.StrEnum):
    """A reason why a result is not what a reader might take it for, in order of weight."""

    SIMULATED = "simulated"
    REPLAYED = "replayed"
    RANDOM_WEIGHTS = "random-weights"
    NO_NPU = "no-npu"


WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "simulated": {"en": ("SIMULATED", "not an NPU result"), "zh": ("模拟 NPU", "非真实结果")},
    "replayed": {"en": ("REPLAYED", "numbers of an earlier run"), "zh": ("回放", "数值来自先前的一次运行")},
    "random-weights": {"en": ("RANDOM WEIGHTS", "not the trained model"), "zh": ("随机权重", "不是训练好的模型")},
    "no-npu": {"en": ("NO NPU", "measured on another device"), "zh": ("未使用 NPU", "数值在其他设备上测得")},
}
"""Stamp → language → (its name, what it means): the one place that words the stamps, for logs, pages and pictures. A
plain literal, because `verify_deliverable.py` reads it without running it."""

SEEDED = "random (seeded)"
"""What logs and messages say in place of a weights file where there is none."""


def named(stamp: Stamp, lang: str) -> str:
    """The name of a stamp: ``RANDOM WEIGHTS``."""
    return WORDS[stamp][lang][0]


def shouted(stamp: Stamp) -> str:
    """A stamp as a log carries it, in English: ``RANDOM WEIGHTS - NOT THE TRAINED MODEL``."""
    name, meaning = WORDS[stamp]["en"]
    return f"{name} - {meaning.upper()}"


def stamp_words(stamp: Stamp, lang: str) -> str:
    """A stamp as a page carries it. That of a simulated NPU has the log's words in every language: they are what people
    and tools look for.
    """
    name, meaning = WORDS[stamp][lang]
    if stamp is Stamp.SIMULATED:
        return shouted(stamp) if lang == "en" else f"{shouted(stamp)}  {name}，{meaning}"
    return f"{name}: {meaning}" if lang == "en" else f"{name}：{meaning}"


def brief(stamp: Stamp) -> str:
    """A stamp for pictures, which go from hand to hand without their page: its name in both languages at once."""
    return f"{named(stamp, 'en')} {named(stamp, 'zh')}"


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
