"""Make a reference bundle: the line up to one step, whose result is carried to another machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from npu_deliver import execute, log, output_place, pipeline, plan
from npu_deliver.errors import ConfigError, DeviceError
from npu_deliver.pipeline import Options
from npu_deliver.spec.spec import Job
from npu_deliver.staging import stage
from npu_eval.records.bundle import Bundle, open_bundle, open_whole, put_in_place, refuse_other


def make_reference(job: Job, options: Options, *, device: str, output: Path, operators: bool = False) -> Bundle:
    """Record what a model gives on a CPU or a GPU; an earlier bundle is replaced once the new one is whole.

    Args:
        device: where it is computed; ``auto`` is the best that is here and no NPU.
        output: the bundle's folder. Everything is staged beside it, on the disk that it will need.
        operators: whether every operator of the first input is recorded, too.

    Raises:
        DeviceError: the device is an NPU.
        ConfigError: ``output`` holds something else, or there is too little room.
        DeliverError: the step failed, with its exit code.
    """
    if options.replay is not None:
        raise ConfigError("a reference is computed, not replayed", where="--replay", fix="leave it out")
    if device.startswith("npu"):
        raise DeviceError(
            "a reference is made on a CPU or a GPU: the NPU is what is held against it",
            where=device,
            fix="use --device cpu or --device cuda:0",
        )
    output_place.require(output, output.with_name(f".{output.name}.making"))
    refuse_other(output)
    evaluation = job.spec.evaluation.model_copy(update={"device": device})
    scratch = output.with_name(f".{output.name}.making")
    job = replace(
        job,
        spec=job.spec.model_copy(update={"evaluation": evaluation, "dataset": None}),
        output=scratch / job.spec.profile,
    )
    with pipeline.working(job):
        weights = pipeline.fetch_weights(job)
        where = pipeline.prepare_environment(job, options)
        weights = weights or pipeline.fetch_default_weights(job, where)
        staged = stage.stage(job, where.image, weights)
        step = plan.reference_step(
            job.spec, where.image, weights=weights.path if weights else None, operators=operators
        )
        log.get().info("reference: %s", step.shell)
        with where.engine as engine:
            execute.run_step(step, "reference", engine, staged.folder, job.work / "console")
        made = staged.folder / plan.REFERENCE_OUTPUT
        open_whole(made)
        put_in_place(made, output)
    shutil.rmtree(scratch, ignore_errors=True)
    return open_bundle(output)
