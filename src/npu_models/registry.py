"""The names of the models, ``family/configuration``, each as its original project calls the configuration.

A family's module is imported when one of its models is built, so a folder that holds one family needs no other.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from npu_models.errors import UnknownModelError
from npu_models.network import Network

CLASSES: Mapping[str, str] = MappingProxyType({"blendmask": "BlendMask", "fcos": "FCOS", "solov2": "SOLOv2"})
"""Family → its class, in the module of the family's name."""

_MODELS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        # 1x and 3x are lengths of training: one network
        "blendmask/R_50_1x": (50,),
        "blendmask/R_50_3x": (50,),
        "blendmask/R_101_3x": (101,),
        "blendmask/550_R_50_1x": (50, "Base-550"),
        "blendmask/550_R_50_3x": (50, "Base-550"),
        "blendmask/RT_R_50_4x_syncbn_shtw": (50, "RT_syncbn_shtw"),
        "blendmask/RT_R_50_4x_bn-head_syncbn_shtw": (50, "RT_bn-head_syncbn_shtw"),
        "fcos/r50_caffe_fpn_gn-head_1x": (50,),
        "fcos/r101_caffe_fpn_gn-head_1x": (101,),
        "solov2/r50_fpn_1x": (50,),
        "solov2/r50_fpn_3x": (50,),
        "solov2/r101_fpn_3x": (101,),
        "solov2/light_r50_fpn_3x": (50, "light"),
    }
)
"""Name → the arguments of the family's class."""


def known_models() -> tuple[str, ...]:
    """The names that `build` knows."""
    return tuple(_MODELS)


def build(name: str) -> Network:
    """A network with fresh weights, in evaluation mode. Raises `UnknownModelError`, which lists the known names."""
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UnknownModelError(f"no model is named '{name}'; {hint}known: {', '.join(_MODELS)}")
    family = name.partition("/")[0]
    module = importlib.import_module(f"npu_models.{family}")
    network: Network = getattr(module, CLASSES[family])(*_MODELS[name])
    return network.eval()
