"""Where a comparison's reference outputs come from: computed in this process, or read from a reference bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from npu_eval.asked.spec import InputFile
from npu_eval.device.device import open_device
from npu_eval.errors import RecordError
from npu_eval.models.adapter import checked_forward
from npu_eval.records.bundle import Bundle, check_asked
from npu_eval.references.tensor_file import read_tensors
from npu_eval.session.script import Context, dtype_of

Outputs = dict[str, torch.Tensor]

INPUT = "input"
"""Name of the batch in an input's member; outputs are called ``<dtype>/<output>``."""


@dataclass(frozen=True)
class Reference:
    """The side that is right: the device it is computed on, and its outputs for an input and its batch."""

    device: str
    outputs: Callable[[InputFile, torch.Tensor], Outputs]


def reference_of(context: Context) -> Reference:
    """The reference that a spec asks for; batches are float32 on the CPU, and asked for one at a time.

    Raises:
        DeviceError: the reference's device is not there.
        RecordError: the bundle is of another question or of other weights.
    """
    if context.bundle is not None:
        return _from_bundle(context, context.bundle)
    side = context.spec.reference
    device = open_device(side.device).name
    model = context.model(side, device)
    return Reference(device, lambda entry, batch: outputs_of(context, model, batch.to(device, dtype_of(side))))


def outputs_of(context: Context, model: nn.Module, batch: torch.Tensor) -> Outputs:
    """Every output of a batch, on the CPU."""
    outputs = checked_forward(context.adapter, model, batch, context.spec.adapter)
    return {name: tensor.cpu() for name, tensor in outputs.items()}


def _from_bundle(context: Context, bundle: Bundle) -> Reference:
    made, where = bundle.description, bundle.folder.name
    check_asked(bundle, context.spec)
    if made.state_sha256 != state_sha256(context.network):
        theirs, ours = (w.sha256 or w.source for w in (made.provenance.weights, context.weights))
        what = f"was made with other weights: what the network holds differs (file {theirs} there, {ours} here)"
        raise RecordError(what, where=where, fix="name the same weights with --weights, or make the bundle again")
    context.say(
        f"reference: from the bundle {where} ({bundle.sha256[:12]}), made {made.made_at} on "
        f"{made.provenance.device.name} ({made.provenance.device.description})"
    )
    dtype = context.spec.reference.dtype
    return Reference(made.provenance.device.name, lambda entry, batch: read_outputs(bundle, entry.path, batch, dtype))


def read_outputs(bundle: Bundle, photo: str, batch: torch.Tensor, dtype: str) -> Outputs:
    """The outputs of one input in one dtype.

    Raises:
        RecordError: the bundle's network saw another batch, an output is missing, or the member is damaged.
    """
    found, member = bundle.of_input(photo)
    tensors = read_tensors(bundle.path(member))
    where = f"{bundle.folder.name}/{member.name}"
    _same_batch(tensors.get(INPUT), batch, photo, where)
    outputs = {}
    for name in found.outputs:
        if f"{dtype}/{name}" not in tensors:
            raise RecordError(
                f"holds no output '{name}' in {dtype} of '{photo}'", where=where, fix="make the bundle again"
            )
        outputs[name] = tensors[f"{dtype}/{name}"]
    return outputs


def _same_batch(theirs: torch.Tensor | None, ours: torch.Tensor, photo: str, where: str) -> None:
    if theirs is None:
        raise RecordError(f"holds no batch of '{photo}'", where=where, fix="make the bundle again")
    if torch.equal(theirs, ours):
        return
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        how = f"to {ours.dtype} {tuple(ours.shape)} here, {theirs.dtype} {tuple(theirs.shape)} there"
    else:
        largest = float((theirs.double() - ours.double()).abs().max())
        how = f"to other values here than there (largest difference {largest:.3g})"
    raise RecordError(
        f"'{photo}' is preprocessed {how}",
        where=where,
        fix="use the same preprocessing and the same Pillow, or make the bundle again",
    )


def state_sha256(network: nn.Module) -> str:
    """Hash of everything that a network holds: names, dtypes, shapes and bytes of its parameters and buffers."""
    known = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if isinstance(value, torch.Tensor):
            known.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            known.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return known.hexdigest()
