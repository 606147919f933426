"""A model's parameters and buffers before a run, so that it is as it was after it, and a change is noticed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from npu_eval.errors import AdapterError
from npu_eval.locate.record import state_of


@contextlib.contextmanager
def kept(model: nn.Module, file: Path) -> Iterator[None]:
    """Put parameters, buffers and gradients back afterwards; their copy lies on disk meanwhile."""
    state = state_of(model)
    torch.save({name: tensor.detach() for name, tensor in state.items()}, file)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = None
    try:
        yield
    finally:
        saved = torch.load(file, map_location="cpu", mmap=True)
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(saved[name])
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
        del saved
        file.unlink()


@contextlib.contextmanager
def unchanging(model: nn.Module, what: str) -> Iterator[None]:
    """Refuse a model that changes its own parameters or buffers while it is only asked for its outputs.

    Raises:
        AdapterError: with the name of the first one that changed.
    """
    before = {name: tensor._version for name, tensor in state_of(model).items()}  # noqa: SLF001  counts the writes
    yield
    after = {name: tensor._version for name, tensor in state_of(model).items()}  # noqa: SLF001
    changed = [name for name, version in after.items() if before.get(name) != version]
    if changed:
        raise AdapterError(
            f"the {what} changes its own '{changed[0]}' while it runs",
            where=type(model).__name__,
            fix="put it into eval mode, or compare a training step",
        )
