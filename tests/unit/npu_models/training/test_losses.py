from __future__ import annotations

import math

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_models.training import losses as subject

SEEDS = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_focal_loss_is_torchvisions(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, 5, generator=generator) * 3
    classes = torch.randint(0, 6, (20,), generator=generator)  # 5 is background
    truth = torch.nn.functional.one_hot(classes, 6)[:, :5].float()
    wanted = torchvision.ops.sigmoid_focal_loss(logits, truth, reduction="sum")
    torch.testing.assert_close(subject.focal_sum(logits, classes), wanted)


def test_boxes_that_agree_cost_nothing():
    distances = torch.tensor([[3.0, 4.0, 5.0, 6.0]])
    assert subject.iou_loss(distances, distances).item() == pytest.approx(0, abs=1e-6)
    assert subject.giou_loss(distances, distances).item() == pytest.approx(0, abs=1e-6)


def test_half_an_overlap_costs_its_logarithm():
    whole, half = torch.tensor([[4.0, 4.0, 4.0, 4.0]]), torch.tensor([[4.0, 4.0, 4.0, 0.0]])
    assert subject.iou_loss(half, whole).item() == pytest.approx(math.log(2))
    assert subject.giou_loss(half, whole).item() == pytest.approx(1 - 33 / 65)


def test_an_empty_prediction_has_a_finite_loss():
    empty, whole = torch.zeros(1, 4), torch.full((1, 4), 4.0)
    assert subject.iou_loss(empty, whole).item() == pytest.approx(-math.log(1e-6), rel=1e-5)


def test_centerness_is_one_in_the_middle_and_falls_towards_the_sides():
    distances = torch.tensor([[4.0, 4.0, 4.0, 4.0], [1.0, 4.0, 4.0, 4.0], [1.0, 1.0, 4.0, 4.0]])
    assert subject.centerness(distances).tolist() == pytest.approx([1.0, 0.5, 0.25])


def test_dice_of_equal_masks_is_nearly_zero_and_of_disjoint_masks_one():
    first = torch.zeros(2, 10, 10)
    first[:, :5] = 1
    second = torch.stack([first[0], 1 - first[1]])
    assert subject.dice_loss(first, second).tolist() == pytest.approx([0.0, 1.0], abs=1e-4)


def test_nothing_of_outputs_is_zero_for_each_even_where_one_has_overflowed():
    outputs = [torch.full((2, 3), math.inf, requires_grad=True), torch.ones(4, requires_grad=True)]
    nothing = subject.nothing_of(*outputs)
    nothing.backward()
    assert nothing.item() == 0
    assert [output.grad.abs().sum().item() for output in outputs] == [0, 0]
