"""A network made faster for inference without changing what it computes: folded norms and channels-last weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from npu_models.resnet import ConvNorm

_Norm = nn.BatchNorm2d | FrozenBatchNorm2d


def optimise(model: nn.Module) -> None:
    """Change ``model``, which must be in evaluation mode, in place: every stored batch norm folded, channels last."""
    for module in list(model.modules()):
        _fold_children(module)
    model.requires_grad_(requires_grad=False)
    model.to(memory_format=torch.channels_last)


def folded(convolution: nn.Conv2d, norm: _Norm) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does both; computed in float64 on the CPU, rounded once."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain, offset, mean, variance = (
        x.detach().cpu().double() for x in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
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
    for first, second in zip(names, names[1:], strict=False):
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
