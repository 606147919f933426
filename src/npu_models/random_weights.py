"""Random weights under which a detector detects: signals neither die nor explode, and some scores pass the thresholds.

The usual initialisation of a detector gives every class a probability of one per cent, so an untrained network finds
nothing, and a dry run or a benchmark on it would never enter the post-processing.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from npu_models.network import Network

_LATERAL_GAIN = 0.25  # lateral connections add up over the levels of a pyramid
_RAW_PIXEL_GAIN = 1 / 64  # of the stem where pixels are not divided by their standard deviation
_RESIDUAL_GAIN = 0.5  # of the last norm of a block, whose output is added to its input
_CLASS_BIAS = -4.5  # a probability of 1 % at the median: with 80 classes the tail passes the thresholds
_DISTANCE_BIAS = 2.5  # boxes of several strides; also the offset of BlendMask's bases


@torch.no_grad()
def randomise(model: Network, generator: torch.Generator | None = None) -> None:
    """Overwrite the weights in place, from ``generator`` or else torch's global one.

    Convolutions keep the variance of their input (He et al., 2015).
    """
    weights = model.state_dict()
    raw_pixels = model.preprocessing.std[0] == 1
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = weights[f"{name}.weight"]
            gain = _LATERAL_GAIN if "lateral" in name else 1.0
            if weight.shape[1] == 3 and raw_pixels:
                gain *= _RAW_PIXEL_GAIN
            weight.normal_(0, gain * math.sqrt(2 / weight[0].numel()), generator=generator)
            if module.bias is not None:
                weights[f"{name}.bias"].zero_()
        if name.endswith(("bn3", "conv3.norm")):
            weights[f"{name}.weight"].fill_(_RESIDUAL_GAIN)
    for name, value in weights.items():
        if name.endswith(("cls_logits.bias", "conv_cls.bias")):
            value.fill_(_CLASS_BIAS)
        if name.endswith(("bbox_pred.bias", "conv_reg.bias", "basis_module.tower.4.bias", "basis_module.tower.5.bias")):
            value.fill_(_DISTANCE_BIAS)
