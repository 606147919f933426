"""Two rankings of classes, the reference's and the candidate's, of one input."""

from __future__ import annotations

import torch

from npu_eval.agreement.difference import ClassRanking
from npu_eval.errors import AdapterError


def ranking(
    name: str, output: str, reference: dict[str, torch.Tensor], candidate: dict[str, torch.Tensor], culprit: str
) -> ClassRanking:
    """The five best classes on both sides; a stable sort, so that equal values keep the order of the classes."""
    best = {}
    for side, outputs in (("reference", reference), ("candidate", candidate)):
        if output not in outputs or outputs[output].dim() != 2:
            raise AdapterError(f"class_output '{output}' is no output of shape (N, classes)", where=culprit)
        values, classes = outputs[output][0].double().sort(descending=True, stable=True)
        finite = torch.isfinite(values)
        best[side] = tuple(classes[finite][:5].tolist()), tuple(values[finite][:5].tolist())
    return ClassRanking(
        input=name,
        output=output,
        reference_classes=best["reference"][0],
        reference_values=best["reference"][1],
        candidate_classes=best["candidate"][0],
        candidate_values=best["candidate"][1],
    )
