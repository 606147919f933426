"""The reference's operators in a reference bundle: what `locate` needs of it, carried to where there is no reference.

Two members of the kind ``operators``: the values of every tensor, and the list of the operators that made them, of the
spec's first input, in the dtype of the spec's reference.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from npu_eval.asked.spec import InputFile, Side
from npu_eval.errors import RecordError
from npu_eval.jsonio import write_atomic
from npu_eval.locate.record import Recording, state_of
from npu_eval.locate.recorded import recording_of, recording_text
from npu_eval.locate.run import record_reference
from npu_eval.models.adapter import calling
from npu_eval.records.bundle import OPERATORS_KIND, Bundle, BundleWriter, operator_members
from npu_eval.session.script import Context

VALUES, OPERATORS = "operator-values.bin", "operators.json"


def forward_of(context: Context, model: nn.Module, batch: torch.Tensor) -> object:
    """A forward pass as the operators of both sides are taken from it."""
    with calling(context.spec.adapter):
        return context.adapter.forward(model, batch)


def add_operators(context: Context, writer: BundleWriter, entry: InputFile, batch: torch.Tensor) -> None:
    """Record every operator of the reference on an input, as members of a bundle.

    Raises:
        AdapterError: the adapter raised, or the model changes its own weights.
        ConfigError: there is not enough room for the values; told before they are written, with what is needed.
    """
    side = Side(device=context.device.name, dtype=context.spec.reference.dtype)
    model = context.model(side, context.device.name)
    with tempfile.TemporaryDirectory(prefix="operators-", dir=writer.folder) as folder:
        recording = record_reference(
            model, (batch,), Path(folder), device=context.device.name, forward=lambda m, x: forward_of(context, m, x)
        )
        writer.add(VALUES, OPERATORS_KIND, lambda path: _moved(recording.values.path, path))
    text = recording_text(recording, input=entry.path, dtype=side.dtype)
    writer.add(OPERATORS, OPERATORS_KIND, lambda path: write_atomic(path, text))
    context.say(f"[reference] {len(recording.ops)} operators, {recording.values.nbytes / 2**20:.1f} MiB")


def _moved(source: Path, target: Path) -> None:
    source.rename(target)


def operators_of(context: Context, bundle: Bundle, entry: InputFile) -> Recording:
    """The reference's operators on an input, from a bundle that was proven to answer the spec's question.

    Raises:
        RecordError: it holds none, those of another input or dtype, or one that this torch does not know.
    """
    members = {member.name: bundle.path(member) for member in operator_members(bundle)}
    where = f"{bundle.folder.name}/{OPERATORS}"
    if not {VALUES, OPERATORS} <= members.keys():
        raise RecordError("is missing from the reference bundle", where=where, fix="make the bundle again")
    side = Side(device="cpu", dtype=context.spec.reference.dtype)
    state = state_of(context.model(side, "cpu"))
    recording, facts = recording_of(members[OPERATORS].read_text(encoding="utf-8"), members[VALUES], state, where)
    for what, ours in (("input", entry.path), ("dtype", side.dtype)):
        if facts.get(what) != ours:
            raise RecordError(
                f"holds the operators of the {what} '{facts.get(what)}', not of '{ours}'",
                where=where,
                fix="make a bundle for this spec with `npu-deliver reference --operators`",
            )
    return recording
