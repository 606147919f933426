"""Fresh weights against the formulas of the originals: 3 % is four standard errors of the smallest tensor here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from npu_models.training.fresh import draw_caffe2_xavier, draw_xavier

TOLERANCE = 0.03


def convolutions(model, prefix):
    return {n: m for n, m in model.named_modules() if n.startswith(prefix) and isinstance(m, nn.Conv2d)}


def assert_drawn(found, deviation):
    for name, module in found.items():
        assert module.weight.std().item() == pytest.approx(deviation(module), rel=TOLERANCE), name
        assert module.weight.abs().max().item() <= deviation(module) * math.sqrt(3), name  # uniform
        assert module.bias is None or not module.bias.any(), name


def glorot(module):
    receptive = math.prod(module.kernel_size)
    return math.sqrt(2 / (receptive * (module.in_channels + module.out_channels)))


def caffe2(module):
    return math.sqrt(1 / (math.prod(module.kernel_size) * module.in_channels))


def torchs_own(module):
    return caffe2(module) / math.sqrt(3)


def test_xavier_draws_by_both_fans_and_leaves_no_bias():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 256, 3), nn.ReLU(), nn.Conv2d(256, 32, 1, bias=False))
    draw_xavier(module)
    assert_drawn(convolutions(module, ""), glorot)


def test_caffe2s_xavier_draws_by_the_inputs_alone():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(64, 256, 3), nn.Conv2d(256, 32, 1, bias=False))
    draw_caffe2_xavier(module)
    assert_drawn(convolutions(module, ""), caffe2)


@pytest.mark.parametrize("name", ["fcos/r50_caffe_fpn_gn-head_1x", "solov2/r50_fpn_1x"])
def test_pyramids_of_mmdet_are_drawn_by_xavier(name, fresh):
    found = convolutions(fresh(name), "neck.")
    assert len(found) == 8
    assert_drawn(found, glorot)


def test_the_pyramid_of_blendmask_and_its_blocks_are_drawn_by_caffe2s_xavier(fresh):
    model = fresh("blendmask/R_50_1x")
    pyramid = convolutions(model, "backbone.fpn_") | convolutions(model, "backbone.top_block.")
    blocks = convolutions(model, "basis_module.refine.") | convolutions(model, "basis_module.tower.")
    last = blocks.pop("basis_module.tower.5")
    assert (len(pyramid), len(blocks)) == (8, 7)
    assert_drawn(pyramid | blocks, caffe2)
    assert last.bias.any()


def test_the_semantic_head_of_blendmask_keeps_torchs_draw(fresh):
    head = convolutions(fresh("blendmask/R_50_1x"), "basis_module.seg_head.")
    assert len(head) == 3
    for name, module in head.items():
        assert module.weight.std().item() == pytest.approx(torchs_own(module), rel=TOLERANCE), name


@pytest.mark.parametrize(
    ("name", "head", "scores"),
    [
        ("fcos/r50_caffe_fpn_gn-head_1x", "bbox_head.", "bbox_head.conv_cls"),
        ("solov2/r50_fpn_1x", "mask_head.", "mask_head.conv_cls"),
        ("blendmask/R_50_1x", "proposal_generator.fcos_head.", "proposal_generator.fcos_head.cls_logits"),
    ],
)
def test_heads_are_normal_with_a_prior_of_one_percent(name, head, scores, fresh):
    for key, module in convolutions(fresh(name), head).items():
        assert module.weight.std().item() == pytest.approx(0.01, rel=TOLERANCE), key
        if key == scores:
            assert torch.sigmoid(module.bias).tolist() == pytest.approx([0.01] * 80)
        else:
            assert module.bias is None or not module.bias.any(), key
