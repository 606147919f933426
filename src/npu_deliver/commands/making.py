"""The commands that make a deliverable, each a part of the line: plan, stage, run, report, and all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npu_deliver.commands.options import AsJson, How, InContainers, Lang, LangOption, What, Where, grouped
from npu_deliver.commands.saying import say, say_json
from npu_deliver.commands.verdict_lines import verdict_line
from npu_deliver.errors import EXIT_NOT_PASSED, EXIT_OK
from npu_eval.records.stamps import Stamp, told

if TYPE_CHECKING:
    from npu_deliver.seal.statement import Signer
    from npu_deliver.spec.spec import Job
    from npu_deliver.summary import Summary

DEFAULT_BUDGET = "10m"
"""Of the command `optimise`: enough for five to eight pairs of each switch of a small model."""

SignKey = Annotated[
    Path | None,
    typer.Option("--sign-key", envvar="NPU_DELIVER_SIGN_KEY", help="Sign the statement with this Ed25519 key (a file)"),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run everything anew instead of keeping finished steps")]


@grouped
def deliver(
    what: What,
    how: How,
    lang: LangOption = Lang.ZH,
    fresh: Fresh = False,
    sign_key: SignKey = None,
    as_json: AsJson = False,
) -> None:
    """Make the whole deliverable: stage, run, judge, render, seal, verify.

    Example: [bold]npu-deliver deliver efficientnet_lite0 --device auto[/bold]
    """
    from npu_deliver import pipeline

    job = what.job()
    options = replace(how.options(lang=lang, fresh=fresh), sign=signer(sign_key))
    finish(job, pipeline.deliver(job, options), as_json=as_json)


@grouped
def plan(what: What, how: How, as_json: AsJson = False) -> None:
    """Print what would be run, without running or building anything.

    Example: [bold]npu-deliver plan timm:resnet18 --json[/bold]
    """
    from npu_deliver import pipeline
    from npu_deliver import plan as planning
    from npu_eval.jsonio import to_json

    job = what.job()
    options = how.options()
    where = pipeline.planned_environment(job, options)
    steps = planning.plan(job.spec, where.image, weights=None, reference=options.reference)
    lines = [where.engine.shell_line(step, job.output) for step in steps]
    if as_json:
        say_json(
            {
                "model": job.spec.name,
                "folder": str(job.output),
                "image": where.image.digest,
                "steps": to_json(steps),
                "lines": lines,
            }
        )
        return
    say(f"in {job.output}:")
    for number, (step, line) in enumerate(zip(steps, lines, strict=True), start=1):
        say(f"{number}. {step.experiment:<12} {line}")
        say(f"   {'':<12} -> {step.record}, {step.log}")


@grouped
def image(what: What, how: InContainers, as_json: AsJson = False) -> None:
    """Build the image in which a model runs, or find it built; nothing is run in it.

    Example: [bold]npu-deliver image efficientnet_lite0 --stack npu --soc Ascend910B4[/bold]
    """
    from npu_deliver import pipeline
    from npu_eval.jsonio import to_json

    made = pipeline.build(what.job(), how.containers())
    if as_json:
        say_json({"digest": made.digest, "facts": to_json(made.facts), "packages": made.packages})
    else:
        say(f"{made.facts.name if made.facts else ''} {made.digest}".strip())


@grouped
def stage(what: What, how: How, as_json: AsJson = False) -> None:
    """Lay out the deliverable's folder without running anything; its scripts can then be run by hand.

    Example: [bold]npu-deliver stage efficientnet_lite0[/bold]
    """
    from npu_deliver import pipeline
    from npu_deliver.staging import stage as staging

    job = what.job()
    with pipeline.working(job):
        weights = pipeline.fetch_weights(job)
        where = pipeline.prepare_environment(job, how.options())
        staged = staging.stage(job, where.image, weights or pipeline.fetch_default_weights(job, where))
    if as_json:
        evaluation = staged.spec.evaluation
        say_json({"folder": str(staged.folder), "spec_sha256": evaluation.sha256, "code_sha256": staged.code_sha256})
    else:
        say(f"staged in {staged.folder}")


@grouped
def run(what: What, how: How, fresh: Fresh = False, as_json: AsJson = False) -> None:
    """Stage and run the experiments; the records wait for [bold]report[/bold].

    Example: [bold]npu-deliver run efficientnet_lite0 --device npu:0[/bold]
    """
    from npu_deliver import pipeline

    job = what.job()
    execution = pipeline.run(job, how.options(fresh=fresh))
    folder = job.work / job.spec.profile
    if as_json:
        say_json({"folder": str(folder), "records": sorted(execution.records), "kept": list(execution.kept)})
    else:
        say(f"{len(execution.records)} records in {folder}; next: npu-deliver report {what.model}")


@grouped
def optimise(
    what: What, how: How, lang: LangOption = Lang.ZH, sign_key: SignKey = None, as_json: AsJson = False
) -> None:
    """Search anew for what makes the model quicker, and make the deliverable with it; other finished steps are kept.

    Example: [bold]npu-deliver optimise efficientnet_lite0 --budget 10m[/bold]
    """
    from npu_deliver import pipeline

    job = replace(what, budget=what.budget or DEFAULT_BUDGET).job()
    options = replace(how.options(lang=lang, again=("optimisation",)), sign=signer(sign_key))
    finish(job, pipeline.deliver(job, options), as_json=as_json)


@grouped
def locate(what: What, how: How, lang: LangOption = Lang.ZH, sign_key: SignKey = None, as_json: AsJson = False) -> None:
    """Find the operator at which the candidate leaves the reference, and say why; the report gains the page.

    Every operator runs on the reference's own inputs; steps of a finished deliverable that are still valid are kept.
    With --reference the reference does not run: its operators are read from a bundle made with --operators.

    Example: [bold]npu-deliver locate convnextv2_atto --device npu:0[/bold]
    """
    from npu_deliver import pipeline

    job = what.job()
    summary = pipeline.deliver(job, replace(how.options(lang=lang), locate=True, sign=signer(sign_key)))
    found = summary.localisation
    if found is not None and not as_json:
        for row in found.worst:
            error = "not finite" if row.error is None else f"{row.error:.3g}"
            say(f"{row.cause:<18} {row.module} {row.operator} {error}: {row.evidence}")
        say(f"{found.different} of {found.total} operators differ by more than float32 itself does")
    finish(job, summary, as_json=as_json)


@grouped
def report(where: Where, lang: LangOption = Lang.ZH, sign_key: SignKey = None, as_json: AsJson = False) -> None:
    """Render the report anew from the records that are there; needs no hardware.

    Example: [bold]npu-deliver report efficientnet_lite0 --lang en[/bold]
    """
    from npu_deliver import pipeline

    job = where.job()
    finish(job, pipeline.report(job, lang.value, signer(sign_key)), as_json=as_json)


def signer(key: Path | None) -> Signer | None:
    """What signs with a key; a key that cannot sign is told before anything runs."""
    from npu_deliver.seal import signing

    return None if key is None else signing.signer(key)


def finish(job: Job, summary: Summary, *, as_json: bool) -> None:
    """Tell what came out, and leave with 1 when a verdict is not PASS."""
    simulated = Stamp.SIMULATED in summary.stamps
    overall = told(summary.overall, simulated=simulated)
    if as_json:
        verdicts = {v.criterion: told(v.status, simulated=simulated) for v in summary.verdicts}
        stamps = list(summary.stamps)
        say_json({"folder": str(job.output), "overall": overall, "stamps": stamps, "verdicts": verdicts})
    else:
        for v in summary.verdicts:
            say(verdict_line(v, simulated=simulated))
        stamped = "".join(f" [{stamp}]" for stamp in summary.stamps)
        say(f"{overall} on {summary.provenance.device.name}{stamped}")
        say(f"verified: {job.output}")
    raise typer.Exit(EXIT_OK if summary.overall == "PASS" else EXIT_NOT_PASSED)
