"""Float32 after the heads: half-precision outputs cost no more than their own rounding."""

from __future__ import annotations

import math

import pytest
import torch

from npu_models.fcos import CLASSES, fcos_losses
from npu_models.points import Assignment
from npu_models.precise import precise
from npu_models.training import losses
from npu_models.training.point_targets import gathered

MODELS = ("fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x", "solov2/light_r50_fpn_3x")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_widened_and_nothing_is_narrowed(given, wanted):
    x = torch.ones(3, dtype=given)
    assert precise(x).dtype == wanted
    assert (precise(x) is x) == (given == wanted)


@pytest.mark.parametrize("name", MODELS)
def test_losses_of_half_precision_outputs_are_those_of_the_same_values(name, fresh, shapes, monkeypatch):
    model = fresh(name)
    image, target = shapes()
    batch = model.preprocess([image], resize=False)
    with torch.no_grad():
        raw = {key: x.bfloat16() for key, x in model.raw_outputs(batch).items()}
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        typed = {key: x.to(dtype) for key, x in raw.items()}
        monkeypatch.setattr(model, "raw_outputs", lambda _batch, typed=typed: typed)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            found.append(model.losses(batch, [target]))
    half, single = found
    for key, value in half.items():
        assert value.dtype == torch.float32
        # products of matrices and convolutions stay in half precision: SOLOv2's masks, BlendMask's semantic head
        tolerance = {"loss_mask": 1e-2, "loss_basis_sem": 1e-2}.get(key, 1e-6)
        assert value.item() == pytest.approx(single[key].item(), rel=tolerance), key


def test_distances_beyond_the_largest_half_are_finite_under_autocast(fresh):
    model = fresh(MODELS[0])
    head, scale = model.bbox_head, model.bbox_head.scales[0]
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        head.conv_reg.bias.add_(12.0)
        _, distances, _ = head(torch.zeros(1, 256, 4, 4), scale)
        head.conv_reg.bias.sub_(12.0)
    assert distances.dtype == torch.float32
    assert distances.max().item() == pytest.approx(math.exp(12), rel=1e-2)


def test_sums_beyond_the_largest_half_are_finite():
    many = torch.ones(1, 300 * 300, dtype=torch.float16)
    assert losses.dice_loss(many, many).item() == pytest.approx(0, abs=1e-4)
    logits = torch.full((2000, 80), 3.0, dtype=torch.float16)
    background = torch.full((2000,), 80)
    assert losses.focal_sum(logits, background).item() == pytest.approx(
        losses.focal_sum(logits.double(), background).item(), rel=1e-5
    )
    assert losses.cross_entropy_sum(logits, torch.zeros_like(logits)).item() == pytest.approx(
        losses.cross_entropy_sum(logits.double(), torch.zeros(2000, 80)).item(), rel=1e-5
    )


def test_half_precision_boxes_cost_what_their_values_cost():
    predicted = torch.tensor([[300.0, 400.0, 500.0, 600.0]], dtype=torch.float16)  # its area has no float16
    wanted = torch.tensor([[310.0, 390.0, 520.0, 610.0]])
    for loss in (losses.iou_loss, losses.giou_loss):
        assert loss(predicted, wanted).item() == pytest.approx(loss(predicted.float(), wanted).item(), rel=1e-6)
    assert losses.centerness(wanted.half()).dtype == torch.float32


def test_gradients_reach_half_precision_outputs():
    logits, regression, center = (
        torch.full((1, 4, n), 1.0, dtype=torch.float16, requires_grad=True) for n in (CLASSES, 4, 1)
    )
    one = Assignment(torch.tensor([7, CLASSES, CLASSES, CLASSES]), torch.zeros(4, dtype=torch.int64), torch.ones(4, 4))
    wanted = gathered([one], [1], background=CLASSES)
    torch.stack(list(fcos_losses(logits, regression, center, wanted).values())).sum().backward()
    for output in (logits, regression, center):
        assert output.grad.dtype == torch.float16
        assert bool(torch.isfinite(output.grad).all())
