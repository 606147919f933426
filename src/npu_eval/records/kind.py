"""What a kind of record is. An experiment declares its own, in its `kind.py`, and the entry script and the host both
take it from there: nothing here or beside knows which experiments there are. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from npu_eval.asked.criteria import Criterion
from npu_eval.asked.spec import EvalSpec
from npu_eval.notation.phrases import NOTHING, Phrase


@dataclass(frozen=True)
class Value:
    """A value of a metric: of which output (or batch size), where it was seen, and of how many comparisons it is.

    ``missing`` says why there is no value; ``value`` then means nothing.
    """

    output: str
    evidence: Phrase
    value: float
    compared: int = 1
    missing: Phrase = NOTHING

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return not self.missing


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What the body of a log depends on beside the record's data.

    ``simulated``: the device is no real NPU, so that no time of it may be told.
    """

    criteria: tuple[Criterion, ...]
    simulated: bool


def no_values(data: Any, metric: str) -> list[Value]:
    """Of an experiment that no criterion is about."""
    del data, metric
    return []


def no_files(data: Any) -> tuple[tuple[str, str], ...]:
    """Of an experiment that leaves nothing beside its record."""
    del data
    return ()


def always(spec: EvalSpec) -> bool:
    """Of an experiment that every spec asks for."""
    del spec
    return True


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of record is.

    ``name`` is the record's kind and the stem of its file, ``title`` the first line of its log, ``log`` the log's file
    name. ``script`` is the entry script in the first layout, with the arguments that it always gets. ``data`` is the
    frozen dataclass that is stored; ``check(data, where)`` raises `RecordError` for numbers that no run writes.
    ``lines`` are the body of the log, ``values`` what the data say of a metric, ``files`` (path, sha256) of what lies
    beside the record. ``asked`` says whether a spec asks for it; an ``optional`` one is not asked for by any, and a
    folder may hold it or not: it needs a data set, which does not travel, or time, or a reason to look.

    ``needs_reference``: something is held against a reference device. ``takes_reference``: that may come from a bundle.
    ``counts_calls``: operators may be counted while it runs, which takes time. ``repeats``: it needs nothing but the
    deliverable and its weights, so that a rerun can repeat its findings.
    """

    name: str
    title: str
    log: str
    script: tuple[str, ...]
    data: type
    check: Callable[[Any, str], None]
    lines: Callable[[Any, Telling], list[str]]
    values: Callable[[Any, str], list[Value]] = no_values
    files: Callable[[Any], tuple[tuple[str, str], ...]] = no_files
    asked: Callable[[EvalSpec], bool] = always
    optional: bool = False
    needs_reference: bool = False
    takes_reference: bool = False
    counts_calls: bool = True
    repeats: bool = False
