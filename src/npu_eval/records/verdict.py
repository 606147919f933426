"""Verdicts: a record is held against criteria that were fixed before it existed. Pure, standard library only."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npu_eval.asked.criteria import NO_FALLBACK, Comparison, Criterion
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.records.kind import Value
from npu_eval.records.record import Record


class Status(enum.StrEnum):
    """What a verdict says, from best to worst. Not measured is not a pass."""

    PASS = "PASS"  # noqa: S105  a verdict, not a password
    NOT_MEASURED = "NOT_MEASURED"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one criterion came to.

    ``value`` is the worst value seen, None when nothing was measured; ``reason`` then says why. ``evidence`` says of
    which input and output.
    """

    criterion: str
    criterion_sha256: str
    metric: str
    comparison: Comparison
    threshold: float
    status: Status
    value: float | None
    evidence: Phrase
    compared: int
    reason: Phrase


def judge(record: Record | None, criterion: Criterion) -> Verdict:
    """The verdict of one criterion on a record of its experiment; None stands for a record that does not exist."""
    if record is None:
        return _verdict(criterion, Status.NOT_MEASURED, reason=said("no-record", experiment=criterion.experiment))
    if record.kind != criterion.experiment:
        raise ValueError(f"criterion '{criterion.id}' judges {criterion.experiment} records, not {record.kind}")
    return judged(criterion, _values(record, criterion.metric))


def judged(criterion: Criterion, values: Sequence[Value]) -> Verdict:
    """The verdict of a criterion on what some data say of its metric."""
    wanted = criterion.outputs
    absent = [name for name in wanted if name != "*" and not any(v.output == name for v in values)]
    if absent:
        return _verdict(criterion, Status.NOT_MEASURED, reason=said("no-output", output=absent[0]))
    chosen = [v for v in values if criterion.covers(v.output)]
    if not chosen:
        return _verdict(criterion, Status.NOT_MEASURED, reason=said("no-metric", metric=criterion.metric))
    pick = max if criterion.comparison.from_above else min
    worst = pick((v for v in chosen if v.measured), key=lambda v: v.value, default=None)
    holds = worst is None or criterion.comparison.holds(worst.value, criterion.threshold)
    missing = next((v for v in chosen if not v.measured), None)
    if missing is not None and holds:
        return _verdict(criterion, Status.NOT_MEASURED, evidence=missing.evidence, reason=missing.missing)
    assert worst is not None
    compared = sum(v.compared for v in chosen if v.measured)
    status = Status.PASS if holds else Status.FAIL
    return _verdict(criterion, status, value=worst.value, evidence=worst.evidence, compared=compared)


def judge_all(records: Mapping[str, Record], criteria: Sequence[Criterion]) -> tuple[Verdict, ...]:
    """One verdict for each criterion, in their order. ``records`` maps an experiment's name to its record."""
    return tuple(judge(records.get(criterion.experiment), criterion) for criterion in criteria)


def overall(verdicts: Iterable[Verdict]) -> Status:
    """The worst of the verdicts; without any, nothing was measured."""
    order = list(Status)
    return max((v.status for v in verdicts), key=order.index, default=Status.NOT_MEASURED)


def _verdict(
    criterion: Criterion,
    status: Status,
    *,
    value: float | None = None,
    evidence: Phrase = NOTHING,
    compared: int = 0,
    reason: Phrase = NOTHING,
) -> Verdict:
    return Verdict(
        criterion=criterion.id,
        criterion_sha256=criterion.sha256,
        metric=criterion.metric,
        comparison=criterion.comparison,
        threshold=criterion.threshold,
        status=status,
        value=value,
        evidence=evidence,
        compared=compared,
        reason=reason,
    )


def _values(record: Record, metric: str) -> list[Value]:
    """What a record says of a metric; of any experiment: which operators were handed to the CPU."""
    if metric == NO_FALLBACK.metric:
        names = [fallback.operator for fallback in record.provenance.fallbacks]
        where = said("operators", names=", ".join(names)) if names else said("all-operators")
        return [Value("*", where, float(len(names)))]
    return record.of.values(record.data, metric)
