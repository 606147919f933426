from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.locate import measure
from npu_eval.locate.measure import Sums, pieces, relative_error, same_bits

shapes = st.lists(st.integers(0, 6), min_size=0, max_size=4).map(tuple)


@given(shapes, st.integers(0, 1000))
def test_relative_error_is_that_of_numpy(shape: tuple[int, ...], seed: int) -> None:
    random = np.random.default_rng(seed)
    r, y = random.normal(size=shape), random.normal(size=shape)
    wanted = math.sqrt(np.sum((y - r) ** 2) / np.sum(r**2)) if r.size else 0.0
    assert relative_error(torch.tensor(r), torch.tensor(y)) == pytest.approx(wanted, rel=1e-12)


def test_streaming_equals_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    r, y = torch.randn(7, 5, 11, 3), torch.randn(7, 5, 11, 3)
    whole = relative_error(r, y)
    for size in (1, 4, 30, 170, 1000):
        monkeypatch.setattr(measure, "PIECE", size)
        assert relative_error(r, y) == pytest.approx(whole, rel=1e-12)
        assert sum(len(a) for a, _ in pieces(r, y)) == r.numel()
        assert relative_error(r.permute(3, 1, 0, 2), y.permute(3, 1, 0, 2)) == pytest.approx(whole, rel=1e-12)


def test_one_sided_values_and_other_shapes_are_infinitely_wrong() -> None:
    r = torch.tensor([1.0, math.nan, math.inf])
    assert relative_error(r, r.clone()) == 0.0
    assert relative_error(r, torch.tensor([1.0, math.nan, 5.0])) == math.inf
    assert relative_error(r, r[:2]) == math.inf
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0.0
    assert relative_error(torch.zeros(2), torch.ones(2)) == math.inf


def test_whole_numbers_count_places() -> None:
    assert relative_error(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 0.25
    assert relative_error(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64)) == 0.0


def test_a_gain_points_along_the_reference_and_noise_does_not() -> None:
    r = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    gain, noise = Sums(), Sums()
    gain.add(r, r * 1.01)
    noise.add(r, r + 0.01 * torch.randn(1000, generator=torch.Generator().manual_seed(1)))
    assert gain.gain == pytest.approx(1.0, abs=1e-6)
    assert abs(noise.gain) < 0.1


def test_same_bits_tells_zeros_apart_and_takes_a_nan_for_itself() -> None:
    nan = torch.tensor([math.nan, 1.0])
    assert same_bits(nan, nan.clone())
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert not same_bits(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64))
    assert same_bits(torch.tensor([1, 2]), torch.tensor([1, 2]))
    assert not same_bits(torch.tensor([1, 2]), torch.tensor([2, 1]))
