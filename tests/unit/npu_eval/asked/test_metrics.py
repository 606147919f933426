"""A metric's unit is declared with it, and written by it alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.asked.metrics import METRICS, Of
from npu_eval.notation import units
from npu_eval.notation.units import Unit

OF_EXPERIMENT = {
    "precision": {Of.OUTPUT, Of.REPEAT, Of.DETECTIONS, Of.INPUTS, Of.RUN},
    "training": {Of.STEP},
    "performance": {Of.BATCH},
    "dataset": {Of.IMAGES},
}


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_of_something_that_its_experiment_measures(name: str) -> None:
    assert METRICS[name].of in OF_EXPERIMENT[METRICS[name].experiment]


def test_only_a_clock_gives_times() -> None:
    assert {name for name, metric in METRICS.items() if metric.timed} == {
        "latency_p50_s", "latency_mean_s", "throughput_per_s",
    }  # fmt: skip


@given(st.sampled_from(Unit), st.floats(0, 1e6))
def test_a_number_is_written_in_its_unit(unit: Unit, value: float) -> None:
    text = units.written(value, unit)
    assert text.endswith(" ms") == (unit is Unit.SECONDS)
    assert text.endswith(" /s") == (unit is Unit.PER_SECOND)
    assert text.isdigit() or unit is not Unit.COUNT


@given(st.floats(0, 1, exclude_max=True), st.sampled_from([Unit.OVERLAP, Unit.COSINE]))
def test_what_is_not_one_never_looks_like_it(value: float, unit: Unit) -> None:
    if unit is Unit.OVERLAP or value < 1 - 1e-14:
        assert not units.written(value, unit).startswith("1.")


def test_a_bound_is_no_longer_than_it_is_exact() -> None:
    assert [units.bound(v) for v in (0.01, 0.005, 0.001)] == ["1 %", "0.5 %", "0.1 %"]
