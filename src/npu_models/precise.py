"""Where half precision does not reach: what follows a head is computed in float32 under autocast, too.

A coordinate above 2048 pixels has no exact float16, a distance above 65504 has none at all, and the sum over a mask or
over 20,000 points loses what each of them adds. The originals cast before their exponential and their losses (mmdet:
``force_fp32`` in its second version, ``.float()`` in its third; apex runs ``sigmoid`` in float32).
"""

from __future__ import annotations

import torch
from torch import Tensor


def precise(x: Tensor) -> Tensor:
    """``x`` in float32, or in its own type where that is wider; the same tensor where it already is."""
    return x.to(precise_type(x))


def precise_type(x: Tensor) -> torch.dtype:
    """The type that `precise` gives ``x``."""
    return torch.promote_types(x.dtype, torch.float32)
