"""The outputs of a precision run as tensors, so that somebody else counts for himself how they differ.

A folder holds one file for each input in the safetensors format (`tensor_file`), whose tensors are called
``<side>/<output>``, and `outputs.json`, written last, which says what is where. The sides are ``reference``,
``candidate``, ``repeat-1`` and so on, and ``float64`` and ``float32`` where those are not the two sides already.
Whoever reads it need not believe who wrote it: nothing in it is executed, and every count follows from the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from npu_eval.asked.spec import EvalSpec, Side
from npu_eval.errors import ConfigError, RecordError
from npu_eval.jsonio import dumps, from_json, loads, write_atomic
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text
from npu_eval.machine.disk import check_room
from npu_eval.references.tensor_file import read_tensors, write_tensors

Outputs = dict[str, torch.Tensor]

SCHEMA = "npu-deliver/outputs/1"
DESCRIPTION = "outputs.json"
_FIX = "run the precision experiment again"
_FILE = re.compile(r"input-[0-9]{3}\.safetensors")


@dataclass(frozen=True, kw_only=True)
class KeptInput:
    """What is kept of one input: its outputs in their order, how many repeats, the two sides that are float64 and
    float32 (none where they were not run), and the output that ranks classes (empty for none).
    """

    input: str
    file: str
    outputs: tuple[str, ...]
    repeats: int
    floor: tuple[str, ...]
    ranked: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The content of `outputs.json`."""

    schema: str
    inputs: tuple[KeptInput, ...]


class KeptOutputs:
    """Outputs while they are being kept.

    Args:
        folder: empty, or not there yet.
        inputs: how many there will be.

    Raises:
        ConfigError: the folder holds something.
    """

    def __init__(self, folder: Path, inputs: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError("holds something already", where=str(folder), fix="name a new folder with --outputs")
        self._folder = folder
        self._expected = inputs
        self._inputs: list[KeptInput] = []

    def keep(
        self,
        name: str,
        reference: Outputs,
        candidate: Outputs,
        repeats: Sequence[Outputs],
        floor: tuple[Outputs, Outputs] | None,
        ranked: str,
    ) -> None:
        """Write the outputs of one input.

        Raises:
            ConfigError: there is no room for as many inputs of this size; told at the first one.
            RecordError: an output has a dtype that the format does not know.
        """
        sides = {"reference": reference, "candidate": candidate}
        sides |= {f"repeat-{number}": outputs for number, outputs in enumerate(repeats, start=1)}
        named = []
        for dtype, outputs in zip(("float64", "float32"), floor or (), strict=False):
            same = next((side for side in ("reference", "candidate") if sides[side] is outputs), None)
            sides |= {} if same else {dtype: outputs}
            named.append(same or dtype)
        tensors = {f"{side}/{output}": tensor for side, outputs in sides.items() for output, tensor in outputs.items()}
        if not self._inputs:
            check_room(
                self._folder,
                sum(t.nbytes for t in tensors.values()) * self._expected,
                what="the kept outputs take about",
                where=self._folder,
                fix="or run without --outputs",
            )
        file = f"input-{len(self._inputs):03d}.safetensors"
        write_tensors(self._folder / file, tensors)
        self._inputs.append(
            KeptInput(
                input=name, file=file, outputs=tuple(reference), repeats=len(repeats), floor=tuple(named), ranked=ranked
            )
        )

    def finish(self) -> None:
        """Say what is there; without it nothing is."""
        write_atomic(self._folder / DESCRIPTION, dumps(Kept(schema=SCHEMA, inputs=tuple(self._inputs))))


def kept_inputs(folder: Path, spec: EvalSpec) -> tuple[KeptInput, ...]:
    """What is kept in a folder, when it is what a spec asks for.

    Raises:
        RecordError: there is nothing, it is altered, or it is of other inputs, repeats or sides than the spec's.
    """
    try:
        text = read_text(folder / DESCRIPTION, MAX_DOCUMENT_BYTES)
    except FileNotFoundError as error:
        raise RecordError("there are no outputs", where=DESCRIPTION, fix=_FIX) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=DESCRIPTION, fix=_FIX) from error
    kept = from_json(Kept, loads(text, DESCRIPTION), DESCRIPTION)
    wanted = [(entry.path, f"input-{number:03d}.safetensors") for number, entry in enumerate(spec.inputs)]
    if kept.schema != SCHEMA or [(one.input, one.file) for one in kept.inputs] != wanted:
        raise RecordError("is not of the inputs that spec.json names", where=DESCRIPTION, fix=_FIX)
    for one in kept.inputs:
        floors = [(), *_floors(spec.reference, spec.candidate)]
        if one.repeats != spec.repeats - 1 or one.floor not in floors or not one.outputs:
            raise RecordError(f"tells of other runs of '{one.input}' than spec.json asks for", where=DESCRIPTION)
    return kept.inputs


def _floors(reference: Side, candidate: Side) -> list[tuple[str, ...]]:
    """The pairs of sides that may stand for float64 and float32."""
    wide = ["float64", *(["reference"] if reference.dtype == "float64" else [])]
    narrow = [
        "float32",
        *(name for name, side in (("reference", reference), ("candidate", candidate)) if side.dtype == "float32"),
    ]
    return [(first, second) for first in wide for second in narrow]


def read_sides(folder: Path, one: KeptInput) -> dict[str, Outputs]:
    """Side → outputs of one input.

    Raises:
        RecordError: the file is missing, cut short, or lacks an output of a side.
    """
    path = folder / one.file
    if not _FILE.fullmatch(one.file) or path.is_symlink() or not path.is_file():
        raise RecordError("is missing", where=one.file, fix=_FIX)
    try:
        tensors = read_tensors(path)
    except (RuntimeError, OverflowError, RecursionError) as error:  # a shape or a header that no writer of ours makes
        raise RecordError(f"is no safetensors file of ours ({error})", where=one.file, fix=_FIX) from error
    repeats = [f"repeat-{number}" for number in range(1, one.repeats + 1)]
    sides: dict[str, Outputs] = {}
    for side in dict.fromkeys(("reference", "candidate", *repeats, *one.floor)):
        lacking = [name for name in one.outputs if f"{side}/{name}" not in tensors]
        if lacking:
            raise RecordError(f"holds no output '{lacking[0]}' of the {side}", where=one.file, fix=_FIX)
        sides[side] = {name: tensors[f"{side}/{name}"] for name in one.outputs}
    return sides
