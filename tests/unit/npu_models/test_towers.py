from __future__ import annotations

import pytest
import torch
from torch import nn

from npu_models.towers import climb, flat_tower, initialise_head, tower, with_coordinates


def test_coordinates_run_from_minus_one_to_one_x_before_y():
    x = with_coordinates(torch.zeros(2, 3, 3, 5))
    assert x.shape == (2, 5, 3, 5)
    assert x[1, 3, 0].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert x[1, 4, :, 0].tolist() == [-1.0, 0.0, 1.0]


def test_both_kinds_of_tower_compute_the_same():
    torch.manual_seed(0)
    blocks, flat = tower(32, 32, 2), flat_tower(32, 2)
    for index, block in enumerate(blocks):
        flat[3 * index].weight.data.copy_(block.conv.weight)
        flat[3 * index].bias.data.zero_()
    x = torch.randn(1, 32, 6, 6)
    torch.testing.assert_close(climb(blocks, x), flat(x))


def test_a_fresh_head_gives_every_class_one_percent():
    head = nn.ModuleDict({"scores": nn.Conv2d(8, 3, 3, padding=1), "other": nn.Conv2d(8, 2, 1, bias=False)})
    initialise_head(head, scores=head["scores"])
    assert torch.sigmoid(head["scores"].bias).tolist() == pytest.approx([0.01] * 3)
    assert head["other"].weight.std().item() < 0.05
