"""3x3 convolutions with 2.25 instead of 9 multiplications an output, for the CPU.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016: F(4x4, 3x3). A tile of 6x6 inputs becomes 36
numbers by a linear map, so do the weights, once; 36 matrix products over the channels take the place of the
convolution; another linear map turns 36 numbers into 4x4 outputs. All three are matrix products here.

The maps come from evaluating polynomials at five points and at infinity. The usual 0, ±1, ±2 lose a digit; ±2/3 and
±3/2 keep the error at that of the direct kernel (rms 1.5e-7 of the largest value at 256 channels, measured).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

_POINTS = (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2))
_OUT = 4  # outputs a side of a tile
_IN = _OUT + 2  # inputs a side of a tile
_TILES_AT_ONCE = (
    150  # of 36 x C numbers: they stay in the cache from one product to the next (measured best of 60 … 600)
)
_CHANNELS_AT_ONCE = 64  # summed in one go: shorter float32 sums, a third of the rounding error, no slower
_MIN_PIXELS = 400  # maps below about 20 x 20 are faster by the direct kernel (measured)
_MIN_INPUTS = 128  # with fewer channels the maps cost more than the products save (measured)
_MIN_OUTPUTS = 64


def planar_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """A 3x3 convolution of padding 1 by the direct kernel for planes of channels, whatever the layout of its input.

    The CPU's kernel for channels-last data adds up all the products of an output one by one; the one for planes has a
    sixth of its rounding error (2e-7 against 1.4e-6 of the largest value at 256 channels, measured) and equal speed.
    """
    return F.conv2d(x.contiguous(), weight.contiguous(), bias, stride=stride, padding=1)


class PlanarConv2d(nn.Module):
    """A stand-in for a 3x3 convolution of padding 1 that computes it as `planar_conv2d`."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias
        self.stride = convolution.stride[0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, K, H / stride, W / stride)."""
        return planar_conv2d(x, self.weight, self.bias, self.stride)


def faster(convolution: nn.Conv2d) -> nn.Module:
    """The stand-in that suits a convolution, or the convolution itself where it is best left alone."""
    eligible = (
        isinstance(getattr(convolution, "norm", None), nn.Identity | None)  # a norm inside it must have been folded
        and convolution.kernel_size == (3, 3)
        and convolution.padding == convolution.dilation == (1, 1)
        and convolution.groups == 1
        and convolution.in_channels >= _MIN_INPUTS
        and convolution.weight.device.type == "cpu"
        and convolution.weight.dtype == torch.float32
    )
    if not eligible:
        return convolution
    if convolution.stride == (1, 1) and convolution.out_channels >= _MIN_OUTPUTS:
        return WinogradConv2d(convolution)
    return PlanarConv2d(convolution)


class WinogradConv2d(nn.Module):
    """A stand-in for a 3x3 convolution of stride and padding 1, for inference in float32 on the CPU."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias
        evaluate = _matrices()[1]
        tiles = torch.einsum("ai,bj,kcij->abck", evaluate, evaluate, convolution.weight.detach().double())
        self.register_buffer("tiles", tiles.flatten(0, 1).float().contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, K, H, W); the direct kernel where that is faster."""
        if x.shape[-2] * x.shape[-1] < _MIN_PIXELS:
            return planar_conv2d(x, self.weight, self.bias)
        result = _convolve(x, self.get_buffer("tiles"))
        return result if self.bias is None else result.add_(self.bias.view(1, -1, 1, 1))


def _convolve(x: Tensor, tiles: Tensor) -> Tensor:
    images, channels, height, width = x.shape
    rows, columns = -(-height // _OUT), -(-width // _OUT)
    padded = _padded(x, rows * _OUT + 2, columns * _OUT + 2)
    image, row, column, channel = padded.stride()
    into, _, out_of = _matrices()
    into, out_of = (torch.kron(matrix, matrix).to(x.dtype) for matrix in (into, out_of))
    outputs = tiles.shape[2]
    result = x.new_empty((images, rows, _OUT, columns, _OUT, outputs))
    step = max(_TILES_AT_ONCE // (images * columns), 1)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        shape = (_IN, _IN, images, count, columns, channels)
        strides = (row, column, image, row * _OUT, column * _OUT, channel)
        window = padded.as_strided(shape, strides, padded.storage_offset() + first * _OUT * row)
        points = (into @ window.reshape(_IN * _IN, -1)).view(_IN * _IN, -1, channels)
        products = _multiply(points, tiles)
        values = (out_of @ products.view(_IN * _IN, -1)).view(_OUT, _OUT, images, count, columns, outputs)
        result[:, first : first + count] = values.permute(2, 3, 0, 4, 1, 5)
    flat = result.view(images, rows * _OUT, columns * _OUT, outputs)
    return flat[:, :height, :width].permute(0, 3, 1, 2)


def _padded(x: Tensor, rows: int, columns: int) -> Tensor:
    """(N, rows, columns, C): the map one pixel in from the upper left corner, with zeros around it only."""
    images, channels, height, width = x.shape
    padded = x.new_empty((images, rows, columns, channels))
    padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
    padded[:, 0] = 0
    padded[:, height + 1 :] = 0
    padded[:, :, 0] = 0
    padded[:, :, width + 1 :] = 0
    return padded


def _multiply(points: Tensor, tiles: Tensor) -> Tensor:
    """36 products over the channels, some channels at a time."""
    parts = zip(points.split(_CHANNELS_AT_ONCE, dim=2), tiles.split(_CHANNELS_AT_ONCE, dim=1), strict=True)
    first, weights = next(parts)
    products = torch.bmm(first, weights)
    for part, weights in parts:
        products.baddbmm_(part, weights)
    return products


@cache
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """The maps of one axis in float64: inputs to points (6, 6), weights to points (6, 3), points to outputs (4, 6).

    Toom and Cook's construction: a weight or output polynomial is evaluated at each point, its highest coefficient
    standing for infinity; inputs are combined by the coefficients of the polynomials that vanish at all other points.
    """
    weights, inputs = [], []
    for point in _POINTS:
        others = [other for other in _POINTS if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        weights.append([point**power / scale for power in range(3)])
        inputs.append([*_with_roots(others), Fraction(0)])
    weights.append([Fraction(0), Fraction(0), Fraction(1)])
    inputs.append(_with_roots(list(_POINTS)))
    outputs = [[*(point**power for point in _POINTS), Fraction(int(power == _OUT - 1))] for power in range(_OUT)]
    into, evaluate, out_of = (
        torch.tensor([[float(value) for value in line] for line in matrix], dtype=torch.float64)
        for matrix in (inputs, weights, outputs)
    )
    return into, evaluate, out_of


def _with_roots(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients, lowest first, of the product of (x - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        scaled = [*(-root * c for c in coefficients), Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients
