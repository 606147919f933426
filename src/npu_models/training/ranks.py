"""Averages over the processes of a data-parallel training, and nothing else of it."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def mean_over_ranks(values: Tensor) -> Tensor:
    """``values`` averaged over the ranks of the default process group, without a gradient; as they are without a group.

    Every rank has to come here. mmdet and AdelaiDet divide by such a mean (both call it ``reduce_mean``), since
    data-parallel training averages the gradients of its ranks: with a divisor of its own, a rank with few objects would
    weigh each of them more than the others do.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
