"""The names of the models, ``family/configuration``, each as its original project calls the configuration."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from npu_models.blendmask import BlendMask
from npu_models.errors import UnknownModelError
from npu_models.fcos import FCOS
from npu_models.network import Network
from npu_models.solov2 import LIGHT, SOLOv2

_MODELS: Mapping[str, Callable[[], Network]] = MappingProxyType(
    {
        # 1x and 3x are lengths of training: one network
        "blendmask/R_50_1x": partial(BlendMask, 50),
        "blendmask/R_50_3x": partial(BlendMask, 50),
        "blendmask/R_101_3x": partial(BlendMask, 101),
        "fcos/r50_caffe_fpn_gn-head_1x": partial(FCOS, 50),
        "fcos/r101_caffe_fpn_gn-head_1x": partial(FCOS, 101),
        "solov2/r50_fpn_1x": partial(SOLOv2, 50),
        "solov2/r50_fpn_3x": partial(SOLOv2, 50),
        "solov2/r101_fpn_3x": partial(SOLOv2, 101),
        "solov2/light_r50_fpn_3x": partial(SOLOv2, 50, LIGHT),
    }
)


def known_models() -> tuple[str, ...]:
    """The names that `build` knows."""
    return tuple(_MODELS)


def build(name: str) -> Network:
    """A network with fresh weights, in evaluation mode. Raises `UnknownModelError`, which lists the known names."""
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UnknownModelError(f"no model is named '{name}'; {hint}known: {', '.join(_MODELS)}")
    network: Network = _MODELS[name]().eval()
    return network
