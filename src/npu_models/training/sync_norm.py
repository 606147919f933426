"""Batch norms over all ranks, for exactly those that an original trains so.

An accelerator gets torch's own, which refuses a CPU, and which DistributedDataParallel refuses there; without another a
training with two gloo processes would not be the computation of the same training on two accelerators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from npu_models.precise import precise


class SyncNorm(nn.BatchNorm2d):
    """A batch norm whose mean and variance are those of the pixels of all ranks' batches, in plain PyTorch.

    Ioffe and Szegedy, "Batch Normalization", 2015, over the union of the batches. In evaluation mode, and without a
    process group, it is a plain one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape. In training every rank has to come here with at least one pixel."""
        if self.training and dist.is_available() and dist.is_initialized():
            return self._synchronised(precise(x)).to(x.dtype)
        normed: Tensor = super().forward(x)
        return normed

    def _synchronised(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        count = _over_ranks(x.new_tensor([x.numel() / x.shape[1]]))
        mean = _over_ranks(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _over_ranks(centred.square().sum(axes)) / count  # not of squares: those cancel in float32
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        normed = centred * torch.rsqrt(variance + self.eps).view(shape)
        return normed * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(unbiased, momentum)


def synchronise(network: nn.Module, names: Sequence[str]) -> None:
    """Put one that is computed over all ranks in the place of each named batch norm, in place.

    Parameters and buffers are the same ones under the same names; those on a CPU get a `SyncNorm`, others torch's.

    Raises:
        ValueError: a name is not that of a batch norm.
    """
    for name in names:
        old = network.get_submodule(name)
        if not isinstance(old, nn.BatchNorm2d | nn.SyncBatchNorm):
            raise ValueError(f"{name} is a {type(old).__name__}, not a batch norm")
        kind = SyncNorm if old.weight.device.type == "cpu" else nn.SyncBatchNorm
        new = kind(old.num_features, old.eps, old.momentum)
        new.weight, new.bias = old.weight, old.bias
        new.running_mean, new.running_var = old.running_mean, old.running_var
        new.num_batches_tracked = old.num_batches_tracked
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, new.train(old.training))


class _Sum(torch.autograd.Function):
    """The sum over all ranks; the sum of their gradients too, as every rank's outputs depend on each one's input."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _over_ranks(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total
