from __future__ import annotations

import math

import pytest
import torch

from npu_models.basis import BasisModule, at_eighths, blend


def test_equal_attention_is_the_mean_of_the_bases():
    bases = torch.randn(3, 4, 56, 56, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blend(bases, torch.zeros(3, 784)), bases.mean(dim=1))


def test_strong_attention_picks_one_basis():
    bases = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 56, 56)
    attention = torch.zeros(1, 4, 14, 14)
    attention[0, 2] = 50.0
    torch.testing.assert_close(blend(bases, attention.flatten(1)), torch.full((1, 56, 56), 2.0))


def test_bases_are_twice_the_size_of_p3():
    pyramid = [torch.randn(1, 256, side, 2 * side) for side in (16, 8, 4, 2, 1)]
    assert BasisModule(80).eval()(pyramid).shape == (1, 4, 32, 64)


def test_the_semantic_loss_of_a_fresh_head_is_near_that_of_guessing():
    torch.manual_seed(0)
    loss = (
        BasisModule(80).train().semantic_loss(torch.randn(2, 256, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64), 0.3)
    )
    assert loss.item() == pytest.approx(0.3 * math.log(81), rel=0.2)


def test_every_eighth_label_is_the_one_that_nearest_interpolation_picks():
    labels = torch.randint(0, 81, (2, 64, 96), generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(labels[:, None].float(), scale_factor=1 / 8)[:, 0].long()
    assert torch.equal(at_eighths(labels), wanted)
