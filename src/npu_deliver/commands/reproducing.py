"""The commands that hold a finished deliverable against the world: run it again, and check the machine for it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npu_deliver.commands.deliverable_folder import deliverable_folder
from npu_deliver.commands.options import HERE, AsJson, Folder, InContainers, grouped
from npu_deliver.commands.saying import say, say_all, say_json
from npu_deliver.errors import EXIT_NOT_PASSED, ConfigError

if TYPE_CHECKING:
    from npu_deliver.rerun import Comparison


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
    as_json: AsJson = False,
) -> None:
    """Run a deliverable again, anybody's, in a container without a network, and say what is the same.

    Nothing in it is changed. Exit code 0: outputs, predictions and verdicts are the same to the bit; 1: something is
    not; 2: it needs a consent that is not given; 8: the folder was refused.

    Example: [bold]npu-deliver rerun deliverables/efficientnet_lite0/npu_deliverables[/bold]
    """
    from npu_deliver import rerun as again
    from npu_eval.jsonio import to_json

    deliverable_folder(folder)
    consent = again.Consent(scripts=trust, packages=trust_packages, addresses=allow_download)
    with _work(keep) as work:
        found = again.rerun(folder, how.containers(), work, python=python, weights=weights, consent=consent)
    if as_json:
        say_json({"reproduced": found.reproduced, **to_json(found)})
    else:
        say_all(_lines(found))
    if not found.reproduced:
        raise typer.Exit(EXIT_NOT_PASSED)


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
    from npu_deliver import doctor as examination

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


def _lines(found: Comparison) -> list[str]:
    lines = []
    if found.other_version is not None:
        lines.append(f"! {found.other_version}, by whose rules both runs are judged here")
        lines += [f"~ {each}" for each in found.changed]
    if found.findings:
        lines.append(f"! the original contradicts itself in {found.findings} places; npu-deliver verify lists them")
    for side in ("candidate", "reference"):
        outputs = [o for o in found.outputs if o.side == side]
        same = sum(o.identical for o in outputs)
        if outputs:
            lines.append(f"{_mark(same == len(outputs))} outputs of the {side}: {same} of {len(outputs)} bit-identical")
        for o in outputs:
            if not o.identical:
                far = f": relative L2 distance {o.distance[0]:.3g} to {o.distance[1]:.3g}" if o.distance else ""
                lines.append(f"    {o.input} {o.output} differs{far}")
    if found.predictions:
        same = sum(found.predictions.values())
        lines.append(
            f"{_mark(same == len(found.predictions))} predictions: {same} of {len(found.predictions)} photos equal"
        )
        lines += [f"    {name} differs" for name, equal in found.predictions.items() if not equal]
    lines += [f"{_mark(equal)} {kind}: {'equal' if equal else 'differs'}" for kind, equal in found.other.items()]
    changed = [v for v in found.verdicts if v[1] != v[2]]
    lines.append(f"{_mark(not changed)} verdicts: {len(found.verdicts) - len(changed)} of {len(found.verdicts)} equal")
    lines += [f"    {criterion}: {old} then, {new} now" for criterion, old, new in changed]
    for latency in found.latencies:
        word = "within" if latency.within_noise else "beyond"
        lines.append(
            f"  latency, batch {latency.batch_size}: {latency.original_s * 1e3:.3f} ms then, "
            f"{latency.rerun_s * 1e3:.3f} ms now, {latency.ratio:.3f} times; {word} the noise of the two runs "
            f"({latency.noise:.1%})"
        )
    if found.environment:
        lines.append("  what differs in the environment:")
        lines += [f"    {what}: {old} -> {new}" for what, old, new in found.environment]
    lines.append("reproduced to the bit" if found.reproduced else "not reproduced to the bit")
    return lines


def _mark(good: bool) -> str:
    return "✓" if good else "✗"
