from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.agreement.difference import Difference
from npu_eval.asked.criteria import Comparison
from npu_eval.asked.metrics import METRICS
from npu_eval.asked.profiles import default_criteria
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData
from npu_eval.experiments.precision.values import HOLLOW
from npu_eval.notation.phrases import NOTHING
from npu_eval.records.record import Record
from npu_eval.records.verdict import Status, Verdict, judge, judge_all, overall

thresholds = st.floats(-1e6, 1e6)
GOOD = {
    "precision": samples.precision_record(data=samples.precision_data(detections=(samples.detections(),))),
    "performance": samples.performance_record(),
    "training": samples.training_record(),
}
DATASETS = {
    False: samples.dataset_record(),
    True: samples.dataset_record(data=samples.class_data()),
}  # of a detector, of a classifier


def good(metric: str) -> Record:
    experiment = METRICS[metric].experiment
    return DATASETS["accuracy" in metric] if experiment == "dataset" else GOOD[experiment]


def precision(*differences: Difference, **changes: Any) -> Any:
    return samples.precision_record(data=samples.precision_data(differences=differences, **changes))


def performance(*runs: LatencyRun) -> Any:
    return samples.performance_record(data=samples.performance_data(runs=runs))


@pytest.mark.parametrize("metric", METRICS)
@given(thresholds, thresholds, st.sampled_from(Comparison))
def test_tightening_a_threshold_never_turns_fail_into_pass(
    metric: str, a: float, b: float, comparison: Comparison
) -> None:
    low, high = sorted((a, b))
    loose, tight = (high, low) if comparison.from_above else (low, high)
    record = good(metric)
    rule = samples.criterion(metric, loose, comparison=comparison)
    first, second = judge(record, rule), judge(record, dataclasses.replace(rule, threshold=tight))
    assert first.value == second.value
    assert {first.status, second.status} <= {Status.PASS, Status.FAIL}
    assert not (first.status is Status.FAIL and second.status is Status.PASS)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_value_that_is_the_threshold_at_which_it_just_passes(metric: str) -> None:
    record = good(metric)
    value = judge(record, samples.criterion(metric)).value
    assert value is not None
    for comparison, beyond in ((Comparison.AT_MOST, value - 1e-9), (Comparison.AT_LEAST, value + 1e-9)):
        rule = samples.criterion(metric, comparison=comparison)
        at = judge(record, dataclasses.replace(rule, threshold=judge(record, rule).value or 0.0))
        assert at.status is Status.PASS
        assert judge(record, dataclasses.replace(rule, threshold=beyond)).status is not at.status


def test_a_verdict_holds_its_criterion_as_it_was_fixed() -> None:
    rule = samples.criterion("relative_l2", 0.5, id="my-rule")
    verdict = judge(GOOD["precision"], rule)
    assert (verdict.criterion, verdict.metric, verdict.comparison, verdict.threshold) == (
        "my-rule", "relative_l2", Comparison.AT_MOST, 0.5,
    )  # fmt: skip
    assert verdict.criterion_sha256 == rule.sha256


def test_the_worst_value_decides_and_its_place_is_the_evidence() -> None:
    near = samples.difference((1.0,), (1.001,), input="inputs/a.jpg", output="p3")
    far = samples.difference((1.0,), (1.5,), input="inputs/b.jpg", output="p4")
    record = precision(near, far, near)
    verdict = judge(record, samples.criterion("relative_l2", 0.1))
    assert verdict.status is Status.FAIL
    assert verdict.value == pytest.approx(0.5)
    assert (str(verdict.evidence), verdict.compared, verdict.reason) == ("inputs/b.jpg, p4", 3, NOTHING)
    lowest = judge(record, samples.criterion("share_within_1_permille", 0.5))
    assert (lowest.value, str(lowest.evidence)) == (0.0, "inputs/b.jpg, p4")


def test_a_criterion_may_name_the_outputs_that_it_is_about() -> None:
    near, far = samples.difference((1.0,), (1.001,), output="p3"), samples.difference((1.0,), (2.0,), output="p4")
    record = precision(near, far)
    assert judge(record, samples.criterion("relative_l2", 0.1, outputs=("p3",))).status is Status.PASS
    assert judge(record, samples.criterion("relative_l2", 0.1, outputs=("p4",))).status is Status.FAIL
    both = judge(record, samples.criterion("relative_l2", 0.1, outputs=("p3", "p4")))
    assert (both.status, both.compared) == (Status.FAIL, 2)


NOT_MEASURED: dict[str, tuple[Any, Any, str]] = {
    "no record": (None, samples.criterion("relative_l2"), "there is no precision record"),
    "no performance record": (None, samples.criterion("throughput_per_s"), "there is no performance record"),
    "an absent output": (
        GOOD["precision"], samples.criterion("relative_l2", 9.0, outputs=("masks",)), "no output 'masks'",
    ),
    "one of two outputs is absent": (
        GOOD["precision"], samples.criterion("relative_l2", 9.0, outputs=("logits", "masks")), "no output 'masks'",
    ),
    "an absent output beside a star": (
        GOOD["precision"], samples.criterion("relative_l2", 9.0, outputs=("*", "masks")), "no output 'masks'",
    ),
    "an absent batch size": (
        GOOD["performance"], samples.criterion("latency_mean_s", 9.0, outputs=("64",)), "no output '64'",
    ),
    "no outputs at all": (GOOD["precision"], samples.criterion("relative_l2", 9.0, outputs=()), "no relative_l2"),
    "no rankings": (precision(rankings=()), samples.criterion("top1_agreement", 0.0), "no top1_agreement"),
    "no differences": (precision(), samples.criterion("relative_l2", 9.0), "no relative_l2"),
    "no repeats": (precision(repeats=()), samples.criterion("repeat_relative_l2", 9.0), "no repeat_relative_l2"),
    "no windows at all": (performance(), samples.criterion("throughput_per_s", 0.0), "no throughput_per_s"),
    "a batch size that did not fit": (
        performance(samples.latency_run(), samples.out_of_memory_run(64)),
        samples.criterion("latency_mean_s", 9.0), "batch 64: 0 calls, out of memory",
    ),
    "a batch size without windows": (
        performance(samples.latency_run(), samples.out_of_memory_run(64)),
        samples.criterion("throughput_per_s", 0.0), "batch 64: 0 windows, out of memory",
    ),
    "a batch size with three calls": (
        performance(samples.latency_run(samples_s=(0.1, 0.1, 0.1), ended_by="limit")),
        samples.criterion("latency_p50_s", 9.0), "batch 1: 3 calls, limit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_MEASURED)
def test_what_was_not_measured_is_no_pass(case: str) -> None:
    record, rule, reason = NOT_MEASURED[case]
    verdict = judge(record, rule)
    assert verdict.status is Status.NOT_MEASURED
    assert reason in (f"{verdict.evidence}: {verdict.reason}" if verdict.evidence else str(verdict.reason))
    assert (verdict.value, verdict.compared) == (None, 0)


def hollow(**changes: Any) -> Difference:
    """An output that is NaN everywhere, on both sides."""
    nothing = samples.difference((), (), output="masks")
    counts = {"count": 10, "nonfinite_reference": 10, "nonfinite_candidate": 10}
    return dataclasses.replace(nothing, **(counts | changes))


@pytest.mark.parametrize("metric", ["relative_l2", "max_abs_diff", "cosine_similarity", "share_over_1_percent"])
def test_an_output_without_one_finite_pair_has_no_error_and_no_pass(metric: str) -> None:
    bound = -1.0 if metric == "cosine_similarity" else 9.0
    verdict = judge(precision(samples.difference(), hollow()), samples.criterion(metric, bound))
    assert verdict.status is Status.NOT_MEASURED
    assert (str(verdict.evidence), verdict.reason) == ("inputs/cat.jpg, masks", HOLLOW)


def test_nan_on_the_candidate_alone_fails_the_finite_criterion() -> None:
    record = precision(hollow(nonfinite_reference=0, nonfinite_mismatch=10))
    verdicts = judge_all({"precision": record}, default_criteria("features"))
    found = {v.criterion: v.status for v in verdicts}
    assert found["finite"] is Status.FAIL
    assert found["output-error"] is Status.NOT_MEASURED
    assert overall(verdicts) is Status.FAIL


def test_an_empty_output_on_both_sides_agrees() -> None:
    """No box on either side is a result, other than NaN."""
    record = precision(samples.difference((), (), output="boxes"))
    assert judge(record, samples.criterion("relative_l2", 0.0)).status is Status.PASS


def test_a_measured_failure_outweighs_a_part_that_was_not_measured() -> None:
    record = precision(hollow(), samples.difference((1.0,), (2.0,)))
    assert judge(record, samples.criterion("relative_l2", 0.01)).status is Status.FAIL


def test_a_batch_size_that_did_not_fit_has_no_samples_and_fails_their_count() -> None:
    record = performance(samples.latency_run(), samples.out_of_memory_run(64))
    verdict = judge(record, samples.criterion("sample_count", 64.0))
    assert (verdict.status, verdict.value, str(verdict.evidence)) == (Status.FAIL, 0.0, "batch 64")


def test_without_support_for_a_median_the_slowest_call_stands_in() -> None:
    record = performance(samples.latency_run(samples_s=(0.1, 0.2, 0.3, 0.4)))
    assert judge(record, samples.criterion("latency_p50_s", 1.0)).value == 0.4


def test_performance_metrics_are_those_of_stats() -> None:
    run = samples.latency_run()
    latency = speed.latency(run)
    expected = {
        "latency_mean_s": latency.mean_s,
        "latency_p50_s": latency.percentiles_s["p50"],
        "sample_count": 70.0,
    }
    windows = samples.performance_record(data=samples.performance_data((1,)))
    assert isinstance(windows.data, PerformanceData)
    (rate,) = speed.throughputs(windows.data)
    assert judge(windows, samples.criterion("throughput_per_s", 1.0)).value == rate.images_per_s
    for metric, value in expected.items():
        assert judge(performance(run), samples.criterion(metric)).value == value


def test_rankings_are_judged_as_one_set() -> None:
    other = samples.ranking("inputs/flower.jpg", candidate_classes=(285, 281, 282, 287, 0))
    record = precision(rankings=(samples.ranking(), other))
    top1, top5 = (judge(record, samples.criterion(m, 0.99)) for m in ("top1_agreement", "top5_agreement"))
    assert (top1.value, top1.status, top1.compared, str(top1.evidence)) == (0.5, Status.FAIL, 2, "all inputs")
    assert top5.value == pytest.approx(0.9)


def test_a_record_of_another_experiment_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="judges performance records, not precision"):
        judge(GOOD["precision"], samples.criterion("sample_count"))


def test_there_is_one_verdict_for_each_criterion_in_their_order() -> None:
    rules = default_criteria("classification")
    verdicts = judge_all({"performance": GOOD["performance"]}, rules)
    assert [v.criterion for v in verdicts] == [r.id for r in rules]
    assert [v.status for v in verdicts] == [Status.NOT_MEASURED] * 5 + [Status.PASS]
    assert overall(verdicts) is Status.NOT_MEASURED
    assert overall(judge_all(GOOD, rules)) is Status.PASS


def verdict_of(status: Status) -> Verdict:
    return dataclasses.replace(judge(None, samples.criterion()), status=status)


@given(st.lists(st.sampled_from(Status)))
def test_overall_is_the_worst(statuses: list[Status]) -> None:
    worst = next(
        (s for s in (Status.FAIL, Status.NOT_MEASURED, Status.PASS) if s in statuses),
        Status.NOT_MEASURED,
    )
    assert overall(map(verdict_of, statuses)) is worst
