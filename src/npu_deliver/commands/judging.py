"""The command that judges finished records again, under criteria that were not fixed before the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.commands.options import AsJson
from npu_deliver.commands.saying import say_all, say_json
from npu_deliver.commands.verdict_lines import verdict_line
from npu_deliver.errors import EXIT_NOT_PASSED, EXIT_OK
from npu_eval.records.stamps import Stamp, told

if TYPE_CHECKING:
    from npu_deliver.review.rejudging import Rejudgement


def judge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A deliverable, or a folder of records")],
    criteria: Annotated[
        str, typer.Option("--criteria", metavar="PROFILE", help="Named criteria, e.g. msprobe-l1, cann-hf32")
    ],
    as_json: AsJson = False,
) -> None:
    """Judge finished records under another named set of criteria, after the fact: nothing runs, nothing is changed.

    Exit code 0: every criterion passed; 1: one did not.

    Example: [bold]npu-deliver judge deliverables/efficientnet_lite0/npu_deliverables --criteria cann-hf32[/bold]
    """
    from npu_deliver.experiments.registry import KINDS
    from npu_deliver.review.rejudging import rejudge
    from npu_eval.jsonio import to_json

    if not any((folder / f"{kind}.json").is_file() for kind in KINDS):
        deliverable_folder(folder)
    found = rejudge(folder, criteria)
    simulated = Stamp.SIMULATED in found.stamps
    if as_json:
        verdicts = [v | {"status": told(v["status"], simulated=simulated)} for v in to_json(found.verdicts)]
        overall = told(found.overall, simulated=simulated)
        say_json(to_json(found) | {"label": found.label, "overall": overall, "verdicts": verdicts})
    else:
        say_all(_lines(found, simulated=simulated))
    raise typer.Exit(EXIT_OK if found.overall == "PASS" else EXIT_NOT_PASSED)


def _lines(found: Rejudgement, *, simulated: bool) -> list[str]:
    lines = [f"{found.folder}, judged by {found.profile}", f"! {found.label}"]
    if found.after_the_fact and found.fixed_profile:
        lines.append(f"  fixed before the run: {found.fixed_profile}")
    if found.other_version is not None:
        lines += [
            f"! {found.other_version}, by whose rules it is judged here",
            *(f"~ {each}" for each in found.changed),
        ]
    if found.contradictions:
        lines.append(f"! the folder contradicts itself in {found.contradictions} places; npu-deliver verify lists them")
    lines += [verdict_line(v, simulated=simulated, width=24, counted=True) for v in found.verdicts]
    stamped = "".join(f" [{stamp}]" for stamp in found.stamps)
    after = ", after the fact" if found.after_the_fact else ""
    return [*lines, f"{told(found.overall, simulated=simulated)} under {found.profile}{after}{stamped}"]
