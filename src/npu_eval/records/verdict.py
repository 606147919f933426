"""Verdicts: a record is held against criteria that were fixed before it existed. Pure, standard library only."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from npu_eval.agreement import elements
from npu_eval.agreement.detections import DetectionComparison, detection_agreement, matched_share
from npu_eval.agreement.levels import held
from npu_eval.asked.metrics import Of
from npu_eval.asked.spec import METRICS, Comparison, Criterion
from npu_eval.experiments.dataset.statistics import metric_values
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import ThroughputRun
from npu_eval.experiments.training.data import TrainingData, gradient_agreement, loss_agreement
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.records.record import DatasetData, Difference, LatencyRun, PerformanceData, PrecisionData, Record
from npu_eval.timing import samples as stats


class Status(enum.StrEnum):
    """What a verdict says, from best to worst. Not measured is not a pass."""

    PASS = "PASS"  # noqa: S105  a verdict, not a password
    NOT_MEASURED = "NOT_MEASURED"
    BLOCKED = "BLOCKED"
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
    return _judged(criterion, _values(record, criterion.metric))


def judge_precision(data: PrecisionData, criterion: Criterion) -> Verdict:
    """The verdict of a criterion on precision over data that are no record of their own."""
    return _judged(criterion, _precision_values(data, criterion.metric))


def held_outputs(data: PrecisionData, criteria: Iterable[Criterion]) -> dict[str, bool | None]:
    """Output → whether the criteria on its difference from the reference hold, as `levels.held` says."""
    rules = tuple(criteria)
    values = {c.metric: _precision_values(data, c.metric) for c in rules if c.of_outputs}

    def of(output: str) -> Callable[[str], list[float | None]]:
        return lambda metric: [v.value if v.measured else None for v in values[metric] if v.output == output]

    return {name: held(name, rules, of(name)) for name in dict.fromkeys(d.output for d in data.differences)}


def _judged(criterion: Criterion, values: list[_Value]) -> Verdict:
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


def _verdict(criterion: Criterion, status: Status, *, value: float | None = None, evidence: Phrase = NOTHING,
             compared: int = 0, reason: Phrase = NOTHING) -> Verdict:  # fmt: skip
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


def _values(record: Record, metric: str) -> list[_Value]:
    data = record.data
    if metric == "cpu_fallback_operators":
        names = [fallback.operator for fallback in record.provenance.fallbacks]
        where = said("operators", names=", ".join(names)) if names else said("all-operators")
        return [_Value("*", where, float(len(names)))]
    if isinstance(data, PrecisionData):
        return _precision_values(data, metric)
    if isinstance(data, PerformanceData):
        if metric == "throughput_per_s":
            return [_throughput_value(run) for run in data.throughput]
        return [_performance_value(run, metric) for run in data.runs]
    if isinstance(data, TrainingData):
        return _training_values(data, metric)
    if isinstance(data, DatasetData) and metric == "task_metric_ratio":
        return _task_metric_values(data)
    if isinstance(data, DatasetData) and metric in (values := metric_values(data)):
        return [_Value(data.image_set.layout, said("all-images"), values[metric], data.image_set.images)]
    return []


HOLLOW, NOT_STORED, NO_FLOOR = said("hollow"), said("not-stored"), said("no-floor")

MIN_RUN = 4
"""Samples below which a run has no statistics at all (quarters of a run would be empty)."""


_TOP_K = {"top1_agreement": 1, "top5_agreement": 5}
_REPEATED = {"repeat_relative_l2": "relative_l2"}


def _precision_values(data: PrecisionData, metric: str) -> list[_Value]:
    of = METRICS[metric].of
    if of is Of.INPUTS:
        if not data.rankings:
            return []
        value = stats.top_k_agreement(data.rankings, _TOP_K[metric])
        return [_Value(data.rankings[0].output, said("all-inputs"), value, len(data.rankings))]
    if of is Of.DETECTIONS:
        return _detection_values(data.detections, metric)
    if metric in elements.DUAL:
        floors = {(f.input, f.output): f for f in data.floors}
        return [_dual_value(d, floors.get((d.input, d.output)), metric) for d in data.differences]
    if of is Of.REPEAT:
        return [_precision_value(d, _REPEATED[metric]) for d in data.repeats]
    return [_precision_value(d, metric) for d in data.differences]


def _precision_value(d: Difference, name: str) -> _Value:
    """An output whose elements are all NaN or infinite, on one side or on both, was not compared: it has no error."""
    evidence = said("output", input=d.input, output=d.output)
    if name == "nonfinite_elements":
        return _Value(d.output, evidence, float(d.count - d.finite_count))
    if stats.hollow(d) and name != "nonfinite_mismatch":
        return _Value(d.output, evidence, 0.0, missing=HOLLOW)
    if name in elements.PLAIN:
        found = elements.metric(d, name)
        return _Value(d.output, evidence, found or 0.0, missing=NOT_STORED if found is None else NOTHING)
    return _Value(d.output, evidence, float(getattr(stats.agreement(d), name)))


def _dual_value(d: Difference, floor: Difference | None, metric: str) -> _Value:
    evidence = said("output", input=d.input, output=d.output)
    if stats.hollow(d):
        return _Value(d.output, evidence, 0.0, missing=HOLLOW)
    found = elements.dual(d, floor, metric)
    why = NO_FLOOR if floor is None else NOT_STORED
    return _Value(d.output, evidence, found or 0.0, missing=why if found is None else NOTHING)


_DETECTION_FIELDS = {
    "detection_box_iou": "min_box_iou",
    "detection_mask_iou": "min_mask_iou",
    "detection_score_diff": "max_score_diff",
}


def _detection_values(comparisons: Sequence[DetectionComparison], metric: str) -> list[_Value]:
    """The share of partners over all inputs, or the worst pair of each input that has one."""
    if not comparisons:
        return []
    if metric == "detections_matched":
        share = matched_share(comparisons)
        counted = sum(c.reference_count + c.candidate_count for c in comparisons)
        missing = said("no-detection") if share is None else NOTHING
        return [_Value("detections", said("all-inputs"), share or 0.0, counted, missing)]
    values = [(c, getattr(detection_agreement(c), _DETECTION_FIELDS[metric])) for c in comparisons]
    found = [
        _Value("detections", said("output", input=c.input, output="detections"), value, len(c.pairs))
        for c, value in values
        if value is not None
    ]
    return found or [_Value("detections", said("all-inputs"), 0.0, missing=said("no-partner"))]


def _task_metric_values(data: DatasetData) -> list[_Value]:
    """Each metric over that of the run it was compared with, on the same images."""
    return [
        _Value(c.metric, said("against", metric=c.metric, other=c.other),
               c.value / c.other_value if c.other_value > 0 else 0.0, data.image_set.images,
               NOTHING if c.other_value > 0 else said("other-lacks-metric", metric=c.metric))
        for c in data.comparisons
    ] or [_Value("*", said("all-images"), 0.0, missing=said("no-reference-run"))]  # fmt: skip


def _training_values(data: TrainingData, metric: str) -> list[_Value]:
    if metric == "gradient_error":
        parts = [(1, g.part, g.relative_l2) for g in map(gradient_agreement, data.gradients)]
    else:
        parts = [(a.step, a.name, a.relative_error) for a in map(loss_agreement, data.losses)]
    return [
        _Value(name, said("step", step=step, name=name), error or 0.0,
               missing=said("not-finite") if error is None else NOTHING)
        for step, name, error in parts
    ]  # fmt: skip


def _performance_value(run: LatencyRun, metric: str) -> _Value:
    evidence = said("batch", size=run.batch_size)
    if metric == "sample_count":
        return _Value(str(run.batch_size), evidence, float(len(run.samples_s)))
    if len(run.samples_s) < MIN_RUN:
        return _Value(str(run.batch_size), evidence, 0.0, missing=_too_few("calls", len(run.samples_s), run))
    latency = stats.latency(run)
    if metric == "latency_p50_s":  # without support the worst sample stands in: never better than the truth
        value = latency.percentiles_s.get("p50", latency.max_s)
    else:
        value = float(getattr(latency, {"latency_mean_s": "mean_s"}.get(metric, metric)))
    return _Value(str(run.batch_size), evidence, value)


def _too_few(what: str, number: int, run: LatencyRun | ThroughputRun) -> Phrase:
    return said(f"{what}-{run.ended_by.replace(' ', '-')}", **{what: number})


def _throughput_value(run: ThroughputRun) -> _Value:
    missing = NOTHING if run.windows_s else _too_few("windows", 0, run)
    value = speed.images_per_s(run) if run.windows_s else 0.0
    return _Value(str(run.batch_size), said("batch", size=run.batch_size), value, missing=missing)
