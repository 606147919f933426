"""Verdicts: a record is held against criteria that were fixed before it existed. Pure, standard library only."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npu_eval import stats
from npu_eval.config import Comparison, Criterion
from npu_eval.records import LatencyRun, PerformanceData, PrecisionData, Record


class Status(enum.StrEnum):
    """What a verdict says, from best to worst. Not measured is not a pass."""

    PASS = "PASS"  # noqa: S105  a verdict, not a password
    NOT_MEASURED = "NOT_MEASURED"
    BLOCKED = "BLOCKED"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one criterion came to.

    ``value`` is the worst value seen and ``evidence`` says of which input and output; None when nothing was measured.
    ``reason`` says why there is no value.
    """

    criterion: str
    criterion_sha256: str
    metric: str
    comparison: Comparison
    threshold: float
    status: Status
    value: float | None
    evidence: str
    compared: int
    reason: str


def judge(record: Record | None, criterion: Criterion) -> Verdict:
    """The verdict of one criterion on a record of its experiment; None stands for a record that does not exist."""
    if record is None:
        return _verdict(criterion, Status.NOT_MEASURED, reason=f"there is no {criterion.experiment} record")
    if record.kind != criterion.experiment:
        raise ValueError(f"criterion '{criterion.id}' judges {criterion.experiment} records, not {record.kind}")
    values = _values(record, criterion.metric)
    wanted = criterion.outputs
    absent = [name for name in wanted if name != "*" and not any(v.output == name for v in values)]
    if absent:
        return _verdict(criterion, Status.NOT_MEASURED, reason=f"the record holds no output '{absent[0]}'")
    chosen = [v for v in values if "*" in wanted or v.output in wanted]
    if not chosen:
        return _verdict(criterion, Status.NOT_MEASURED, reason=f"the record holds no {criterion.metric}")
    pick = max if criterion.comparison is Comparison.AT_MOST else min
    worst = pick(chosen, key=lambda v: v.value)
    status = Status.PASS if criterion.comparison.holds(worst.value, criterion.threshold) else Status.FAIL
    compared = sum(v.compared for v in chosen)
    return _verdict(criterion, status, value=worst.value, evidence=worst.evidence, compared=compared)


def judge_all(records: Mapping[str, Record], criteria: Sequence[Criterion]) -> tuple[Verdict, ...]:
    """One verdict for each criterion, in their order. ``records`` maps an experiment's name to its record."""
    return tuple(judge(records.get(criterion.experiment), criterion) for criterion in criteria)


def overall(verdicts: Iterable[Verdict]) -> Status:
    """The worst of the verdicts; without any, nothing was measured."""
    order = list(Status)
    return max((v.status for v in verdicts), key=order.index, default=Status.NOT_MEASURED)


def _verdict(criterion: Criterion, status: Status, *, value: float | None = None, evidence: str = "",
             compared: int = 0, reason: str = "") -> Verdict:  # fmt: skip
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


@dataclass(frozen=True)
class _Value:
    """A value of a metric: of which output (or batch size), where it was seen, and of how many comparisons it is."""

    output: str
    evidence: str
    value: float
    compared: int = 1


def _values(record: Record, metric: str) -> list[_Value]:
    data = record.data
    if isinstance(data, PrecisionData):
        return _precision_values(data, metric)
    if isinstance(data, PerformanceData):
        return [_performance_value(run, metric) for run in data.runs
                if len(run.samples_s) >= MIN_RUN or metric == "sample_count"]  # fmt: skip
    return []


MIN_RUN = 4
"""Samples below which a run has no statistics at all (quarters of a run would be empty)."""


def _precision_values(data: PrecisionData, metric: str) -> list[_Value]:
    if metric in ("top1_agreement", "top5_agreement"):
        if not data.rankings:
            return []
        value = stats.top_k_agreement(data.rankings, int(metric[3]))
        return [_Value(data.rankings[0].output, "all inputs", value, len(data.rankings))]
    name = metric.removeprefix("repeat_")
    differences = data.repeats if metric.startswith("repeat_") else data.differences
    return [_Value(d.output, f"{d.input}, {d.output}", float(getattr(stats.agreement(d), name))) for d in differences]


def _performance_value(run: LatencyRun, metric: str) -> _Value:
    evidence = f"batch {run.batch_size}"
    if metric == "sample_count":
        return _Value(str(run.batch_size), evidence, float(len(run.samples_s)))
    latency = stats.latency(run)
    if metric == "latency_p50_s":  # without support the worst sample stands in: never better than the truth
        value = latency.percentiles_s.get("p50", latency.max_s)
    else:
        value = float(getattr(latency, {"latency_mean_s": "mean_s"}.get(metric, metric)))
    return _Value(str(run.batch_size), evidence, value)
