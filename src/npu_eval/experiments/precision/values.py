"""What a precision record says of a metric, output by output. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from npu_eval.agreement import elements, metrics
from npu_eval.agreement.detections import DetectionComparison, detection_agreement, matched_share
from npu_eval.agreement.difference import Difference
from npu_eval.agreement.levels import held
from npu_eval.asked.criteria import Criterion
from npu_eval.asked.metrics import METRICS, Of
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.notation.phrases import NOTHING, said
from npu_eval.records.kind import Value
from npu_eval.records.verdict import Verdict, judged

HOLLOW, NOT_STORED, NO_FLOOR = said("hollow"), said("not-stored"), said("no-floor")

_TOP_K = {"top1_agreement": 1, "top5_agreement": 5}
_REPEATED = {"repeat_relative_l2": "relative_l2"}


def judge_precision(data: PrecisionData, criterion: Criterion) -> Verdict:
    """The verdict of a criterion on precision over data that are no record of their own."""
    return judged(criterion, values(data, criterion.metric))


def held_outputs(data: PrecisionData, criteria: Iterable[Criterion]) -> dict[str, bool | None]:
    """Output → whether the criteria on its difference from the reference hold, as `levels.held` says."""
    rules = tuple(criteria)
    found = {c.metric: values(data, c.metric) for c in rules if c.of_outputs}

    def of(output: str) -> Callable[[str], list[float | None]]:
        return lambda metric: [v.value if v.measured else None for v in found[metric] if v.output == output]

    return {name: held(name, rules, of(name)) for name in dict.fromkeys(d.output for d in data.differences)}


def values(data: PrecisionData, metric: str) -> list[Value]:
    """What the data say of a metric."""
    of = METRICS[metric].of
    if of is Of.INPUTS:
        if not data.rankings:
            return []
        value = metrics.top_k_agreement(data.rankings, _TOP_K[metric])
        return [Value(data.rankings[0].output, said("all-inputs"), value, len(data.rankings))]
    if of is Of.DETECTIONS:
        return _detection_values(data.detections, metric)
    if metric in elements.DUAL:
        floors = {(f.input, f.output): f for f in data.floors}
        return [_dual_value(d, floors.get((d.input, d.output)), metric) for d in data.differences]
    if of is Of.REPEAT:
        return [_precision_value(d, _REPEATED[metric]) for d in data.repeats]
    return [_precision_value(d, metric) for d in data.differences]


def _precision_value(d: Difference, name: str) -> Value:
    """An output whose elements are all NaN or infinite, on one side or on both, was not compared: it has no error."""
    evidence = said("output", input=d.input, output=d.output)
    if name == "nonfinite_elements":
        return Value(d.output, evidence, float(d.count - d.finite_count))
    if metrics.hollow(d) and name != "nonfinite_mismatch":
        return Value(d.output, evidence, 0.0, missing=HOLLOW)
    if name in elements.PLAIN:
        found = elements.metric(d, name)
        return Value(d.output, evidence, found or 0.0, missing=NOT_STORED if found is None else NOTHING)
    return Value(d.output, evidence, float(getattr(metrics.agreement(d), name)))


def _dual_value(d: Difference, floor: Difference | None, metric: str) -> Value:
    evidence = said("output", input=d.input, output=d.output)
    if metrics.hollow(d):
        return Value(d.output, evidence, 0.0, missing=HOLLOW)
    found = elements.dual(d, floor, metric)
    why = NO_FLOOR if floor is None else NOT_STORED
    return Value(d.output, evidence, found or 0.0, missing=why if found is None else NOTHING)


_DETECTION_FIELDS = {
    "detection_box_iou": "min_box_iou",
    "detection_mask_iou": "min_mask_iou",
    "detection_score_diff": "max_score_diff",
}


def _detection_values(comparisons: Sequence[DetectionComparison], metric: str) -> list[Value]:
    """The share of partners over all inputs, or the worst pair of each input that has one."""
    if not comparisons:
        return []
    if metric == "detections_matched":
        share = matched_share(comparisons)
        counted = sum(c.reference_count + c.candidate_count for c in comparisons)
        missing = said("no-detection") if share is None else NOTHING
        return [Value("detections", said("all-inputs"), share or 0.0, counted, missing)]
    values = [(c, getattr(detection_agreement(c), _DETECTION_FIELDS[metric])) for c in comparisons]
    found = [
        Value("detections", said("output", input=c.input, output="detections"), value, len(c.pairs))
        for c, value in values
        if value is not None
    ]
    return found or [Value("detections", said("all-inputs"), 0.0, missing=said("no-partner"))]
