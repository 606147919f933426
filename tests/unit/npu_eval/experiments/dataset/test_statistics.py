from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.asked.metrics import METRICS
from npu_eval.experiments.dataset.statistics import interval, metric_values


def test_metrics_are_those_that_a_criterion_can_name() -> None:
    values = metric_values(samples.dataset_data()) | metric_values(samples.class_data())
    named = {name for name, kind in METRICS.items() if kind.experiment == "dataset"}
    assert named - {"task_metric_ratio"} <= values.keys()  # that one is of two sides: `verdict` forms it
    assert values["top1_accuracy"] == 0.75
    assert "box_ap_large" not in values  # undefined: there is no large object


@given(st.lists(st.floats(-1, 1), min_size=40, max_size=200))
def test_the_interval_is_of_the_percentiles(differences: list[float]) -> None:
    found = interval(samples.comparison(differences=tuple(differences)))
    assert found is not None
    cuts = statistics.quantiles(differences, n=40, method="inclusive")
    assert (found.low, found.high) == pytest.approx((cuts[0], cuts[-1]))
    assert found.excludes_zero == (found.low > 0 or found.high < 0)


def test_too_few_draws_give_no_interval() -> None:
    assert interval(samples.comparison(differences=(0.1,) * 39)) is None
