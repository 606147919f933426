"""Batches of the deliverable's own photos on the device, as everything that is timed takes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from npu_eval.session.script import Context, dtype_of


def single_inputs(context: Context) -> dict[str, torch.Tensor]:
    """Input → its photo as a batch of one, on the CPU in float32; only those of the first one's shape can be joined."""
    names = [entry.path for entry in context.spec.inputs]
    singles = [context.preprocess([photo]) for photo in context.photos()]
    return {name: s for name, s in zip(names, singles, strict=True) if s.shape == singles[0].shape}


def batch_of(context: Context, singles: Sequence[torch.Tensor], size: int) -> torch.Tensor:
    """``size`` photos on the device in the candidate's dtype; they repeat only when there are too few."""
    photos = [singles[i % len(singles)] for i in range(size)]
    return torch.cat(photos).to(context.device.name, dtype_of(context.spec.candidate))
