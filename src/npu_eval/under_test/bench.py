"""A model on its device, ready to be called and timed, and open to be changed by switches before that."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from npu_eval.device.device import timed
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import Context, dtype_of
from npu_eval.under_test.batches import batch_of, single_inputs

Outputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class _Forward:
    """Stands for the adapter where a switch replaced its forward pass."""

    forward: Callable[[nn.Module, torch.Tensor], Outputs]


@dataclass
class Bench:
    """A model and its batches on one device. A switch changes the fields; then only `call` and its like are used.

    ``upload`` makes the way of the batch from the host part of each call.
    """

    context: Context
    model: nn.Module
    singles: Sequence[torch.Tensor]
    upload: bool = False
    forward: Callable[[nn.Module, torch.Tensor], Outputs] | None = None
    dtype: torch.dtype | None = None
    memory_format: torch.memory_format = torch.contiguous_format
    pinned: bool = False
    streams: int = 1
    _batches: dict[int, torch.Tensor] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``npu``."""
        return self.context.device.name.partition(":")[0]

    def batch(self, size: int) -> torch.Tensor:
        """A batch as the switches want it: on the device, or on the host where the upload is timed too."""
        if size not in self._batches:
            made = self.ready(batch_of(self.context, self.singles, size))
            if self.upload:
                made = made.cpu().pin_memory() if self.pinned else made.cpu()
            self._batches = {size: made}  # one at a time: a sweep must not fill the memory with finished sizes
        return self._batches[size]

    def ready(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch on the device in the format that the switches want."""
        batch = batch.to(self.context.device.name, self.dtype or dtype_of(self.context.spec.candidate))
        return batch.contiguous(memory_format=self.memory_format) if batch.dim() == 4 else batch

    def outputs(self, batch: torch.Tensor) -> Outputs:
        """The forward pass of a batch, not waited for."""
        context = self.context
        adapter: Any = context.adapter if self.forward is None else _Forward(self.forward)
        return checked_forward(adapter, self.model, batch, context.spec.adapter)

    def call(self, size: int) -> Outputs:
        """One call as it is timed, not waited for."""
        batch = self.batch(size)
        if self.upload:
            batch = batch.to(self.context.device.name, non_blocking=self.pinned)
        return self.outputs(batch)

    def latencies(self, size: int, calls: int) -> list[float]:
        """Seconds of each of so many calls, each synchronised before and after."""
        return [timed(self.context.device, lambda: self.call(size))[0] for _ in range(calls)]

    def window(self, size: int, calls: int) -> float:
        """Seconds of so many calls, submitted one after the other and waited for once."""
        lanes = _lanes(self.kind, self.streams)

        def submit() -> None:
            for number in range(calls):
                with lanes[number % len(lanes)]:
                    self.call(size)

        return timed(self.context.device, submit)[0]

    def race(self, size: int, start_at: float, seconds: float) -> tuple[int, float]:
        """(calls finished, seconds) from a moment that several processes share, for so long."""
        time.sleep(max(0.0, start_at - time.monotonic()))
        calls = 0
        while time.monotonic() < start_at + seconds:
            timed(self.context.device, lambda: self.call(size))
            calls += 1
        return calls, time.monotonic() - start_at


def make_bench(context: Context, *, upload: bool = False) -> Bench:
    """The candidate's model and photos as the spec describes them, with nothing turned on."""
    model = context.model(context.spec.candidate, context.device.name)
    return Bench(context=context, model=model, singles=list(single_inputs(context).values()), upload=upload)


def _lanes(kind: str, streams: int) -> list[contextlib.AbstractContextManager[Any]]:
    """Contexts in which calls are submitted: streams of the device where there are several, else nothing."""
    if streams < 2 or kind == "cpu":
        return [contextlib.nullcontext()]
    module = torch.get_device_module(kind)
    return [module.stream(module.Stream()) for _ in range(streams)]
