from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from npu_models.resnet import ConvNorm
from npu_models.winograd import PlanarConv2d, WinogradConv2d, _matrices, faster, planar_conv2d


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(20, 47),
    st.integers(20, 47),
    st.sampled_from([1, 70, 128]),
    st.booleans(),
    st.booleans(),
)
def test_it_is_the_convolution_it_stands_for(images, height, width, channels, bias, channels_last):
    torch.manual_seed(height * 100 + width)
    convolution = nn.Conv2d(channels, 8, 3, padding=1, bias=bias)
    x = torch.randn(images, channels, height, width)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        wanted = convolution.double()(x.double())
        mine = WinogradConv2d(convolution.float())(x)
    assert mine.shape == wanted.shape
    assert (mine - wanted).abs().max().item() <= 3e-6 * wanted.abs().max().item()


def test_small_maps_take_the_direct_kernel():
    convolution = nn.Conv2d(4, 4, 3, padding=1)
    x = torch.randn(1, 4, 7, 9)
    with torch.inference_mode():
        assert torch.equal(WinogradConv2d(convolution)(x), convolution(x))


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(256, 256, 1),
        nn.Conv2d(256, 256, 3, padding=0),
        nn.Conv2d(256, 256, 3, padding=1, groups=2),
        nn.Conv2d(64, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=1).double(),
        ConvNorm(256, 256, 3),
    ],
    ids=["1x1", "no padding", "groups", "few inputs", "float64", "a norm inside"],
)
def test_other_convolutions_are_left_alone(convolution):
    assert faster(convolution) is convolution


def test_large_3x3_convolutions_are_replaced_and_the_others_computed_plane_by_plane():
    assert isinstance(faster(nn.Conv2d(256, 256, 3, padding=1)), WinogradConv2d)
    assert isinstance(faster(nn.Conv2d(256, 4, 3, padding=1)), PlanarConv2d)
    assert isinstance(faster(nn.Conv2d(256, 256, 3, padding=1, stride=2)), PlanarConv2d)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_layout_of_the_input_does_not_change_a_planar_convolution(stride):
    torch.manual_seed(2)
    convolution = nn.Conv2d(128, 4, 3, padding=1, stride=stride)
    x = torch.randn(2, 128, 9, 11)
    with torch.inference_mode():
        wanted = convolution(x)
        last = x.contiguous(memory_format=torch.channels_last)
        assert torch.equal(PlanarConv2d(convolution)(last), wanted)
        assert torch.equal(planar_conv2d(last, convolution.weight, convolution.bias, stride), wanted)


def test_the_maps_convolve_one_axis_exactly():
    into, evaluate, out_of = _matrices()
    torch.manual_seed(1)
    x, weight = torch.randn(6, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    wanted = torch.stack([(x[k : k + 3] * weight).sum() for k in range(4)])
    torch.testing.assert_close(out_of @ ((into @ x) * (evaluate @ weight)), wanted)
