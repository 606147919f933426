"""What one forward pass asks of a device at least: its floating-point operations, and the bytes of its parameters.

Nobody's chip is quicker than its peak, so a latency beside the work that was done in it can be checked by whoever reads
the record. Counted by torch's own counter, which knows convolutions and matrix products and leaves out the rest.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from npu_eval.experiments.performance.data import NetworkWork
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import Context, dtype_of


def measure(context: Context, model: nn.Module, single: torch.Tensor) -> NetworkWork | None:
    """The work of one input, in a call of its own that nobody times; None where torch cannot count it.

    Args:
        single: one input, on the CPU.
    """
    kind = context.device.name.partition(":")[0]
    batch = single.to(context.device.name, dtype_of(context.spec.candidate))
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            checked_forward(context.adapter, model, batch, context.spec.adapter)
        counts = {str(operator): int(flops) for operator, flops in counter.get_flop_counts()["Global"].items()}
    except Exception as error:  # noqa: BLE001  a model that its counter chokes on has been measured all the same
        context.say(f"[performance] floating-point operations: not counted ({type(error).__name__})")
        return None
    return NetworkWork(
        flops=sum(counts.values()),
        convolution_flops=sum(flops for operator, flops in counts.items() if "conv" in operator),
        parameter_bytes=sum(p.numel() * p.element_size() for p in model.parameters() if p.device.type == kind),
    )
