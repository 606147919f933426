"""The command that binds every numeral of a deliverable to its source."""

from __future__ import annotations

from typing import Annotated

import typer

from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.commands.options import AsJson, Folder
from npu_deliver.commands.saying import say, say_all, say_json
from npu_deliver.commands.version_lines import leave, version_lines, versions_json
from npu_deliver.errors import VerifyError

_SHOWN = 20


def audit(
    folder: Folder,
    as_json: AsJson = False,
    bindings: Annotated[
        bool, typer.Option("--bindings", help="Print each numeral of the pages with its source")
    ] = False,
    mutate: Annotated[
        int, typer.Option("--mutate", min=0, help="Damage so many copies, one way each, and count what was found")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the damages")] = 0,
) -> None:
    """Bind every numeral of a deliverable's documents to a record, and list those that come from nowhere.

    Example: [bold]npu-deliver audit deliverables/efficientnet_lite0/npu_deliverables --bindings[/bold]
    """
    from npu_deliver.review import audit as auditing
    from npu_eval.jsonio import to_json

    deliverable_folder(folder)
    if mutate:
        from npu_deliver.review import tampering

        tried = tampering.try_out(folder, mutate, seed)
        say_all(tampering.told(tried))
        if not tried.holds:
            raise typer.Exit(VerifyError.exit_code)
        return
    found = auditing.audit(folder)
    if as_json:
        say_json({"holds": found.holds, "unbound": found.unbound} | to_json(found) | versions_json(found.other))
    else:
        say_all(version_lines(found.findings, found.other))
        for each in found.bindings if bindings else ():
            place = f"{each.file}:{each.line} {each.numeral}"
            say(f"{place} <- summary.json#{each.pointer} | {each.rounding} <- {each.record}")
        known = "" if found.other.told.ours else " that this version knows"
        for document in found.documents:
            sources = f"{document.from_records} from records, {document.from_template} fixed words of the template"
            say(f"{document.file}: {document.numerals} numerals, {sources}, {len(document.unbound)} unbound")
            for number, numeral in document.unbound[:_SHOWN]:
                say(f"  line {number}: {numeral} has no source{known}")
    if found.unbound and found.other.told.ours:
        raise typer.Exit(VerifyError.exit_code)
    leave(found)
