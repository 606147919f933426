from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import npu_models
from npu_models.optimise import folded, optimise
from npu_models.winograd import WinogradConv2d

ALL = ("fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x", "solov2/r50_fpn_1x")


@pytest.mark.parametrize("name", ALL)
def test_outputs_agree_with_the_plain_network(lively, noise_image, name):
    model = lively(name)
    batch = model.preprocess([noise_image(160, 192)], resize=False)
    with torch.inference_mode():
        plain = model.raw_outputs(batch)
        fast = model.optimise().raw_outputs(batch)
    assert plain.keys() == fast.keys()
    for key, value in plain.items():
        assert (fast[key] - value).abs().max().item() <= 1e-5 * value.abs().max().item(), key


def test_outputs_agree_with_the_original(reference):
    for name in ALL:
        model = reference.new_model(name).optimise()
        with torch.inference_mode():
            reference.assert_dense(name, model.raw_outputs(reference.batch(name)))


@pytest.mark.parametrize("name", ALL)
def test_no_stored_norm_is_left_and_optimising_twice_is_optimising_once(lively, name):
    model = lively(name).train().optimise()
    assert not model.training
    kinds = {type(module) for module in model.modules()}
    assert not kinds & {nn.BatchNorm2d, FrozenBatchNorm2d}
    assert WinogradConv2d in kinds
    before = [id(module) for module in model.modules()]
    assert [id(module) for module in model.optimise().modules()] == before


def test_other_types_than_float32_keep_their_convolutions_in_channels_last_layout(lively, noise_image):
    model = lively(ALL[0]).double()
    batch = model.preprocess([noise_image(96, 96)], resize=False)
    with torch.inference_mode():
        plain = model.raw_outputs(batch)
        fast = model.optimise().raw_outputs(batch)
    assert not any(isinstance(module, WinogradConv2d) for module in model.modules())
    assert model.bbox_head.conv_cls.weight.is_contiguous(memory_format=torch.channels_last)
    assert all((fast[key] - plain[key]).abs().max() <= 1e-10 * plain[key].abs().max() for key in plain)


def test_a_device_with_formats_of_its_own_keeps_the_layout_of_the_weights():
    """torch_npu refuses channels-last for tensors and modules; the meta device stands for any that is neither."""
    with torch.device("meta"):
        model = npu_models.build(ALL[0])
    model.eval()
    for module in model.modules():  # folding computes on the CPU, where a tensor of the meta device has no values
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d):
                setattr(module, name, nn.Identity())
    optimise(model)
    assert all(p.is_contiguous() for p in model.parameters())
    assert not any(isinstance(module, WinogradConv2d) for module in model.modules())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_a_folded_convolution_is_the_convolution_and_its_norm(kind, bias):
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(5, 7, 3, bias=bias), kind(7).eval()
    for value in (norm.weight, norm.bias, norm.running_mean):
        value.data.normal_()
    norm.running_var.data.uniform_(0.1, 3.0)
    x = torch.randn(2, 5, 8, 9)
    wanted = norm(convolution(x))
    convolution.weight.data, shift = folded(convolution, norm)
    convolution.bias = nn.Parameter(shift)
    torch.testing.assert_close(convolution(x), wanted, rtol=1e-4, atol=1e-5)
