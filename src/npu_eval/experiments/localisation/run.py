"""Experiment `localisation`: which operator differs from the reference, and why."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TypedDict

import torch
from torch import nn

from npu_eval.agreement.compare import difference
from npu_eval.agreement.metrics import agreement, finite_error
from npu_eval.asked.spec import AUTOCAST, Side
from npu_eval.device.device import open_device
from npu_eval.experiments.localisation.data import LocalisationData, LocatedOperator, OutputError
from npu_eval.experiments.localisation.kind import KIND
from npu_eval.locate import OperatorFinding, locate, locate_from
from npu_eval.models.adapter import calling
from npu_eval.models.autocasting import casting
from npu_eval.notation.phrases import Phrase
from npu_eval.references.operators import forward_of, operators_of
from npu_eval.references.outputs import Outputs, read_outputs, reference_of
from npu_eval.session.script import Context

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

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
        RecordError: the reference bundle holds no operators, or answers another question.
    """
    del arguments
    spec, entry = context.spec, context.spec.inputs[0]
    candidate = context.model(spec.candidate, context.device.name)
    batch = context.preprocess(context.photos()[:1])
    how = _How(
        candidate_device=context.device.name,
        candidate_context=partial(casting, candidate) if AUTOCAST in spec.numeric_modes else None,
        forward=partial(forward_of, context),
    )
    if context.bundle is None:
        device = open_device(spec.reference.device).name
        reference = context.model(spec.reference, device)

        def right(dtype: str) -> Outputs:
            same = dtype == spec.reference.dtype
            return _forward(context, reference if same else context.model(Side(device="", dtype=dtype), device), batch)

        context.say(f"[localisation] {entry.path}: outputs")
        outputs = _outputs(spec.reference.dtype, right, _forward(context, candidate, batch))
        context.say("[localisation] operators")
        found = locate(reference, candidate, (batch,), reference_device=device, **how)
    else:
        reference_of(context)  # proves that the bundle answers this spec's question
        recording = operators_of(context, context.bundle, entry)
        context.say(f"[localisation] {entry.path}: outputs")
        outputs = _outputs(
            spec.reference.dtype,
            partial(read_outputs, context.bundle, entry.path, batch),
            _forward(context, candidate, batch),
        )
        context.say("[localisation] operators")
        found = locate_from(recording, candidate, (batch,), **how)
    return LocalisationData(
        input=entry.path,
        reference_dtype=spec.reference.dtype,
        candidate_dtype=spec.candidate.dtype,
        outputs=outputs,
        operators=tuple(map(_stored, found)),
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


def _plain(phrase: Phrase) -> Phrase:
    """Evidence without the words that a page may not hold, because they look like empty values."""
    args = {name: _written_out(text) for name, text in phrase.args.items()}
    return replace(phrase, args=args, more=tuple(map(_plain, phrase.more)))


def _written_out(text: str) -> str:
    for word, written in (("inf", "infinity"), ("nan", "not a number"), ("None", "nothing")):
        text = re.sub(rf"\b{word}\b", written, text)
    return text


class _How(TypedDict):
    """How the candidate is run, whatever it is held against."""

    candidate_device: str
    candidate_context: Callable[[], AbstractContextManager[object]] | None
    forward: Callable[[nn.Module, torch.Tensor], object]


def _outputs(dtype: str, right: Callable[[str], Outputs], candidate: Outputs) -> tuple[OutputError, ...]:
    """Every output against the reference's, with what float32 itself does to it.

    Args:
        dtype: the reference's.
        right: the reference's outputs in a dtype.
    """
    known = {each: right(each) for each in dict.fromkeys((dtype, "float32", "float64"))}
    errors = []
    for name, tensor in known[dtype].items():
        apart = difference("", name, tensor, candidate[name])
        floor = agreement(difference("", name, known["float64"][name], known["float32"][name]))
        errors.append(
            OutputError(
                output=name,
                error=finite_error(apart),
                floor=floor.relative_l2,
                bitwise_equal=apart.bitwise_equal,
            )
        )
    return tuple(errors)


def _forward(context: Context, model: nn.Module, batch: torch.Tensor) -> Outputs:
    parameter = next(model.parameters())
    with calling(context.spec.adapter), torch.inference_mode(), casting(model):
        outputs = context.adapter.forward(model, batch.to(parameter.device, parameter.dtype))
    return {name: tensor.cpu() for name, tensor in outputs.items()}
