"""What will be run: a pure function from the spec to steps, which `--dry-run` prints and an engine carries out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Mount, Step
from npu_deliver.experiments.registry import KINDS, OPTIONAL, halves
from npu_deliver.spec.profiles import SERVER
from npu_deliver.spec.spec import Job, Spec
from npu_eval.asked.layout import Layout
from npu_eval.asked.spec import REFERENCE_VARIABLE, WEIGHTS_VARIABLE
from npu_eval.weights.shards import is_index

INPUTS = "inputs"
RESULTS = "evaluation/results"
MAKE_REFERENCE = "evaluation/make_reference.py"


def _script(experiment: str, layout: Layout) -> tuple[str, ...]:
    return tuple(map(layout.at, KINDS[experiment].script))


def with_server(job: Job) -> Job:
    """The job with a server in its deliverable."""
    return replace(job, spec=job.spec.model_copy(update={"serve": True}))


def wanted_experiments(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Experiment → script and arguments, of those that the spec asks for, in the order in which they run."""
    own = halves("step")
    return {
        name: _script(name, spec.layout)
        for name, kind in KINDS.items()
        if (own[name].wanted(spec) if name in own else not kind.optional)
    }


def scripts_left_out(spec: Spec) -> frozenset[str]:
    """The scripts of experiments that the spec does not ask for: they do not travel.

    Optional ones do: whoever has a data set may evaluate the model on it, and whoever has another machine may search
    for what is quick there, or for what differs.
    """
    wanted = {*wanted_experiments(spec), *OPTIONAL}
    left_out = {_script(name, spec.layout)[0] for name in KINDS if name not in wanted}
    return frozenset(left_out if spec.serve else {*left_out, SERVER})


RERUNNABLE = tuple(name for name, kind in KINDS.items() if kind.repeats)
"""The experiments that need nothing but the deliverable and its weights, whose findings a rerun can repeat."""

REFERRING = tuple(name for name, kind in KINDS.items() if kind.takes_reference)
"""The experiments that hold outputs against a reference, which can come from a bundle."""

REFERENCE_OUTPUT = "reference"
"""Where in the staged folder the step `reference` leaves its bundle."""

RERUN_TIMEOUT_S = 3600.0
"""Seconds of one experiment at most when a stranger's deliverable is run again; the spec's own limit stays with it."""


def plan(spec: Spec, image: Image, *, weights: Path | None, reference: Path | None = None) -> tuple[Step, ...]:
    """The steps of a deliverable, in the order in which they run.

    Args:
        weights: the file that was fetched for them.
        reference: a reference bundle to compare with, instead of computing the reference.
    """
    evaluation = spec.evaluation
    planned = steps(
        tuple(wanted_experiments(spec)),
        evaluation.device,
        image,
        layout=spec.layout,
        weights=weights,
        timeout_s=evaluation.step_timeout_s,
    )
    return tuple(referring(_completed(step, spec), reference) for step in planned)


def referring(step: Step, reference: Path | None) -> Step:
    """A step with the reference bundle to compare with, where it compares with a reference."""
    if reference is None or step.experiment not in REFERRING:
        return step
    return replace(step, mounts=(*step.mounts, _mounted(reference)))


def reference_step(spec: Spec, image: Image, *, weights: Path | None, operators: bool = False) -> Step:
    """The step that makes a reference bundle, on the device that the spec names for everything. It has no record.

    ``operators``: record every operator of the first input, too.
    """
    device = spec.evaluation.device
    more = ("--operators",) if operators else ()
    return Step(
        experiment="reference",
        command=("python", spec.layout.at(MAKE_REFERENCE), "--device", device, "--output", REFERENCE_OUTPUT, *more),
        record="",
        log="",
        devices=() if device == "cpu" else (device,),
        image=image.digest,
        mounts=_weights(weights),
        timeout_s=spec.evaluation.step_timeout_s,
    )


def _weights(path: Path | None) -> tuple[Mount, ...]:
    """The weights; an index brings the folder with the files that it names."""
    if path is None:
        return ()
    if is_index(path):
        return (Mount(source=str(path.parent), variable=WEIGHTS_VARIABLE, entry=path.name),)
    return (Mount(source=str(path), variable=WEIGHTS_VARIABLE),)


def locate(like: Step, layout: Layout, *, reference: Path | None = None) -> Step:
    """The step that finds the operators that differ: on the device and with the weights of another step.

    ``reference``: a reference bundle that holds the reference's operators, instead of running the reference.
    """
    (script,) = _script("localisation", layout)
    flags = like.command[like.command.index("--device") :]
    return replace(
        like,
        experiment="localisation",
        command=("python", script, *flags),
        record=layout.record("localisation"),
        log=layout.log(KINDS["localisation"].log),
        mounts=like.mounts if reference is None else (*like.mounts, _mounted(reference)),
    )


def _mounted(reference: Path) -> Mount:
    return Mount(source=str(reference), variable=REFERENCE_VARIABLE)


def steps(
    experiments: Sequence[str], device: str, image: Image, *, layout: Layout, weights: Path | None, timeout_s: float
) -> tuple[Step, ...]:
    """The steps of some experiments, in the order in which they run."""
    devices = () if device == "cpu" else (device,)
    return tuple(
        Step(
            experiment=experiment,
            command=("python", *_script(experiment, layout), "--device", device, "--save", layout.home),
            record=layout.record(experiment),
            log=layout.log(KINDS[experiment].log),
            devices=devices,
            image=image.digest,
            mounts=_weights(weights),
            timeout_s=timeout_s,
        )
        for experiment in KINDS
        if experiment in experiments
    )


def _completed(step: Step, spec: Spec) -> Step:
    """A step with what it needs beyond the deliverable: a data set, or a budget of time."""
    own = halves("step").get(step.experiment)
    completed: Step = step if own is None else own.completed(step, spec)
    return completed
