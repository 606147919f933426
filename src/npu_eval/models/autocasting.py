"""Autocast: a model's float32 operators in a shorter format wherever torch's lists for the device allow it.

A model *carries* it, because it is the candidate's alone: the reference may run in the same process on the same kind
of device. It is entered around each forward pass of that model, as a script with ``with torch.autocast(…)`` does it.
"""

from __future__ import annotations

import contextlib
import warnings

import torch
from torch import nn

_CARRIED = "_npu_eval_autocast"

OFF = "off"


def carry(model: nn.Module, kind: str, dtype: str) -> None:
    """Let the forward passes of a model run under autocast from now on.

    Args:
        kind: the kind of device that the model is on: ``cpu``, ``cuda`` or ``npu``.
        dtype: ``bfloat16`` or ``float16``.
    """
    model.__dict__[_CARRIED] = (kind, dtype)


def casting(model: nn.Module) -> contextlib.AbstractContextManager[object]:
    """What a forward pass of a model runs in: autocast where the model carries it."""
    carried = model.__dict__.get(_CARRIED)
    return contextlib.nullcontext() if carried is None else _autocast(*carried)


def reading(model: nn.Module) -> str:
    """The format that a model's forward passes are cast to, as torch tells it inside; ``off`` without one."""
    carried = model.__dict__.get(_CARRIED)
    return OFF if carried is None else read(*carried)


def read(kind: str, dtype: str) -> str:
    """The format in force inside autocast of a kind of device; ``off`` where the device refuses it.

    CUDA refuses with an error, the others with a warning after which autocast is off.
    """
    with contextlib.suppress(RuntimeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _autocast(kind, dtype):
            if torch.is_autocast_enabled(kind):
                return str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
    return OFF


def _autocast(kind: str, dtype: str) -> torch.autocast:
    return torch.autocast(kind, dtype=getattr(torch, dtype))
