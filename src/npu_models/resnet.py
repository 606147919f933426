"""ResNet-50 and -101 in the two dialects of the original checkpoints.

The arithmetic is one; the names differ (torchvision and mmdet: ``layer1.0.bn1``; detectron2: ``res2.0.conv1.norm``),
and so does the place of the stride: in the 3x3 convolution (torchvision, ``pytorch`` style) or in the 1x1 before it
(the original paper, ``caffe`` or MSRA style). Batch norms always use their stored statistics: detectors fine-tune on
batches too small to estimate any.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses
from torchvision.ops import FrozenBatchNorm2d

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # bottlenecks of the four stages, by depth
_WIDTHS = (64, 128, 256, 512)  # channels of the 3x3 convolutions of the four stages


class ResNet(nn.Module):
    """A ResNet of bottlenecks with the names of torchvision and mmdet, returning the outputs of all four stages.

    The stem and ``frozen_stages`` stages take no gradient; ``trainable_norms``: whether the norms of the others do.
    ``blocked``, which `npu_models.optimise` sets once the norms are folded, computes in oneDNN's own layout on the CPU.
    """

    def __init__(self, depth: int, *, caffe_style: bool, frozen_stages: int, trainable_norms: bool) -> None:
        super().__init__()
        self.blocked = False
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for number, (width, count) in enumerate(zip(_WIDTHS, _BLOCKS[depth], strict=True), start=1):
            stride = 1 if number == 1 else 2
            blocks = [_Bottleneck(channels, width, stride, caffe_style=caffe_style, project=True)]
            blocks += [
                _Bottleneck(4 * width, width, 1, caffe_style=caffe_style, project=False) for _ in range(1, count)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            channels = 4 * width
        frozen = [self.conv1, self.bn1, *(self.get_submodule(f"layer{k}") for k in range(1, frozen_stages + 1))]
        if not trainable_norms:
            frozen += [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        _freeze(frozen)

    def train(self, mode: bool = True) -> Self:
        """As in torch, but the batch norms stay in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → the outputs of the stages, 1/4, 1/8, 1/16 and 1/32 of the size."""
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(_entered(images, self.blocked)))))
        return _climbed(x, [self.get_submodule(f"layer{number}") for number in range(1, 5)])


class DetectronResNet(nn.Module):
    """A ResNet of bottlenecks with detectron2's names, frozen norms and the stride in the 1x1 convolution.

    The stem and the first stage take no gradient, as in all of detectron2's COCO configurations. With ``norms_learn``
    the norms are batch norms and everything is trained (``NORM: SyncBN``, ``FREEZE_AT: -1``).
    """

    def __init__(self, depth: int, *, norms_learn: bool = False) -> None:
        super().__init__()
        self.blocked = False
        self.stem = _DetectronStem()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for number, (width, count) in enumerate(zip(_WIDTHS, _BLOCKS[depth], strict=True), start=2):
            stride = 1 if number == 2 else 2
            blocks = [_DetectronBottleneck(channels, width, stride, project=True)]
            blocks += [_DetectronBottleneck(4 * width, width, 1, project=False) for _ in range(1, count)]
            self.add_module(f"res{number}", nn.Sequential(*blocks))
            channels = 4 * width
        if norms_learn:
            for module in [m for m in self.modules() if isinstance(m, ConvNorm)]:
                module.norm = nn.BatchNorm2d(module.out_channels)
        else:
            _freeze([self.stem, self.get_submodule("res2")])

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → the outputs of the stages, 1/4, 1/8, 1/16 and 1/32 of the size."""
        x = self.maxpool(torch.relu_(self.stem(_entered(images, self.blocked))))
        return _climbed(x, [self.get_submodule(f"res{number}") for number in range(2, 6)])


class FrozenNorm(FrozenBatchNorm2d):  # type: ignore[misc]  # torchvision has no type information
    """A batch norm of constants: buffers without ``num_batches_tracked``, as detectron2 stores them.

    torchvision's multiplies and adds; detectron2's calls the batch-norm kernel, which rounds differently. Where a mask
    reaches beyond the bases its probability is exactly one half, so that last bit decides pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the stored statistics."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


class ConvNorm(nn.Conv2d):
    """A convolution that carries its norm inside it, as detectron2 names them: ``weight`` and ``norm.weight``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm: nn.Module = FrozenNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, then normalise."""
        normed: Tensor = self.norm(super().forward(x))
        return normed


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, *, caffe_style: bool, project: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if caffe_style else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module | None = None
        if project:
            convolution = nn.Conv2d(inputs, 4 * width, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = torch.relu_(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return torch.relu_(x.add_(shortcut))


class _DetectronBottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, *, project: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, width, 1, stride)
        self.conv2 = ConvNorm(width, width, 3)
        self.conv3 = ConvNorm(width, 4 * width, 1)
        self.shortcut = ConvNorm(inputs, 4 * width, 1, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = torch.relu_(self.conv1(x))
        x = torch.relu_(self.conv2(x))
        x = self.conv3(x)
        return torch.relu_(x.add_(shortcut))


class _DetectronStem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv1(x)
        return result


def _entered(images: Tensor, blocked: bool) -> Tensor:
    """The images in the layout in which the backbone computes."""
    return images.to_mkldnn() if blocked and images.device.type == "cpu" else images


def _climbed(x: Tensor, stages: list[nn.Module]) -> list[Tensor]:
    """The outputs of the stages, one after the other, in the ordinary layout."""
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x.to_dense() if x.is_mkldnn else x)
    return outputs


def _freeze(modules: list[nn.Module]) -> None:
    for module in modules:
        module.requires_grad_(requires_grad=False)
