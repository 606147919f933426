"""Fold each batch norm into the convolution before it, for any network: which follows which is seen in one forward.

Inference then reads and writes each activation once less. What it computes stays the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a batch norm with stored statistics, by torch's own classes or torchvision's frozen one."""
    stored = isinstance(module, _BatchNorm) and module.running_mean is not None
    return stored or type(module).__name__ == "FrozenBatchNorm2d"


def fold(model: nn.Module, run: Callable[[], Any]) -> int:
    """Fold what can be folded in ``model``, in evaluation mode, in place; returns how many norms went.

    A norm is folded when each of its inputs in ``run()``, one forward pass, is the output of one and the same
    convolution, and that convolution feeds no other norm. A convolution whose output something else reads as well
    would change what that reads: the comparison with the reference, which follows every switch, finds it.
    """
    names = {module: name for name, module in model.named_modules()}
    made: dict[int, tuple[nn.Module, torch.Tensor]] = {}  # the tensors stay alive, so that no number is used twice
    before: dict[nn.Module, set[nn.Module | None]] = {}

    def remember(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            made[id(output)] = (module, output)

    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        source = made.get(id(inputs[0]))
        before.setdefault(module, set()).add(source[0] if source else None)

    hooks = [m.register_forward_hook(remember) for m in names if type(m) is nn.Conv2d]
    hooks += [m.register_forward_pre_hook(look) for m in names if is_norm(m)]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    pairs = [(next(iter(sources)), norm) for norm, sources in before.items() if len(sources) == 1]
    feeding = [convolution for convolution, _ in pairs]
    count = 0
    for convolution, norm in pairs:
        if isinstance(convolution, nn.Conv2d) and feeding.count(convolution) == 1:
            _fold(convolution, norm)
            _replace(model, names[norm], _rest(norm))
            count += 1
    return count


def _fold(convolution: nn.Conv2d, norm: Any) -> None:
    """Weight and bias of the one convolution that does both; computed in float64, rounded once."""
    weight = convolution.weight.detach().double()
    ones = torch.ones_like(norm.running_mean).double()
    gain = ones if norm.weight is None else norm.weight.detach().double()
    offset = torch.zeros_like(ones) if norm.bias is None else norm.bias.detach().double()
    scale = gain / (norm.running_var.double() + norm.eps).sqrt()
    bias = torch.zeros_like(scale) if convolution.bias is None else convolution.bias.detach().double()
    bias = (bias - norm.running_mean.double()) * scale + offset
    dtype = convolution.weight.dtype
    convolution.weight = nn.Parameter((weight * scale.view(-1, 1, 1, 1)).to(dtype), requires_grad=False)
    convolution.bias = nn.Parameter(bias.to(dtype), requires_grad=False)


def _rest(norm: nn.Module) -> nn.Module:
    """What a norm does after normalising: timm's norms carry a dropout and an activation."""
    parts = [part for name in ("drop", "act") if isinstance(part := getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*parts).eval() if parts else nn.Identity()


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, module)
