from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.locate.formats import MANTISSA_BITS, UNIT_ROUNDOFF, rounded, through_half, truncated

floats = st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100, allow_subnormal=False)


def plainly(value: float, bits: int) -> float:
    """Round to nearest, ties to even, by scaling."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2 ** (bits + 1)) / 2 ** (bits + 1), exponent)


@given(st.lists(floats, min_size=1, max_size=20), st.sampled_from(sorted(MANTISSA_BITS.values())))
def test_rounds_as_scaling_does(values: list[float], bits: int) -> None:
    given = torch.tensor(values, dtype=torch.float32)
    assert rounded(given, bits).tolist() == [plainly(v, bits) for v in given.tolist()]


@given(st.lists(floats, min_size=1, max_size=20))
def test_seven_bits_are_bfloat16(values: list[float]) -> None:
    given = torch.tensor(values, dtype=torch.float32)
    assert torch.equal(rounded(given, 7), given.bfloat16().float())


@given(floats, st.sampled_from(sorted(MANTISSA_BITS)))
def test_one_rounding_is_within_the_unit_roundoff_and_changes_nothing_twice(value: float, name: str) -> None:
    given = torch.tensor([value])
    once = rounded(given, MANTISSA_BITS[name])
    assert abs(once.item() - given.item()) <= UNIT_ROUNDOFF[name] * abs(given.item())
    assert torch.equal(rounded(once, MANTISSA_BITS[name]), once)


@given(floats)
def test_truncation_goes_towards_zero(value: float) -> None:
    given = torch.tensor([value])
    cut = truncated(given, 10)
    assert abs(cut.item()) <= abs(given.item())
    assert abs(cut.item()) <= abs(rounded(given, 10).item())


@pytest.mark.parametrize("convert", [lambda t: rounded(t, 11), lambda t: truncated(t, 11), through_half])
def test_infinities_and_nan_stay(convert: object) -> None:
    assert callable(convert)
    result = convert(torch.tensor([math.inf, -math.inf, math.nan, 0.0]))
    assert result[0] == math.inf
    assert result[1] == -math.inf
    assert math.isnan(result[2])
    assert result[3] == 0.0


def test_leaves_its_argument_alone_and_keeps_the_order_of_memory() -> None:
    given = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    before = given.clone()
    result = rounded(given, 7)
    assert torch.equal(given, before)
    assert result.stride() == given.stride()
    assert torch.equal(rounded(given[:, ::2], 7), result[:, ::2])
