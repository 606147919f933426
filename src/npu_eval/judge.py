"""Verdicts: a record is held against criteria that were fixed before it existed. Pure, standard library only."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npu_eval import stats
from npu_eval.config import METRICS, Comparison, Criterion
from npu_eval.records import PerformanceData, PrecisionData, Record


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
    absent = [name for name in wanted if name != "*" and not any(output == name for _, output, _ in values)]
    if absent:
        return _verdict(criterion, Status.NOT_MEASURED, reason=f"the record holds no output '{absent[0]}'")
    chosen = [v for v in values if "*" in wanted or v[1] in wanted]
    if not chosen:
        return _verdict(criterion, Status.NOT_MEASURED, reason=f"the record holds no {criterion.metric}")
    pick = max if criterion.comparison is Comparison.AT_MOST else min
    name, output, value = pick(chosen, key=lambda v: v[2])
    status = Status.PASS if criterion.comparison.holds(value, criterion.threshold) else Status.FAIL
    evidence = " ".join(part for part in (name, output) if part)
    return _verdict(criterion, status, value=value, evidence=evidence, compared=len(chosen))


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


def _values(record: Record, metric: str) -> list[tuple[str, str, float]]:
    """(input or run, output or batch size, value) for every value of a metric that a record holds."""
    data = record.data
    if isinstance(data, PrecisionData):
        return _precision_values(data, metric)
    if isinstance(data, PerformanceData):
        return [(f"batch {run.batch_size}", str(run.batch_size), _latency_value(stats.latency(run), metric))
                for run in data.runs if len(run.samples_s) >= MIN_RUN or metric == "sample_count"]  # fmt: skip
    return []


MIN_RUN = 4
"""Samples below which a run has no statistics at all (quarters of a run would be empty)."""


def _precision_values(data: PrecisionData, metric: str) -> list[tuple[str, str, float]]:
    if metric in ("top1_agreement", "top5_agreement"):
        if not data.rankings:
            return []
        inputs = f"{len(data.rankings)} inputs"
        return [(inputs, data.rankings[0].output, stats.top_k_agreement(data.rankings, int(metric[3])))]
    repeats = metric.startswith("repeat_")
    name = metric.removeprefix("repeat_")
    differences = data.repeats if repeats else data.differences
    return [(d.input, d.output, float(getattr(stats.agreement(d), name))) for d in differences]


def _latency_value(latency: stats.Latency, metric: str) -> float:
    if metric == "latency_p50_s":
        return latency.percentiles_s.get("p50", latency.max_s)
    return float(getattr(latency, {"latency_mean_s": "mean_s"}.get(metric, metric)))


assert all(kind in ("precision", "performance") for kind in METRICS.values())
