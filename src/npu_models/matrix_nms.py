"""Matrix NMS: duplicates lose score by how much a better mask of their class covers them, all at once, no loop.

Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", 2020, section 3.3, with the Gaussian kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SIGMA = 2.0  # the paper's value, in all SOLOv2 configurations


def decayed_scores(masks: Tensor, areas: Tensor, classes: Tensor, scores: Tensor) -> Tensor:
    """The (K,) scores, sorted best first, after the decay. ``masks`` (K, P) bool, ``areas`` (K,) pixels."""
    overlap = _overlaps(masks, areas, classes)
    worst = overlap.max(dim=0).values
    decay = torch.exp(-_SIGMA * overlap**2) / torch.exp(-_SIGMA * worst**2)[:, None]
    return scores * decay.min(dim=0).values


def _overlaps(masks: Tensor, areas: Tensor, classes: Tensor) -> Tensor:
    """(K, K) intersection over union of mask i with the worse mask j > i of its class; 0 elsewhere."""
    overlap = areas.new_zeros((len(areas), len(areas)))
    for label in classes.unique():
        members = (classes == label).nonzero().squeeze(1)
        if len(members) < 2:
            continue
        flat = masks[members].to(areas.dtype)
        both = flat @ flat.t()
        area = areas[members]
        union = area[:, None] + area[None, :] - both
        overlap[members[:, None], members[None, :]] = (both / union).triu(1)
    return overlap
