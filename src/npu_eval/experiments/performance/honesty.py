"""Checks that a quick run is quick at the right thing: no cached answers, and the outputs that precision was judged by.

After MLPerf Inference's TEST04 (repeated inputs must not be quicker) and TEST01 (outputs of timed runs are compared).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from npu_eval.agreement.compare import tensor_sha256
from npu_eval.device.device import timed
from npu_eval.experiments.performance.data import CacheRun, SampledOutput
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import Context, dtype_of

MIN_CALLS, MAX_CALLS = 16, 200
"""Calls of each kind: enough for a median, and no more than its stability asks."""
SLOW_S, FEWEST_CALLS = 10.0, 4
"""Seconds of calls of a kind after which this many calls are enough: a model that keeps its answers is quicker by far
more than the tenth that is looked for, and a call of seconds is no longer at the mercy of the clock."""
SECONDS = {"smoke": 0.2, "standard": 2.0, "publish": 5.0}
SAMPLED_INPUTS = 8
"""Inputs of a batch whose outputs are compared; later ones repeat the same code with other pixels."""


def cache_run(context: Context, model: nn.Module, single: torch.Tensor) -> CacheRun:
    """Calls with one photo again and again, in turns with calls that each shift it by other pixels."""
    same = single.to(context.device.name, dtype_of(context.spec.candidate))
    repeated: list[float] = []
    distinct: list[float] = []

    def call(batch: torch.Tensor) -> float:
        return timed(context.device, lambda: checked_forward(context.adapter, model, batch, context.spec.adapter))[0]

    limit = SECONDS[context.spec.timing.tier]
    while len(distinct) < MIN_CALLS or (sum(distinct) < limit / 2 and len(distinct) < MAX_CALLS):
        other = torch.roll(same, len(distinct) + 1, dims=-1)
        if len(distinct) % 2:  # each kind goes first as often as the other
            distinct.append(call(other))
            repeated.append(call(same))
        else:
            repeated.append(call(same))
            distinct.append(call(other))
        if sum(distinct) > SLOW_S and len(distinct) >= FEWEST_CALLS:
            break
    return CacheRun(batch_size=len(single), repeated_s=tuple(repeated), distinct_s=tuple(distinct))


def sampled_outputs(
    context: Context,
    model: nn.Module,
    singles: Mapping[str, torch.Tensor],
    size: int,
    timed_outputs: Mapping[str, torch.Tensor],
) -> tuple[SampledOutput, ...]:
    """What a timed call of a batch gave for each input, against an untimed forward of that input alone."""
    found = []
    for row, (name, single) in enumerate(list(singles.items())[: min(size, SAMPLED_INPUTS)]):
        if not timed_outputs:
            break
        batch = single.to(context.device.name, dtype_of(context.spec.candidate))
        alone = checked_forward(context.adapter, model, batch, context.spec.adapter)
        for output, tensor in alone.items():
            found.append(_sampled(size, name, output, tensor.cpu(), timed_outputs[output][row : row + 1].cpu()))
    return tuple(found)


def _sampled(size: int, name: str, output: str, reference: torch.Tensor, candidate: torch.Tensor) -> SampledOutput:
    same_shape = reference.shape == candidate.shape
    r, y = reference.double(), candidate.double() if same_shape else torch.zeros_like(reference).double()
    finite = torch.isfinite(r) & torch.isfinite(y)
    mismatch = int((torch.isfinite(r) != torch.isfinite(y)).sum())
    r, y = r[finite], y[finite]
    return SampledOutput(
        batch_size=size,
        input=name,
        output=output,
        sha256=tensor_sha256(candidate.reshape(-1)),
        same_shape=same_shape,
        bitwise_equal=same_shape and tensor_sha256(candidate.reshape(-1)) == tensor_sha256(reference.reshape(-1)),
        nonfinite_mismatch=mismatch,
        sum_sq_reference=float((r * r).sum()),
        sum_sq_diff=float(((y - r) ** 2).sum()),
    )
