from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.ops import FrozenBatchNorm2d

from npu_models.resnet import ConvNorm, DetectronResNet, FrozenNorm, ResNet


def test_pytorch_style_is_torchvisions_resnet_under_the_same_names():
    torch.manual_seed(0)
    theirs = resnet50(weights=None).eval()
    mine = ResNet(50, caffe_style=False, frozen_stages=1, trainable_norms=True).eval()
    kept = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    mine.load_state_dict(kept, strict=True)
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
        for number, found in enumerate(mine(x), start=1):
            wanted = getattr(theirs, f"layer{number}")(wanted)
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("caffe_style", [False, True])
def test_the_style_moves_the_stride_and_nothing_else(caffe_style):
    network = ResNet(50, caffe_style=caffe_style, frozen_stages=1, trainable_norms=False)
    block = network.get_submodule("layer3")[0]
    assert (block.conv1.stride, block.conv2.stride) == (((2, 2), (1, 1)) if caffe_style else ((1, 1), (2, 2)))
    assert [tuple(x.shape[-2:]) for x in network(torch.zeros(1, 3, 64, 96))] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_norms_stay_in_evaluation_mode_while_training():
    network = ResNet(50, caffe_style=True, frozen_stages=1, trainable_norms=True).train()
    assert network.training
    assert not any(module.training for module in network.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize(("trainable_norms", "norms"), [(True, True), (False, False)])
def test_stem_and_first_stage_are_frozen_and_norms_as_asked(trainable_norms, norms):
    network = ResNet(50, caffe_style=True, frozen_stages=1, trainable_norms=trainable_norms)
    assert not any(
        p.requires_grad for p in [*network.conv1.parameters(), *network.get_submodule("layer1").parameters()]
    )
    assert network.get_submodule("layer2")[0].conv1.weight.requires_grad
    assert network.get_submodule("layer2")[0].bn1.weight.requires_grad is norms


def test_detectrons_norms_are_buffers_without_a_counter():
    convolution = ConvNorm(3, 4, 1)
    assert set(convolution.state_dict()) == {
        "weight",
        *(f"norm.{k}" for k in ("weight", "bias", "running_mean", "running_var")),
    }
    assert [name for name, _ in convolution.named_parameters()] == ["weight"]


def test_a_frozen_norm_is_torchvisions_up_to_rounding():
    torch.manual_seed(1)
    mine, theirs = FrozenNorm(6), FrozenBatchNorm2d(6)
    for value in (mine.weight, mine.bias, mine.running_mean):
        value.normal_()
    mine.running_var.uniform_(0.5, 2.0)
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(mine(x), theirs(x))


def test_the_blocked_layout_computes_the_same_numbers():
    torch.manual_seed(2)
    network = DetectronResNet(50).eval()
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.norm = nn.Identity()
            module.weight.data.mul_(0.5)
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        plain = network(x)
        network.blocked = True
        for found, wanted in zip(network(x), plain, strict=True):
            assert found.layout == torch.strided
            torch.testing.assert_close(found, wanted)
