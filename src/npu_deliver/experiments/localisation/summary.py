"""The part of a summary that is about where a difference starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npu_eval.asked.criteria import Criterion
from npu_eval.asked.spec import SpecFile
from npu_eval.experiments.localisation.data import LocalisationData, LocatedOperator, counts, output_level, ranked
from npu_eval.notation.phrases import Phrase
from npu_eval.records.record import Record

SHOWN = 12
"""Operators that a page shows; the record holds them all."""


@dataclass(frozen=True, kw_only=True)
class LocatedRow:
    """One operator as a page shows it. ``expected`` is the band of the format that explains the error, if one does."""

    index: int
    operator: str
    module: str
    call: int
    backward: bool
    error: float | None
    band: float
    expected: float | None
    cause: str
    evidence: Phrase


@dataclass(frozen=True, kw_only=True)
class OutputLevel:
    """How well one output of the whole model agrees; ``floor`` is the error that float32 itself has in it."""

    output: str
    level: str
    error: float | None
    floor: float


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """Which operators differ on one input: how many of each cause, the worst, and the first fault in network order."""

    input: str
    total: int
    different: int
    counts: dict[str, int]
    outputs: tuple[OutputLevel, ...]
    worst: tuple[LocatedRow, ...]
    first_fault: LocatedRow | None


def summarize_localisation(data: LocalisationData, criteria: Sequence[Criterion]) -> Localisation:
    """What a localisation record comes to, its outputs held against the criteria."""
    different = [o for o in ranked(data.operators) if o.cause != "ok"]
    fault = next((o for o in data.operators if o.cause == "fault"), None)
    return Localisation(
        input=data.input,
        total=len(data.operators),
        different=len(different),
        counts=counts(data.operators),
        outputs=tuple(
            OutputLevel(output=o.output, level=output_level(o, data.operators, criteria), error=o.error, floor=o.floor)
            for o in data.outputs
        ),
        worst=tuple(map(_row, different[:SHOWN])),
        first_fault=None if fault is None else _row(fault),
    )


def _row(o: LocatedOperator) -> LocatedRow:
    return LocatedRow(
        index=o.index,
        operator=o.operator,
        module=o.module or "(model)",
        call=o.call,
        backward=o.backward,
        error=o.error,
        band=o.bands.get("fp32", 0.0),
        expected=o.bands.get(o.cause),
        cause=o.cause,
        evidence=o.evidence,
    )


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Localisation | None:
    """What the localisation record comes to, if there is one."""
    record = records.get("localisation")
    if record is None or not isinstance(record.data, LocalisationData):
        return None
    return summarize_localisation(record.data, spec_file.evaluation.criteria)
