"""The error that float32 has by itself: the reference's model in float32 against float64, on the reference's device.

Without it nobody can say whether a candidate's error is small: a deep network comes to 1e-6, a shallow one to 1e-8.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from npu_eval.asked.spec import AUTOCAST, Side
from npu_eval.models.adapter import checked_forward
from npu_eval.references.outputs import read_outputs
from npu_eval.session.script import Context

Outputs = dict[str, torch.Tensor]


@dataclass
class Float32Floor:
    """Holds the models that the floor needs beyond the two sides' own; none where the two sides are already they."""

    context: Context
    device: str
    models: dict[str, nn.Module] = field(default_factory=dict)

    def outputs(
        self, name: str, batch: torch.Tensor, reference: Outputs, candidate: Outputs
    ) -> tuple[Outputs, Outputs] | None:
        """Every output of one input in float64 and in float32; None where a reference bundle lacks one of them.

        Args:
            batch: the input in float32 on the CPU.
            reference, candidate: both sides' outputs of it, taken where they are what would be run again.
        """
        spec, bundle = self.context.spec, self.context.bundle
        if bundle is not None:
            if not {"float64", "float32"} <= set(bundle.of_input(name)[0].dtypes):
                return None
            return read_outputs(bundle, name, batch, "float64"), read_outputs(bundle, name, batch, "float32")
        known = {spec.reference.dtype: reference}
        plain = spec.candidate.dtype == "float32" and AUTOCAST not in spec.numeric_modes
        if spec.reference.dtype != "float32" and plain and self.context.device.name == self.device:
            known["float32"] = candidate
        wide, narrow = (known.get(dtype) or self._run(dtype, batch) for dtype in ("float64", "float32"))
        return wide, narrow

    def _run(self, dtype: str, batch: torch.Tensor) -> Outputs:
        side = Side(device=self.device, dtype=dtype)
        if dtype not in self.models:
            self.models[dtype] = self.context.model(side, self.device)
        tensor = batch.to(self.device, getattr(torch, dtype))
        outputs = checked_forward(self.context.adapter, self.models[dtype], tensor, self.context.spec.adapter)
        return {name: found.cpu() for name, found in outputs.items()}
