"""Sums of any two tensors are left alone; sums that belong to no two tensors are told, whichever was changed."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_deliver.review.plausibility import difference_sums
from npu_eval.agreement.compare import difference

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def told(*differences, repeats=()):
    spec = samples.eval_spec(repeats=1, inputs=(samples.eval_spec().inputs[0],))
    data = samples.precision_data(differences=differences, repeats=repeats, floors=())
    found = list(difference_sums.remarks(samples.precision_record(data=data), spec))
    assert all(remark.certain for remark in found)
    return [remark.what for remark in found]


def compared(reference, candidate):
    return difference("inputs/cat.jpg", "logits", reference, candidate)


def honest():
    reference = torch.randn(1, 1000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise = torch.randn(1, 1000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return compared(reference, (reference + 1e-3 * noise).float())


def test_the_examples_are_left_alone():
    spec = samples.eval_spec()
    assert list(difference_sums.remarks(samples.precision_record(), spec)) == []
    assert list(difference_sums.remarks(samples.performance_record(), spec)) == []


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=16), min_size=0, max_size=40),
    errors=st.lists(st.floats(-1, 1, width=16), min_size=40, max_size=40),
    scale=st.sampled_from([0.0, 1e-30, 1e-7, 1e-3, 1.0, 1e30]),
    dtypes=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)),
)
def test_the_sums_of_any_two_tensors_are_left_alone(values, errors, scale, dtypes):
    wide = torch.tensor(values, dtype=torch.float64).reshape(1, -1)
    off = wide + scale * torch.tensor(errors[: len(values)], dtype=torch.float64).reshape(1, -1)
    assert told(compared(wide.to(dtypes[0]), off.to(dtypes[1]))) == []


@pytest.mark.parametrize("size", [1, 3_000_000])
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e-4, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_sums_of_large_tensors_are_left_alone(size, scale, dtype):
    reference = torch.rand(1, size, generator=torch.Generator().manual_seed(3)).double() + 5
    assert told(compared(reference, (reference * (1 + scale)).to(dtype))) == []


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 3.0])
@pytest.mark.parametrize("name", ["sum_sq_reference", "sum_sq_candidate", "dot"])
def test_a_changed_square_is_told(name, factor):
    found = honest()
    assert told(replace(found, **{name: factor * getattr(found, name)}))


@pytest.mark.parametrize(("name", "factor"), [
    ("sum_sq_diff", 0.01), ("sum_sq_diff", 0.9), ("sum_sq_diff", 1.1),
    ("max_abs_diff", 0.001), ("max_abs_diff", 1000.0), ("sum_abs_diff", 0.001), ("sum_abs_diff", 2.0),
    ("max_relative", 1e-6), ("max_relative", 1e6),
    ("max_abs_reference", 0.01), ("max_abs_reference", 100.0),
])  # fmt: skip
def test_a_changed_error_is_told(name, factor):
    found = honest()
    assert told(replace(found, **{name: factor * getattr(found, name)}))


def test_changed_counts_are_told():
    found = honest()
    zeroed = (found.finite_count, *(0 for _ in found.ulp_counts[1:]))
    assert any("have no error" in what for what in told(replace(found, ulp_counts=zeroed)))
    assert told(replace(found, over_bounds=(5, 0, 0, 0, 0)))
    assert told(replace(found, count=found.count + 1))
    assert told(replace(found, elements=replace(found.elements, over_ulp=(0, 0))))
    assert told(replace(found, elements=replace(found.elements, sum_ulp=0.0)))


def test_equal_to_the_bit_is_held_against_hashes_and_errors():
    found = honest()
    assert any("to the bit" in what for what in told(replace(found, bitwise_equal=True)))
    same = compared(torch.ones(1, 5), torch.ones(1, 5))
    assert told(same) == []
    assert any("one hash" in what for what in told(replace(same, bitwise_equal=False)))


def test_every_output_of_every_input_is_compared_and_repeated():
    record = samples.precision_record()
    spec, data = samples.eval_spec(), record.data

    def wrong(**changes):
        changed = replace(record, data=replace(data, **changes))
        return [remark.what for remark in difference_sums.remarks(changed, spec)]

    assert any("each output of each input" in what for what in wrong(differences=data.differences[:1]))
    assert any("repeats of each output" in what for what in wrong(repeats=data.repeats[:-1]))
    other = replace(data.repeats[0], reference_sha256="0" * 64, candidate_sha256="0" * 64)
    assert any("than the first run's" in what for what in wrong(repeats=(other, *data.repeats[1:])))


@pytest.mark.parametrize("huge", [1e308, 10**400])
def test_huge_numbers_are_no_accident(huge):
    found = replace(honest(), max_abs_diff=1e308, sum_sq_diff=1e308, count=int(huge))
    with contextlib.suppress(ArithmeticError):  # `plausibility` tells of it
        told(found)
