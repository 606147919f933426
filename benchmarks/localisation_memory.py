"""How long finding an operator takes on BlendMask, and how much its tensors hold at most beyond the model.

    python benchmarks/localisation_memory.py [--model blendmask/R_50_1x] [--height 320] [--width 416]

*Largest operator* is the one whose inputs and outputs together are the largest, the weights left out: they are the
model's. The peak is of all tensors that are allocated while `locate` runs, by torch's own profiler; twice the largest
operator is what it is held to. The time is of a second run, without a profiler.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import npu_models
from npu_eval.locate import locate
from npu_models.random_weights import randomise

MIB = 2**20
SECONDS = 300.0
"""What finding an operator of this model may take on two cores."""


class Operators(TorchDispatchMode):
    """Remembers the operator with the most bytes in its inputs and outputs, parameters left out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.own = {value.data_ptr() for value in (*model.parameters(), *model.buffers())}
        self.most, self.name = 0, ""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call, and weigh."""
        outputs = func(*args, **(kwargs or {}))
        tensors = {
            t.data_ptr(): t.numel() * t.element_size()
            for t in tree_leaves((args, kwargs, outputs))
            if isinstance(t, torch.Tensor) and t.data_ptr() not in self.own
        }
        if sum(tensors.values()) > self.most:
            self.most, self.name = sum(tensors.values()), str(func)
        return outputs


def peak_bytes(run: Callable[[], object]) -> int:
    """Bytes of all tensors at most, beyond those that were there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    held = most = 0
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="blendmask/R_50_1x")
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--width", type=int, default=416)
    options = parser.parse_args()
    model = npu_models.build(options.model).eval()
    randomise(model)
    x = torch.randn(1, 3, options.height, options.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), Operators(model) as operators:
        model(x)
    start = time.perf_counter()
    found = locate(model, model, (x,))
    seconds = time.perf_counter() - start
    most = peak_bytes(lambda: locate(model, model, (x,)))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{options.model} at {options.height}x{options.width}: {len(found)} operators")
    print(f"  seconds            {seconds:.0f} of {SECONDS:.0f} at most")
    print(f"  largest operator   {operators.most / MIB:.2f} MiB ({operators.name})")
    print(f"  tensors at most    {most / MIB:.2f} of {2 * operators.most / MIB:.2f} MiB")
    print(f"  resident at most   {resident / MIB:.0f} MiB, interpreter, torch, model and profiler included")
    sys.exit(1 if seconds > SECONDS or most > 2 * operators.most else 0)


if __name__ == "__main__":
    main()
