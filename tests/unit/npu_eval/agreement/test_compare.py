from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_eval.agreement import compare
from npu_eval.agreement.compare import difference
from npu_eval.agreement.difference import (
    NEAR_BOUNDS,
    RELATIVE_ERROR_BOUNDS,
    RELATIVE_FLOOR,
    SMALL_ERROR,
    SMALL_VALUE,
    ULP_EDGES,
    ULP_LIMITS,
    ULP_MOST,
    Difference,
    Elements,
)
from npu_eval.agreement.metrics import agreement
from npu_eval.errors import AdapterError

Array = np.ndarray[Any, np.dtype[np.float64]]
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
WHOLE = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool)
SPECIAL = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan)


def diff(reference: torch.Tensor, candidate: torch.Tensor) -> Difference:
    return difference("cat.jpg", "logits", reference, candidate)


def tensor(values: list[float], dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).to(dtype)


def check_against_numpy(reference: torch.Tensor, candidate: torch.Tensor) -> None:
    """Every field, computed once more in the plainest way."""
    found = diff(reference, candidate)
    r, y = reference.double().numpy().ravel(), candidate.double().numpy().ravel()
    both = np.isfinite(r) & np.isfinite(y)
    special = ~np.isfinite(r) & ~np.isfinite(y) & ((r == y) | (np.isnan(r) & np.isnan(y)))
    assert found.count == r.size
    assert found.shape == tuple(reference.shape)
    assert found.nonfinite_reference == np.sum(~np.isfinite(r))
    assert found.nonfinite_candidate == np.sum(~np.isfinite(y))
    assert found.nonfinite_mismatch == np.sum(~both & ~special)
    assert found.finite_count == np.sum(both)
    r, y = r[both], y[both]
    d, size = np.abs(y - r), np.abs(r)
    for name, value in {
        "sum_sq_reference": np.sum(r * r),
        "sum_sq_candidate": np.sum(y * y),
        "sum_sq_diff": np.sum(d * d),
        "dot": np.sum(r * y),
        "sum_abs_diff": np.sum(d),
        "sum_relative": np.sum(d / (size + 1e-7)),
    }.items():
        assert math.isclose(getattr(found, name), value, rel_tol=1e-9, abs_tol=1e-9 * float(np.sum(size * size))), name
    assert found.max_abs_diff == np.max(d, initial=0.0)
    assert found.max_relative == pytest.approx(np.max(d / (size + 1e-7), initial=0.0), rel=1e-12)
    finite_reference = reference.double().numpy().ravel()[both]
    assert found.max_abs_reference == np.max(np.abs(finite_reference), initial=0.0)
    counted = size > RELATIVE_FLOOR * found.max_abs_reference
    assert found.above_floor == np.sum(counted)
    share = d[counted] / size[counted]
    assert found.over_bounds == tuple(np.sum(share > bound) for bound in RELATIVE_ERROR_BOUNDS)
    check_elements(found.elements, r, y, reference.dtype, candidate.dtype)


def check_elements(e: Elements | None, r: Array, y: Array, of: torch.dtype, dtype: torch.dtype) -> None:
    """What others' standards count, once more in the plainest way: r and y are finite and float64."""
    assert e is not None
    d, size = np.abs(y - r), np.abs(r)
    wide = torch.promote_types(torch.promote_types(of, dtype), torch.float32)
    epsilon = np.where(r == 0, torch.finfo(wide).eps, 0.0)
    near = np.abs((y + epsilon) - (r + epsilon)) / np.abs(r + epsilon)
    assert all(abs(got - np.sum(near < bound)) <= np.sum((r == 0) & (d > 0))  # 1 + eps - eps may round
               for got, bound in zip(e.near, NEAR_BOUNDS, strict=True))  # fmt: skip
    assert e.max_mixed == np.max(np.minimum(d, np.divide(d, size, out=np.full_like(d, np.inf), where=size > 0)),
                                 initial=0.0)  # fmt: skip
    name = str(dtype).removeprefix("torch.")
    name = name if name in SMALL_VALUE else "float32"
    real = dtype if dtype.is_floating_point else torch.float32
    normal = size > SMALL_VALUE[name]
    relative = d[normal] / (size[normal] + torch.finfo(real).eps)
    assert (e.normal, e.small) == (np.sum(normal), np.sum(~normal))
    assert e.small_wrong == np.sum(d[~normal] > SMALL_ERROR[name])
    assert e.normal_sum_sq_diff == pytest.approx(np.sum(d[normal] ** 2), rel=1e-9)
    assert e.normal_sum_relative == pytest.approx(np.sum(relative), rel=1e-9)
    assert e.normal_max_relative == pytest.approx(np.max(relative, initial=0.0), rel=1e-12)
    _, exponent = np.frexp(r)
    info = torch.finfo(real)
    smallest = info.smallest_normal * info.eps
    with np.errstate(over="ignore"):  # of float64, where a zero belongs
        ulps = np.minimum(d / np.where(r == 0, smallest, np.maximum(np.ldexp(info.eps, exponent - 1), smallest)),
                          ULP_MOST)  # fmt: skip
    assert e.sum_ulp == pytest.approx(np.sum(ulps), rel=1e-9)
    assert e.over_ulp == tuple(np.sum(ulps > limit) for limit in ULP_LIMITS)


@pytest.mark.parametrize("dtypes", list(itertools.product(FLOATS, FLOATS)), ids=str)
def test_floats_of_any_two_dtypes_agree_with_numpy(dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    generator = torch.Generator().manual_seed(5)
    reference = torch.randn(2, 3, 17, generator=generator, dtype=torch.float64)
    candidate = reference + 1e-3 * torch.randn(2, 3, 17, generator=generator, dtype=torch.float64)
    candidate[0, 0, 0], reference[0, 0, 1], reference[1, 1, 1] = math.nan, math.inf, 1e-9
    check_against_numpy(reference.to(dtypes[0]), candidate.to(dtypes[1]))


@pytest.mark.parametrize("dtypes", list(itertools.product(WHOLE, (*WHOLE, torch.float32))), ids=str)
def test_whole_numbers_and_truth_values_agree_with_numpy(dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    generator = torch.Generator().manual_seed(6)
    reference, candidate = (torch.randint(0, 100, (4, 5), generator=generator).to(dtype) for dtype in dtypes)
    check_against_numpy(reference, candidate)


def test_the_most_negative_whole_number_has_a_magnitude() -> None:
    low = torch.tensor([-128, 1], dtype=torch.int8)
    assert diff(low, low).max_abs_reference == 128.0


@settings(max_examples=60)
@given(st.lists(st.tuples(*[st.sampled_from(SPECIAL) | st.floats(-1e4, 1e4, width=16)] * 2), max_size=12),
       st.sampled_from(FLOATS))  # fmt: skip
def test_nan_and_infinity_on_either_side_agree_with_numpy(pairs: list[tuple[float, float]], dtype: torch.dtype) -> None:
    check_against_numpy(tensor([a for a, _ in pairs], torch.float64), tensor([b for _, b in pairs], dtype))


@pytest.mark.parametrize(
    ("reference", "candidate", "mismatch"),
    [
        (math.nan, math.nan, 0),
        (math.inf, math.inf, 0),
        (-math.inf, -math.inf, 0),
        (math.inf, -math.inf, 1),
        (math.nan, math.inf, 1),
        (math.nan, 1.0, 1),
        (1.0, math.nan, 1),
        (1.0, math.inf, 1),
        (1.0, 2.0, 0),
    ],
)
def test_a_mismatch_is_what_only_one_side_has(reference: float, candidate: float, mismatch: int) -> None:
    found = diff(torch.tensor([[reference, 1.0]]), torch.tensor([[candidate, 1.0]]))
    assert found.nonfinite_mismatch == mismatch
    assert all(math.isfinite(v) for v in dataclasses.asdict(found).values() if isinstance(v, float))


@pytest.mark.parametrize("chunk", [1, 2, 7, 16, 1000])
def test_reading_in_pieces_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    reference = torch.randn(5, 17, generator=generator, dtype=torch.float64)
    candidate = (reference * (1 + 1e-4)).float()
    reference[1, 3], candidate[4, 16] = math.nan, -math.inf
    whole = diff(reference, candidate)
    monkeypatch.setattr(compare, "CHUNK", chunk)
    pieces = diff(reference, candidate)
    assert_alike(whole, pieces)


def assert_alike(whole: object, pieces: object) -> None:
    """Equal field by field; sums in floating point to their last digits."""
    for name, a in vars(whole).items():
        b = getattr(pieces, name)
        if dataclasses.is_dataclass(a):
            assert_alike(a, b)
        else:
            assert a == (pytest.approx(b, rel=1e-12) if isinstance(a, float) else b), name


@pytest.mark.parametrize("shape", [(1, 0), (0,), (2, 0, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_empty_tensors_have_no_difference(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    found = diff(torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype))
    assert found.bitwise_equal
    assert (found.count, found.finite_count, found.sum_sq_diff, found.max_abs_reference) == (0, 0, 0.0, 0.0)


def test_different_shapes_are_the_adapters_fault_and_both_are_named() -> None:
    with pytest.raises(AdapterError, match=r"^cat\.jpg: output 'logits' has shape \(1, 3\) .* \(1, 2\) on") as caught:
        diff(torch.zeros(1, 2), torch.zeros(1, 3))
    assert caught.value.exit_code == 5


@pytest.mark.filterwarnings("error")
def test_complex_numbers_are_refused_rather_than_halved() -> None:
    with pytest.raises(AdapterError, match=r"cat\.jpg: output 'logits' is complex"):
        diff(torch.tensor([1j]), torch.tensor([1j]))


def test_a_tensor_may_be_a_view_and_need_a_gradient() -> None:
    base = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    view = base.t()[::2].requires_grad_()
    assert diff(view, view.clone()) == diff(view.detach().contiguous(), view.detach().clone())
    assert diff(torch.ones(1).expand(4), torch.ones(4)).bitwise_equal


# --- symmetry --------------------------------------------------------------------------------------------------------

pairs_of_numbers = st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), min_size=1, max_size=20)


@given(pairs_of_numbers)
def test_what_has_no_reference_in_its_definition_is_symmetric(pairs: list[tuple[float, float]]) -> None:
    """Absolute errors, the dot product and the cosine do not say which side is the reference."""
    a, b = (tensor([pair[i] for pair in pairs], torch.float64) for i in (0, 1))
    there, back = diff(a, b), diff(b, a)
    for name in ("sum_sq_diff", "sum_abs_diff", "max_abs_diff", "dot", "nonfinite_mismatch", "bitwise_equal"):
        assert getattr(there, name) == getattr(back, name), name
    assert there.sum_sq_reference == back.sum_sq_candidate
    assert agreement(there).cosine_similarity == pytest.approx(agreement(back).cosine_similarity, rel=1e-12)


@given(pairs_of_numbers, st.integers(-6, 6))
def test_scaling_both_sides_changes_no_relative_error(pairs: list[tuple[float, float]], power: int) -> None:
    """By a power of two, which rounds nothing."""
    a, b = (tensor([pair[i] for pair in pairs], torch.float64) for i in (0, 1))
    plain, scaled = diff(a, b), diff(a * 2.0**power, b * 2.0**power)
    assert scaled.over_bounds == plain.over_bounds
    assert agreement(scaled).relative_l2 == pytest.approx(agreement(plain).relative_l2, rel=1e-9)
    assert agreement(scaled).scaled_max_abs_diff == pytest.approx(agreement(plain).scaled_max_abs_diff, rel=1e-12)


# --- bit by bit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_same_bits_are_bitwise_equal_even_nan(dtype: torch.dtype) -> None:
    values = tensor([1.0, -0.0, math.nan, math.inf, 1e-5], dtype)
    assert diff(values, values.clone()).bitwise_equal


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64)),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([1.0]), torch.nextafter(torch.tensor([1.0]), torch.tensor(2.0))),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.tensor([math.inf]), torch.tensor([math.nan])),
    ],
)
def test_anything_else_is_not(reference: torch.Tensor, candidate: torch.Tensor) -> None:
    assert not diff(reference, candidate).bitwise_equal


# --- units in the last place -----------------------------------------------------------------------------------------


def ulp_bin(reference: torch.Tensor, candidate: torch.Tensor) -> int:
    counts = diff(reference, candidate).ulp_counts
    assert sum(counts) == 1
    return counts.index(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@given(value=st.floats(2.0**-100, 2.0**100, width=32), sign=st.sampled_from([1.0, -1.0]))
def test_the_next_number_upwards_is_one_unit_away(dtype: torch.dtype, value: float, sign: float) -> None:
    here = torch.tensor([sign * value], dtype=dtype)
    there = torch.nextafter(here, here * 2)
    assert ulp_bin(here, here) == 0
    assert ulp_bin(here, there) == 1


@pytest.mark.parametrize(
    ("dtype", "epsilon"), [(torch.float32, 2**-23), (torch.float16, 2**-10), (torch.bfloat16, 2**-7)], ids=str
)
@pytest.mark.parametrize(
    ("units", "bin_"), [(0, 0), (1, 1), (2, 2), (4, 2), (5, 3), (16, 3), (64, 4), (65, 5), (100, 5)]
)
def test_distances_land_in_their_bins(dtype: torch.dtype, epsilon: float, units: int, bin_: int) -> None:
    """The reference is float64, the unit that of the candidate's dtype; every candidate here is exact in it."""
    candidate = 1.0 + units * epsilon
    assert ulp_bin(torch.tensor([1.0], dtype=torch.float64), tensor([candidate], dtype)) == bin_


def test_beyond_the_last_edge_is_the_last_bin() -> None:
    assert ulp_bin(torch.tensor([1.0]), torch.tensor([2.0])) == len(ULP_EDGES)


def test_below_the_normal_numbers_the_unit_is_the_smallest_subnormal() -> None:
    smallest = 2.0**-149
    for reference, candidate, bin_ in ((0.0, smallest, 1), (smallest, 3 * smallest, 2), (0.0, 1e-30, len(ULP_EDGES))):
        pair = (torch.tensor([v], dtype=torch.float64).float() for v in (reference, candidate))
        assert ulp_bin(*pair) == bin_


def test_a_zero_reference_measures_in_the_smallest_unit() -> None:
    """A stray 1e-6 where zero belongs is many units off, not seventeen of one half."""
    assert ulp_bin(torch.tensor([0.0]), torch.tensor([1e-6])) == len(ULP_EDGES)


def test_very_large_and_very_small_doubles_have_units() -> None:
    for value in (1e200, 1e-200, 1e300):
        here = torch.tensor([value], dtype=torch.float64)
        assert ulp_bin(here, torch.nextafter(here, here * 2)) == 1


# --- the floor -------------------------------------------------------------------------------------------------------


def test_only_elements_above_the_floor_have_a_relative_error() -> None:
    top = 1024.0
    floor = top * RELATIVE_FLOOR
    reference = torch.tensor([top, floor, floor * 1.01, 0.0], dtype=torch.float64)
    found = diff(reference, reference * 1.5 + 1e-3)
    assert found.above_floor == 2
    assert found.over_bounds == (2, 2, 2, 2, 2)


def test_a_zero_reference_has_no_element_above_the_floor() -> None:
    found = diff(torch.zeros(3), torch.ones(3))
    assert (found.above_floor, found.over_bounds, found.max_abs_diff) == (0, (0,) * len(RELATIVE_ERROR_BOUNDS), 1.0)


@pytest.mark.parametrize(("error", "counts"), [(0.2, 5), (0.05, 4), (0.006, 3), (0.002, 2), (5e-4, 1), (5e-5, 0)])
def test_an_error_exceeds_the_bounds_below_it(error: float, counts: int) -> None:
    reference = torch.tensor([1.0], dtype=torch.float64)
    assert diff(reference, reference * (1 + error)).over_bounds == tuple([0] * (5 - counts) + [1] * counts)


def test_the_hashes_are_of_the_bytes_in_memory_order() -> None:
    reference = torch.arange(6, dtype=torch.float64).reshape(2, 3)
    candidate = reference.to(torch.bfloat16)
    found = diff(reference, candidate)
    assert found.reference_sha256 == hashlib.sha256(reference.numpy().tobytes()).hexdigest()
    assert found.candidate_sha256 == hashlib.sha256(candidate.view(torch.uint8).numpy().tobytes()).hexdigest()
    turned = reference.T.contiguous().T  # the same values, laid out otherwise
    assert diff(turned, candidate).reference_sha256 == found.reference_sha256
    assert diff(reference, candidate + 1).candidate_sha256 != found.candidate_sha256
