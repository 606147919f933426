"""The commands that only read: verify a folder, list the models, print a schema."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.commands.options import ROOT, AsJson, Folder
from npu_deliver.commands.saying import say, say_all, say_json
from npu_deliver.commands.version_lines import leave, version_lines, versions_json
from npu_deliver.errors import DeliverError
from npu_eval.records.stamps import Stamp, told

if TYPE_CHECKING:
    from npu_deliver.review.otherwise import Report


def verify(
    folder: Folder,
    as_json: AsJson = False,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The Ed25519 key that its statement shall be signed with")
    ] = None,
) -> None:
    """Recompute everything in a deliverable, render its pages and draw its pictures again, and name each contradiction.

    Exit code 0: it holds together; 8: it contradicts itself; 10: it does not, but another version of npu-deliver
    made it, and this one derives a value or writes a line of its pages otherwise, which is listed; or its pages could
    not be rendered again.
    What is hard to believe and yet possible is told as such and changes no exit code.

    Example: [bold]npu-deliver verify deliverables/efficientnet_lite0/npu_deliverables[/bold]
    """
    from npu_deliver.review import verify as verification
    from npu_eval.jsonio import to_json

    deliverable_folder(folder)
    found = verification.verify(folder, public_key)
    stamps = [str(stamp) for stamp in found.summary.stamps] if found.summary else []
    overall = told(found.summary.overall, simulated=Stamp.SIMULATED in stamps) if found.summary else "unknown"
    if as_json:
        say_json(
            {
                "holds": found.holds,
                "files": found.files,
                "overall": overall,
                "stamps": stamps,
                "findings": to_json(found.findings),
                "doubts": to_json(found.doubts),
                "uncompared": to_json(found.uncompared),
                "remarks": to_json(found.remarks),
                **versions_json(found.other),
            }
        )
    else:
        stamped = f"; stamped: {', '.join(stamps)}" if stamps else ""
        signed = f"; signed by {public_key.name}" if public_key is not None and not found.findings else ""
        say_all(version_lines(found.findings, found.other))
        say_all(f"  not compared: {each}" for each in found.uncompared)
        say_all(f"? hard to believe: {each}" for each in found.doubts)
        say_all(f"! {each}" for each in found.remarks)
        rules = "" if found.holds or found.other.told.ours else " by the rules of this version"
        doubts = f"; {len(found.doubts)} {'doubt' if len(found.doubts) == 1 else 'doubts'}" if found.doubts else ""
        say(f"{folder}: {state(found)}{doubts}; {found.files} files; verdict {overall}{rules}{stamped}{signed}")
    leave(found)


def state(found: Report) -> str:
    """What a verification came to, in a few words."""
    if found.findings:
        return f"contradicts itself in {len(found.findings)} places"
    if not found.holds:
        return "contradicts itself nowhere, but is not verified"
    return "holds together" if found.other.told.ours else "holds together by the rules of this version"


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The folder of a deliverable")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one, of the same model")],
    as_json: AsJson = False,
) -> None:
    """Compare the speed of two deliverables of one model, with intervals; refuse where they cannot be compared.

    Example: [bold]npu-deliver compare before/npu_deliverables after/npu_deliverables[/bold]
    """
    from npu_deliver.review import comparing
    from npu_eval.jsonio import to_json

    for each in (a, b):
        deliverable_folder(each)
    found = comparing.compare(a, b)
    if as_json:
        say_json(to_json(found))
    else:
        say_all(comparing.lines(found))


def models(
    root: Annotated[
        Path, typer.Option("--root", envvar="NPU_DELIVER_ROOT", help="Where the models' folders are")
    ] = ROOT,
    as_json: AsJson = False,
) -> None:
    """List the models below --root and the generic references that need no folder.

    Example: [bold]npu-deliver models[/bold]
    """
    from npu_deliver.spec import libraries as references
    from npu_deliver.spec import spec

    listed: list[dict[str, str]] = []
    for name in spec.available(root):
        with contextlib.suppress(DeliverError):
            loaded = spec.load(name, root, overrides=spec.Overrides()).spec
            listed.append(
                {
                    "model": name,
                    "title": loaded.model.title,
                    "task": loaded.task,
                    "adapter": loaded.adapter,
                    "weights": loaded.weights.source,
                }
            )
    libraries = (library for library in references.GENERIC_TASK if ":" not in library)
    generic = {library: f"{library}:<name of a {library} model>" for library in libraries}
    if as_json:
        say_json({"models": listed, "generic": generic})
        return
    for entry in listed:
        say(f"{entry['model']:<24} {entry['title']:<24} {entry['task']:<16} {entry['adapter']}")
    broken = set(spec.available(root)) - {entry["model"] for entry in listed}
    for name in sorted(broken):
        say(f"{name:<24} (its spec.yaml is broken: npu-deliver plan {name} says where)")
    say()
    say("without a folder of their own:")
    for reference in generic.values():
        say(f"  {reference}")


def schema(what: Annotated[str, typer.Argument(help="spec or summary")] = "spec") -> None:
    """Print the JSON schema of spec.yaml or of summary.json.

    Example: [bold]npu-deliver schema summary[/bold]
    """
    from npu_deliver import schemas

    say_json(schemas.schema(what))
