"""What running again under other numeric modes stores: sums of differences and raw times for each.

An error that goes when a switch is off came from what the switch allows; nothing else says so as plainly. Standard
library only.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from npu_eval.errors import RecordError
from npu_eval.notation.phrases import NOTHING, Phrase


@dataclass(frozen=True, kw_only=True)
class ModeDifference:
    """An output of one input under one mode against the reference, as sums over the elements finite on both sides."""

    input: str
    output: str
    sum_sq_reference: float
    sum_sq_diff: float
    nonfinite_mismatch: int


@dataclass(frozen=True, kw_only=True)
class ModeRun:
    """One combination of the switches, as read back while it ran. ``deployed``: the one that all other numbers are of.

    ``samples_s`` are synchronised calls on the first input, the combinations taking turns, first calls not among them.
    ``reason`` says why it was not run; the lists are then empty.
    """

    settings: dict[str, str]
    deployed: bool
    differences: tuple[ModeDifference, ...]
    samples_s: tuple[float, ...]
    reason: Phrase = NOTHING


@dataclass(frozen=True, kw_only=True)
class Switching:
    """The combinations, the deployed one first. ``reason`` says why there are none."""

    modes: tuple[ModeRun, ...]
    reason: Phrase = NOTHING


@dataclass(frozen=True, kw_only=True)
class ModeRow:
    """A combination in numbers: each output's worst relative L2 error (None: not finite), and its median call."""

    settings: dict[str, str]
    deployed: bool
    errors: dict[str, float | None]
    median_s: float | None
    calls: int
    reason: Phrase


def mode_rows(found: Switching) -> tuple[ModeRow, ...]:
    """Each combination's errors and cost."""
    return tuple(_row(run) for run in found.modes)


def _row(run: ModeRun) -> ModeRow:
    errors: dict[str, float | None] = {}
    for d in run.differences:
        error = _error(d)
        before = errors.get(d.output, 0.0)
        errors[d.output] = None if error is None or before is None else max(error, before)
    median = statistics.median(run.samples_s) if run.samples_s else None
    return ModeRow(
        settings=run.settings,
        deployed=run.deployed,
        errors=errors,
        median_s=median,
        calls=len(run.samples_s),
        reason=run.reason,
    )


def _error(d: ModeDifference) -> float | None:
    if d.nonfinite_mismatch:
        return None
    return math.sqrt(d.sum_sq_diff / d.sum_sq_reference) if d.sum_sq_reference else float(d.sum_sq_diff > 0)


def check_switching(found: Switching, where: str) -> None:
    """Refuse what no experiment writes.

    Raises:
        RecordError: a sum, a count or a time is negative, or not exactly one combination is the deployed one.
    """
    if found.modes and [run.deployed for run in found.modes].count(True) != 1:
        raise RecordError("not exactly one mode is the deployed one", where=where)
    for i, run in enumerate(found.modes):
        sums = [v for d in run.differences for v in (d.sum_sq_reference, d.sum_sq_diff, d.nonfinite_mismatch)]
        if min((*sums, *run.samples_s), default=0.0) < 0:
            raise RecordError("a sum, a count or a time is negative", where=f"{where}.modes[{i}]")
