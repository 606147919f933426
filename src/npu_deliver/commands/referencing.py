"""The command that makes a reference bundle, to hold an NPU against what another machine computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from npu_deliver.commands.options import ROOT, AsJson, How, Input, Model, Root, What, grouped
from npu_deliver.commands.saying import say, say_json


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of which model a reference is wanted, and where it goes."""

    model: Model
    root: Root = ROOT
    output: Annotated[
        Path | None, typer.Option("--output", help="The bundle's folder (default: <root>/<model>/reference)")
    ] = None
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda:0 or auto (default: that of the spec's reference)")
    ] = None
    weights: Annotated[str | None, typer.Option("--weights", help="Other weights, as for deliver")] = None
    operators: Annotated[
        bool, typer.Option("--operators", help="Record every operator of the first input too, for locate --reference")
    ] = False
    input: Input = None


@grouped
def reference(asked: Asked, how: How, as_json: AsJson = False) -> None:
    """Record a model's reference outputs on a CPU or GPU machine, as a folder to compare an NPU with elsewhere.

    Carry the folder over, and name it there: [bold]npu-deliver deliver MODEL --device npu:0 --reference DIR[/bold]

    Example: [bold]npu-deliver reference efficientnet_lite0 --device cuda:0 --output reference[/bold]
    """
    from npu_deliver import reference_bundle as referencing

    job = What(model=asked.model, root=asked.root, device=asked.device, weights=asked.weights, input=asked.input).job()
    made = referencing.make_reference(
        job,
        how.options(),
        device=asked.device or job.spec.evaluation.reference.device,
        output=(asked.output or job.folder / "reference").absolute(),
        operators=asked.operators,
    )
    size = sum(member.size_bytes for member in made.description.members)
    if as_json:
        say_json(
            {
                "folder": str(made.folder),
                "sha256": made.sha256,
                "bytes": size,
                "inputs": [entry.path for entry in made.description.inputs],
            }
        )
        return
    say(f"{made.folder}: {len(made.description.inputs)} inputs, {size / 2**20:.1f} MiB, sha256 {made.sha256}")
