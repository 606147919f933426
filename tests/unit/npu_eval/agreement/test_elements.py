from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.agreement import elements
from npu_eval.agreement.compare import difference
from npu_eval.agreement.difference import Difference


def diff(reference: list[float], candidate: list[float], dtype: torch.dtype = torch.float64) -> Difference:
    return difference("", "y", torch.tensor(reference, dtype=torch.float64), torch.tensor(candidate, dtype=dtype))


def test_msprobes_ratios_are_shares_of_all_elements() -> None:
    d = diff([1.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.00005, 1.0005, 1.003, 1e-6])
    found = [elements.metric(d, name) for name in elements.PLAIN if name.endswith("_ratio")]
    assert found == [4 / 5, 4 / 5, 3 / 5, 2 / 5]  # a stray value where zero belongs is wrong by any measure


def test_a_bound_itself_is_not_below_it() -> None:
    assert elements.metric(diff([1024.0], [1025.0]), "one_thousandth_ratio") == 1.0  # 1/1024
    assert elements.metric(diff([1000.0], [1001.0]), "one_thousandth_ratio") == 0.0


@pytest.mark.parametrize(("reference", "candidate", "value"), [(4.0, 5.0, 0.25), (0.5, 0.75, 0.25), (0.0, 0.5, 0.5)])
def test_a_mixed_error_is_the_smaller_of_both(reference: float, candidate: float, value: float) -> None:
    assert elements.metric(diff([reference], [candidate]), "max_mixed_error") == value


def test_units_are_those_of_the_candidates_dtype() -> None:
    d = diff([1.0, 1.0, 1.0], [1.0, 1 + 2**-23, 1 + 40 * 2**-23], torch.float32)
    assert elements.metric(d, "mean_ulp") == pytest.approx(41 / 3)
    assert elements.metric(d, "share_over_1_ulp") == pytest.approx(1 / 3)
    assert elements.metric(d, "share_over_32_ulp") == pytest.approx(1 / 3)


def test_a_ratio_is_of_two_errors_against_the_same_reference() -> None:
    reference = [1.0, -2.0, 4.0]
    floor = diff(reference, [1.01, -2.02, 4.04])
    thrice = diff(reference, [1.03, -2.06, 4.12])
    for name in ("dual_rmse_ratio", "dual_mean_relative_ratio", "dual_max_relative_ratio"):
        assert elements.dual(thrice, floor, name) == pytest.approx(3.0)


def test_a_benchmark_that_is_exact_does_not_make_every_error_infinite() -> None:
    exact, off = diff([1.0], [1.0], torch.float32), diff([1.0], [1.0 + 2**-14], torch.float32)
    assert elements.dual(off, exact, "dual_rmse_ratio") == pytest.approx(1.0)
    half = diff([1.0], [1.0 + 2**-10], torch.float16)
    assert elements.dual(half, exact, "dual_rmse_ratio") == pytest.approx(2.0)


def test_small_values_are_judged_by_their_absolute_error_alone() -> None:
    tiny = 2.0**-21
    d = diff([1.0, tiny, tiny], [1.0, 2 * tiny, tiny])
    floor = diff([1.0, tiny, tiny], [1.0, tiny, tiny])
    assert elements.dual(d, floor, "dual_max_relative_ratio") == 0.0
    assert elements.dual(d, floor, "dual_small_value_ratio") == pytest.approx(0.5 / 2**-14)


def test_what_was_not_stored_is_no_number() -> None:
    old = dataclasses.replace(samples.difference(), elements=None)
    assert elements.metric(old, "mean_ulp") is None
    assert elements.dual(old, samples.difference(), "dual_rmse_ratio") is None
    assert elements.dual(samples.difference(), None, "dual_rmse_ratio") is None
    assert elements.dual(samples.difference(), old, "dual_rmse_ratio") is None


def test_peak_signal_to_noise() -> None:
    assert elements.psnr_db(diff([0.0, 10.0], [1.0, 9.0])) == pytest.approx(20.0)
    assert elements.psnr_db(diff([1.0], [1.0])) is None
    assert elements.psnr_db(diff([0.0], [1.0])) is None


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_a_larger_error_is_never_better(values: list[float], a: float, b: float) -> None:
    less, more = (diff(values, [v * (1 + share) for v in values]) for share in sorted((a, b)))
    floor = diff(values, values)
    for name in elements.PLAIN:
        small, large = elements.metric(less, name), elements.metric(more, name)
        assert small is not None
        assert large is not None
        assert small >= large if name.endswith("_ratio") else small <= large * (1 + 1e-9)
    for name in elements.DUAL:
        small, large = elements.dual(less, floor, name), elements.dual(more, floor, name)
        assert small is not None
        assert large is not None
        assert math.isfinite(large)
        assert small <= large * (1 + 1e-9)
