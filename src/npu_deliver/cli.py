"""The command line. Each command is a part of the line in `pipeline`; nothing heavy is imported before it is needed."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npu_deliver import log
from npu_deliver.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_NOT_PASSED,
    EXIT_OK,
    ConfigError,
    DeliverError,
    VerifyError,
)

if TYPE_CHECKING:
    from npu_deliver.spec import Job
    from npu_deliver.summary import Summary

app = typer.Typer(
    help="Complete, honest, reproducible deliverables for vision models ported to Ascend NPUs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class Lang(StrEnum):
    """Language of the report."""

    ZH = "zh"
    EN = "en"


class Tier(StrEnum):
    """How long latency is measured."""

    SMOKE = "smoke"
    STANDARD = "standard"
    PUBLISH = "publish"


Model = Annotated[str, typer.Argument(metavar="MODEL", help="A folder below --root with a spec.yaml, or timm:<name>")]
Root = Annotated[Path, typer.Option("--root", envvar="NPU_DELIVER_ROOT", help="Where the models' folders are")]
Output = Annotated[
    Path | None, typer.Option("--output", help="The finished folder (default: <root>/<model>/npu_deliverables)")
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda:0, npu:0 … (default: the spec's, else auto)"),
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Other weights: a path, hf:…, modelscope:…, https:…, pypi:…, random"),
]
InputOption = Annotated[Path | None, typer.Option("--input", help="A photo or a folder, instead of the samples")]
TierOption = Annotated[Tier | None, typer.Option("--tier", help="Duration of the latency measurement")]
LangOption = Annotated[Lang, typer.Option("--lang", envvar="REPORT_LANG", help="Language of the report")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run everything anew instead of keeping finished steps")]
Python = Annotated[Path, typer.Option("--python", show_default="this one", help="The interpreter that runs the steps")]
Replay = Annotated[
    Path | None, typer.Option("--replay", help="Replay the records of this earlier deliverable; stamped so")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output")]

ROOT = Path("deliverables")
HERE = Path(sys.executable)


@app.callback()
def _set_up(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done")] = False,
) -> None:
    log.set_up(verbose=verbose)


@app.command()
def deliver(
    model: Model, root: Root = ROOT, output: Output = None, device: DeviceOption = None, weights: WeightsOption = None,
    input_: InputOption = None, tier: TierOption = None, lang: LangOption = Lang.ZH, fresh: Fresh = False,
    python: Python = HERE, replay: Replay = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the whole deliverable: stage, run, judge, render, seal, verify.

    Example: [bold]npu-deliver deliver efficientnet_lite0 --device auto[/bold]
    """
    from npu_deliver import pipeline

    job = _job(model, root, output, device, weights, input_, tier)
    options = pipeline.Options(python=python, lang=lang.value, fresh=fresh, replay=replay)
    _finish(job, pipeline.deliver(job, options), as_json=as_json)


@app.command()
def plan(
    model: Model, root: Root = ROOT, output: Output = None, device: DeviceOption = None, weights: WeightsOption = None,
    input_: InputOption = None, tier: TierOption = None, python: Python = HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Print what would be run, without running anything.

    Example: [bold]npu-deliver plan timm:resnet18 --json[/bold]
    """
    from npu_deliver import image
    from npu_deliver import plan as planning
    from npu_eval.jsonio import to_json

    job = _job(model, root, output, device, weights, input_, tier)
    steps = planning.plan(job.spec, image.local_image(python), weights=None)
    if as_json:
        _print_json({"model": job.spec.name, "folder": str(job.output), "steps": to_json(steps)})
        return
    typer.echo(f"in {job.output}:")
    for number, step in enumerate(steps, start=1):
        typer.echo(f"{number}. {step.experiment:<12} {step.shell}")
        typer.echo(f"   {'':<12} -> {step.record}, {step.log}")


@app.command()
def stage(
    model: Model, root: Root = ROOT, output: Output = None, device: DeviceOption = None, weights: WeightsOption = None,
    input_: InputOption = None, tier: TierOption = None, python: Python = HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Lay out the deliverable's folder without running anything; its scripts can then be run by hand.

    Example: [bold]npu-deliver stage efficientnet_lite0[/bold]
    """
    from npu_deliver import image, pipeline
    from npu_deliver import stage as staging

    job = _job(model, root, output, device, weights, input_, tier)
    with pipeline.working(job):
        staged = staging.stage(job, image.local_image(python), pipeline.fetch_weights(job))
    if as_json:
        _print_json(
            {
                "folder": str(staged.folder),
                "spec_sha256": staged.spec.evaluation.sha256,
                "code_sha256": staged.code_sha256,
            }
        )
    else:
        typer.echo(f"staged in {staged.folder}")


@app.command()
def run(
    model: Model, root: Root = ROOT, output: Output = None, device: DeviceOption = None, weights: WeightsOption = None,
    input_: InputOption = None, tier: TierOption = None, fresh: Fresh = False,
    python: Python = HERE, replay: Replay = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Stage and run the experiments; the records wait for [bold]report[/bold].

    Example: [bold]npu-deliver run efficientnet_lite0 --device npu:0[/bold]
    """
    from npu_deliver import pipeline

    job = _job(model, root, output, device, weights, input_, tier)
    options = pipeline.Options(python=python, lang=Lang.ZH.value, fresh=fresh, replay=replay)
    execution = pipeline.run(job, options)
    if as_json:
        _print_json(
            {
                "folder": str(job.work / job.spec.profile),
                "records": sorted(execution.records),
                "kept": list(execution.kept),
            }
        )
    else:
        typer.echo(
            f"{len(execution.records)} records in {job.work / job.spec.profile}; next: npu-deliver report {model}"
        )


@app.command()
def report(
    model: Model, root: Root = ROOT, output: Output = None, lang: LangOption = Lang.ZH, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Render the report anew from the records that are there; needs no hardware.

    Example: [bold]npu-deliver report efficientnet_lite0 --lang en[/bold]
    """
    from npu_deliver import pipeline

    job = _job(model, root, output, None, None, None, None)
    _finish(job, pipeline.report(job, lang.value), as_json=as_json)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a deliverable, from whomever")],
    as_json: AsJson = False,
) -> None:
    """Recompute everything in a deliverable and name each contradiction.

    Example: [bold]npu-deliver verify deliverables/efficientnet_lite0/npu_deliverables[/bold]
    """
    from npu_deliver import verify as verification

    if not folder.is_dir():
        raise VerifyError("there is no such folder", where=str(folder), fix="name the folder of a deliverable")
    found = verification.verify(folder)
    overall = str(found.summary.overall) if found.summary else "unknown"
    stamps = [str(stamp) for stamp in found.summary.stamps] if found.summary else []
    if as_json:
        findings = [{"file": f.file, "what": f.what} for f in found.findings]
        _print_json(
            {"holds": found.holds, "files": found.files, "overall": overall, "stamps": stamps, "findings": findings}
        )
    else:
        for finding in found.findings:
            typer.echo(f"✗ {finding}")
        state = "holds together" if found.holds else f"contradicts itself in {len(found.findings)} places"
        stamped = f"; stamped: {', '.join(stamps)}" if stamps else ""
        typer.echo(f"{folder}: {state}; {found.files} files; verdict {overall}{stamped}")
    if not found.holds:
        raise typer.Exit(VerifyError.exit_code)


@app.command()
def models(root: Root = ROOT, as_json: AsJson = False) -> None:
    """List the models below --root and the generic references that need no folder.

    Example: [bold]npu-deliver models[/bold]
    """
    from npu_deliver import spec

    listed: list[dict[str, str]] = []
    for name in spec.available(root):
        with contextlib.suppress(DeliverError):
            loaded = spec.load(name, root, overrides=spec.Overrides()).spec
            listed.append({"model": name, "title": loaded.model.title, "task": loaded.task, "adapter": loaded.adapter,
                           "weights": loaded.weights.source})  # fmt: skip
    generic = {library: f"{library}:<name of a {library} model>" for library in spec.GENERIC_TASK}
    if as_json:
        _print_json({"models": listed, "generic": generic})
        return
    for entry in listed:
        typer.echo(f"{entry['model']:<24} {entry['title']:<24} {entry['task']:<16} {entry['adapter']}")
    broken = set(spec.available(root)) - {entry["model"] for entry in listed}
    for name in sorted(broken):
        typer.echo(f"{name:<24} (its spec.yaml is broken: npu-deliver plan {name} says where)")
    typer.echo("")
    typer.echo("without a folder of their own:")
    for reference in generic.values():
        typer.echo(f"  {reference}")


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="spec or summary")] = "spec",
) -> None:
    """Print the JSON schema of spec.yaml or of summary.json.

    Example: [bold]npu-deliver schema summary[/bold]
    """
    from npu_deliver import schemas

    _print_json(schemas.schema(what))


def main() -> None:
    """Entry point: errors become one line and an exit code, as `errors` draws them."""
    with _as_exit_codes():
        app(prog_name="npu-deliver")


@contextlib.contextmanager
def _as_exit_codes() -> Iterator[None]:
    try:
        yield
    except DeliverError as error:
        _die(str(error), error.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != EXIT_INTERRUPTED:  # typer turns Ctrl-C into this code
            raise
        _die("interrupted; finished steps are kept, the same command goes on from there", EXIT_INTERRUPTED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _die(
            f"{place}{error.strerror or error}; free space, mend permissions, or name another folder with --output",
            ConfigError.exit_code,
        )
    except Exception:  # noqa: BLE001  the last line of defence: a bug is reported as one
        traceback.print_exc()
        _die("this is a bug in npu-deliver; please report it with the lines above", EXIT_BUG)


def _die(message: str, code: int) -> None:
    sys.stderr.write(f"npu-deliver: {message}\n")
    raise SystemExit(code)


def _job(
    model: str, root: Path, output: Path | None, device: str | None, weights: str | None, input_: Path | None,
    tier: Tier | None,
) -> Job:  # fmt: skip
    from npu_deliver.spec import Overrides, load
    from npu_eval.weights_reference import parse

    if weights not in (None, "default"):
        named = parse(weights)
        if named.scheme == "file" and not named.path.startswith("~"):
            weights = f"file:{Path(named.path).absolute()}"  # a path given here starts here, not in the spec's folder
    overrides = Overrides(device=device, weights=weights, input=input_, tier=tier.value if tier else None)
    return load(model, root, overrides=overrides, output=output)


def _finish(job: Job, summary: Summary, *, as_json: bool) -> None:
    """Tell what came out, and leave with 1 when a verdict is not PASS."""
    if as_json:
        _print_json({"folder": str(job.output), "overall": summary.overall, "stamps": list(summary.stamps),
                     "verdicts": {v.criterion: v.status for v in summary.verdicts}})  # fmt: skip
    else:
        for v in summary.verdicts:
            value = v.reason if v.value is None else f"worst {v.value:.6g} ({v.evidence})"
            typer.echo(f"{v.status:<12} {v.criterion:<16} {v.metric} {v.comparison} {v.threshold:g}: {value}")
        typer.echo(
            f"{summary.overall} on {summary.provenance.device.name}"
            + "".join(f" [{stamp}]" for stamp in summary.stamps)
        )
        typer.echo(f"verified: {job.output}")
    raise typer.Exit(EXIT_OK if summary.overall == "PASS" else EXIT_NOT_PASSED)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
