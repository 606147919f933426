"""A network made faster for inference without changing what it computes.

Everywhere the stored batch norms are folded into the convolutions before them. On the CPU in float32 the backbone then
runs in oneDNN's own blocked layout, without a rearrangement before and after each convolution, and the 3x3 convolutions
of heads and necks become `npu_models.winograd`'s; in other types on the CPU, and on CUDA, the layout is channels-last;
elsewhere it is left alone: torch_npu refuses channels-last and has formats of its own. A backbone keeps the direct
kernels for planes of channels: what it loses in precision, all outputs lose.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from npu_models.resnet import ConvNorm, DetectronResNet, ResNet
from npu_models.winograd import faster

_Norm: TypeAlias = nn.BatchNorm2d | FrozenBatchNorm2d
_TRUNK = ("backbone",)  # the parts of a model, by the first part of their names, that feed all others


def optimise(model: nn.Module) -> None:
    """Change ``model``, which must be in evaluation mode, in place; see the module."""
    for module in list(model.modules()):
        _fold_children(module)
    model.requires_grad_(requires_grad=False)
    parameter = next(model.parameters())
    if parameter.device.type not in ("cpu", "cuda"):
        return
    if parameter.is_cuda or parameter.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        model.to(memory_format=torch.channels_last)
        return
    for prefix, module in list(model.named_modules()):
        if isinstance(module, ResNet | DetectronResNet):
            module.blocked = True
        for name, child in list(module.named_children()):
            trunk = (prefix or name).split(".")[0] in _TRUNK
            if isinstance(child, nn.Conv2d) and not trunk:
                setattr(module, name, faster(child))


def folded(convolution: nn.Conv2d, norm: _Norm) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does both; computed in float64 on the CPU, rounded once."""
    gain, offset, mean, variance = (
        getattr(norm, name).detach().cpu().double() for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (variance + norm.eps).sqrt()
    shift = offset - mean * scale
    if convolution.bias is not None:
        shift = shift + convolution.bias.detach().cpu().double() * scale
    weight = convolution.weight.detach().cpu().double() * scale.view(-1, 1, 1, 1)
    return weight.to(convolution.weight), shift.to(convolution.weight)


def _fold_children(module: nn.Module) -> None:
    """Fold each norm that directly follows a convolution among the parts of one module."""
    if isinstance(module, ConvNorm):
        _fold(module, module, "norm")
        return
    names = list(module._modules)  # noqa: SLF001 - pairs of neighbours; named_children() skips shared modules
    for first, second in pairwise(names):
        convolution = module.get_submodule(first) if module._modules[first] is not None else None  # noqa: SLF001
        if isinstance(convolution, nn.Conv2d):
            _fold(module, convolution, second)


def _fold(owner: nn.Module, convolution: nn.Conv2d, name: str) -> None:
    norm = getattr(owner, name)
    if not isinstance(norm, _Norm):
        return
    weight, bias = folded(convolution, norm)
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)
    setattr(owner, name, nn.Identity())
