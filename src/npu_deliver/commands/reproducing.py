"""The commands that hold a finished deliverable against the world: run it again, and check the machine for it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.commands.options import HERE, AsJson, Folder, InContainers, Lang, grouped
from npu_deliver.commands.saying import say, say_all, say_json
from npu_deliver.errors import EXIT_NOT_PASSED, ConfigError


@grouped
def rerun(
    folder: Folder,
    how: InContainers,
    weights: Annotated[str | None, typer.Option("--weights", help="Your copy of weights that its maker had")] = None,
    python: Annotated[
        Path, typer.Option("--python", show_default="this one", help="The interpreter for --engine local")
    ] = HERE,
    keep: Annotated[Path | None, typer.Option("--keep", help="Keep what the rerun makes in this new folder")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Without a container, let its scripts run unprotected on this machine")
    ] = False,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Fetch weights from the address or hub that the folder names")
    ] = False,
    trust_packages: Annotated[
        bool, typer.Option("--trust-packages", help="Install packages that npu-deliver does not know")
    ] = False,
    their_code: Annotated[
        bool, typer.Option("--their-code", help="Run the folder's own copy of npu-deliver's code, and believe it")
    ] = False,
    lang: Annotated[Lang, typer.Option("--lang", envvar="REPORT_LANG", help="Language of the answer")] = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """Run a deliverable again, anybody's, in a container without a network, and say what is the same.

    Nothing in it is changed. What runs is this release's code with the folder's adapter, and outputs are compared
    outside. Exit code 0: outputs, predictions and verdicts are the same to the bit; 1: something is not; 2: it needs a
    consent that is not given; 8: the folder was refused or contradicts itself, its code is not the release's, or what
    ran spoke against its own outputs; 10: the same, but only by the word of the folder's own code.

    Example: [bold]npu-deliver rerun deliverables/efficientnet_lite0/npu_deliverables[/bold]
    """
    from npu_deliver.review.rerun import rerun as again
    from npu_deliver.review.rerun import words as rerun_words
    from npu_eval.jsonio import to_json

    deliverable_folder(folder)
    consent = again.Consent(scripts=trust, packages=trust_packages, addresses=allow_download)
    with _work(keep) as work:
        found = again.rerun(
            folder, how.containers(), work, python=python, weights=weights, consent=consent, their_code=their_code
        )
    if as_json:
        shows, hides = rerun_words.proof(found, lang)
        say_json({"reproduced": found.reproduced, **to_json(found), "shows": shows, "does_not_show": hides})
    else:
        say_all(rerun_words.lines(found, lang))
    if found.exit_code:
        raise typer.Exit(found.exit_code)


@grouped
def doctor(
    how: InContainers,
    python: Annotated[
        Path, typer.Option("--python", show_default="this one", help="The interpreter for --engine local")
    ] = HERE,
    as_json: AsJson = False,
) -> None:
    """Check what people trip over: engine, images, device nodes, driver, CANN, torch_npu, limits; each with its fix.

    Exit code 0: nothing is in the way; 1: something is.

    Example: [bold]npu-deliver doctor[/bold]
    """
    from npu_deliver.environment import doctor as examination

    checks = []
    for check in examination.examine(how.containers(), python):
        checks.append(check)
        if not as_json:
            say(f"{_MARKS[check.state]} {check.name:<16} {check.what}")
            if check.fix:
                say(f"  {'':<16} -> {check.fix}")
    if as_json:
        say_json({"checks": [{"name": c.name, "state": c.state, "what": c.what, "fix": c.fix} for c in checks]})
    if any(check.state == "fault" for check in checks):
        raise typer.Exit(EXIT_NOT_PASSED)


_MARKS = {"fine": "✓", "warning": "!", "fault": "✗", "absent": "-"}


@contextlib.contextmanager
def _work(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="npu-deliver-rerun-") as folder:
            yield Path(folder)
        return
    if keep.exists():
        raise ConfigError("exists already", where=str(keep), fix="name a new folder")
    keep.mkdir(parents=True)
    yield keep.absolute()
