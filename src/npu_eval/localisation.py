"""Experiment `localisation`: which operator differs from the reference, and why."""

from __future__ import annotations

import argparse
import math
import re
from functools import partial

import torch
from torch import nn

from npu_eval.adapter import calling
from npu_eval.autocasting import casting
from npu_eval.compare import difference
from npu_eval.config import Side
from npu_eval.device import open_device
from npu_eval.localisation_data import LocalisationData, LocatedOperator, OutputError
from npu_eval.locate import OperatorFinding, locate
from npu_eval.session import Context
from npu_eval.stats import agreement

DESCRIPTION = """Run every operator of the model on a device with the reference's inputs; say which differs, and why.

example: python %(prog)s --device auto"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: it takes the first input of spec.json."""
    del parser


def run(context: Context, arguments: argparse.Namespace) -> LocalisationData:
    """Compare the first input's outputs, then every operator.

    Raises:
        AdapterError: the adapter or a model raised, or a model changes its own weights.
        ConfigError: there is not enough disk space to record the reference.
    """
    del arguments
    spec = context.spec
    entry, photo = spec.inputs[0], context.photos()[0]
    reference_device = open_device(spec.reference.device).name
    reference = context.model(spec.reference, reference_device)
    candidate = context.model(spec.candidate, context.device.name)
    batch = context.preprocess([photo])
    context.say(f"[localisation] {photo.name}: outputs")
    outputs = _outputs(context, batch, reference, candidate, reference_device)
    context.say("[localisation] operators")

    def forward(model: nn.Module, x: torch.Tensor) -> object:
        with calling(spec.adapter):
            return context.adapter.forward(model, x)

    findings = locate(reference, candidate, (batch,), reference_device=reference_device,
                      candidate_device=context.device.name, forward=forward,
                      candidate_context=partial(casting, candidate))  # fmt: skip
    return LocalisationData(
        input=entry.path,
        reference_dtype=spec.reference.dtype,
        candidate_dtype=spec.candidate.dtype,
        outputs=outputs,
        operators=tuple(map(_stored, findings)),
    )


def _stored(finding: OperatorFinding) -> LocatedOperator:
    """A finding as a record holds it: JSON has no infinity."""
    return LocatedOperator(
        index=finding.index,
        operator=finding.operator,
        module=finding.module,
        call=finding.call,
        backward=finding.backward,
        shapes=finding.shapes,
        error=finding.error if math.isfinite(finding.error) else None,
        bands={name: band for name, band in finding.bands.items() if math.isfinite(band)},
        cause=finding.cause,
        evidence=_plain(finding.evidence),
    )


def _plain(text: str) -> str:
    """Evidence on one line, with the words that a page may not hold (they look like empty values) written out."""
    for word, written in (("inf", "infinity"), ("nan", "not a number"), ("None", "nothing")):
        text = re.sub(rf"\b{word}\b", written, text)
    return " ".join(text.split())


def _outputs(
    context: Context, batch: torch.Tensor, reference: nn.Module, candidate: nn.Module, reference_device: str
) -> tuple[OutputError, ...]:
    """Every output against the reference, with what float32 itself does to it on the reference's device."""
    right = _forward(context, reference, batch)
    found = _forward(context, candidate, batch)
    single = _forward(context, context.model(Side(device="", dtype="float32"), reference_device), batch)
    double = _forward(context, context.model(Side(device="", dtype="float64"), reference_device), batch)
    errors = []
    for name, tensor in right.items():
        error = agreement(difference("", name, tensor, found[name]))
        floor = agreement(difference("", name, double[name], single[name]))
        errors.append(
            OutputError(
                output=name,
                error=None if error.nonfinite_mismatch else error.relative_l2,
                floor=floor.relative_l2,
                bitwise_equal=error.bitwise_equal,
            )
        )
    return tuple(errors)


def _forward(context: Context, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    parameter = next(model.parameters())
    with calling(context.spec.adapter), torch.inference_mode(), casting(model):
        outputs = context.adapter.forward(model, batch.to(parameter.device, parameter.dtype))
    return {name: tensor.cpu() for name, tensor in outputs.items()}
