from __future__ import annotations

import numpy as np
import pytest

from npu_eval.timing.intervals import mean_interval, t_quantile


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (30, 2.04227)]
)
def test_quantiles_are_those_of_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=5e-5)


def test_with_many_degrees_it_is_the_normal_distribution() -> None:
    assert t_quantile(0.975, 2000) == pytest.approx(1.96, abs=2e-3)


@pytest.mark.parametrize("count", [3, 5, 12])
def test_the_interval_covers_the_mean_as_often_as_it_says(count: int) -> None:
    rng = np.random.default_rng(count)
    runs = rng.normal(7.0, 2.0, size=(2000, count))
    covered = sum(low <= 7.0 <= high for low, high in (mean_interval(run.tolist()) for run in runs))
    assert 0.935 <= covered / 2000 <= 0.965
