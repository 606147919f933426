"""What a process under test and the one that drives it say to each other: one JSON line each way.

Standard library only. A process is told once what it is (`Role`), then asked one thing at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from npu_eval.agreement.difference import ClassRanking, Difference
from npu_eval.asked.spec import EvalSpec
from npu_eval.jsonio import from_json, loads, to_json
from npu_eval.notation.phrases import NOTHING, Phrase

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a process is: the deliverable, what is asked of it, on which device, with which switches turned on."""

    root: str
    spec: EvalSpec
    device: str
    switches: tuple[str, ...]
    upload: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """``do`` is one of ``read``, ``warm``, ``burst``, ``windows``, ``race``, ``compare``, ``profile``.

    ``until`` is a moment of the monotonic clock, which all processes of a machine share.
    """

    do: str
    batch_size: int = 1
    calls: int = 0
    windows: int = 0
    seconds: float = 0.0
    start_at: float = 0.0
    path: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """One operator by the framework's profiler: seconds of its own, without those of the operators it calls."""

    name: str
    calls: int
    self_s: float


@dataclass(frozen=True, kw_only=True)
class ProfileData:
    """Where the time of ``calls`` forward passes went. ``fallbacks`` are operators that an accelerator left to the CPU.

    ``clock`` says whose time it is: the device's, or the CPU's where the CPU is the device.
    """

    tool: str
    clock: str
    batch_size: int
    calls: int
    operators: tuple[OperatorTime, ...]
    fallbacks: tuple[OperatorTime, ...]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of a request; ``failed`` says why nothing did, ``full`` whether memory was the reason.

    ``differences`` and ``rankings`` are of the outputs in ``dtype`` against the reference's.
    """

    failed: Phrase = NOTHING
    full: bool = False
    times_s: tuple[float, ...] = ()
    first_call_s: float | None = None
    readings: dict[str, str] | None = None
    peak_memory_bytes: int | None = None
    resident_bytes: int | None = None
    differences: tuple[Difference, ...] = ()
    rankings: tuple[ClassRanking, ...] = ()
    dtype: str = ""
    profile: ProfileData | None = None
    count: int = 0
    seconds: float = 0.0


def line_of(message: Role | Request | Reply) -> str:
    """The message as one line with its newline."""
    return json.dumps(to_json(message), ensure_ascii=True, allow_nan=False) + "\n"


def message_of(cls: type[T], line: str) -> T:
    """The message in a line.

    Raises:
        RecordError: it is none.
    """
    return from_json(cls, loads(line, "message"), "message")
