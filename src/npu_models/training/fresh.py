"""Fresh weights of what a training starts from nothing: the originals' draws, where they are not torch's own.

torch draws a convolution's weights and bias uniformly with a deviation of ``1 / sqrt(3 * fan_in)``: half of what the
pyramids of the originals start with, and biases that theirs do not have. Heads have a draw of their own
(`npu_models.towers.initialise_head`). Backbones keep torch's: in every recipe their weights come from a file.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def draw_xavier(module: nn.Module) -> None:
    """Each convolution in ``module``: uniform with deviation ``sqrt(2 / (fan_in + fan_out))``, bias 0.

    mmdet's pyramids (``init_cfg`` of mmdet/models/necks/fpn.py). Glorot and Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", 2010, equation 16.
    """
    _draw(module, nn.init.xavier_uniform_)


def draw_caffe2_xavier(module: nn.Module) -> None:
    """Each convolution in ``module``: uniform with deviation ``sqrt(1 / fan_in)``, bias 0: Caffe2's "XavierFill".

    The pyramids of detectron2 (``c2_xavier_fill`` of fvcore) and AdelaiDet's blocks of convolution and norm
    (adet/layers/conv_with_kaiming_uniform.py).
    """
    _draw(module, lambda weight: nn.init.kaiming_uniform_(weight, a=1))


def _draw(module: nn.Module, fill: Callable[[Tensor], Tensor]) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fill(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
