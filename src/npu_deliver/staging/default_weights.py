"""Which weights a model library publishes as its default: only the library knows, and only the image has the library.

Steps in containers have no network, so the reference is asked for in the image, and the file is fetched outside.
"""

from __future__ import annotations

import shutil

from npu_deliver.environment.choice import Environment
from npu_deliver.environment.step import Step
from npu_deliver.errors import AdapterError
from npu_deliver.spec.libraries import portable
from npu_deliver.spec.spec import Job
from npu_deliver.staging import stage
from npu_eval.errors import error_line

_MARK = "default weights: "
_QUESTION = f"""
import sys
rules = {{"__name__": "isolation"}}
with open("npu_eval/isolation.py", encoding="utf-8") as code:
    exec(code.read(), rules)
rules["enter"](".")
from pathlib import Path
from npu_eval.models.adapter import SupportsDefaultWeights, resolve
from npu_eval.errors import ERROR_MARK, DeliverError
try:
    adapter = resolve(sys.argv[1], Path("."))
    if not isinstance(adapter, SupportsDefaultWeights):
        sys.exit(ERROR_MARK + sys.argv[1] + ": knows no default weights; name them in the spec or with --weights")
    print("{_MARK}" + adapter.default_weights())
except DeliverError as error:
    sys.exit(ERROR_MARK + str(error))
"""
_TIMEOUT_S = 600.0
"""Importing a model library from a cold disk takes a minute at most."""


def ask(job: Job, where: Environment) -> str:
    """The reference of a model's default weights.

    Raises:
        AdapterError: the adapter knows none, or does not load in the image.
    """
    folder = job.work / "question"
    shutil.rmtree(folder, ignore_errors=True)
    stage.lay_out_code(job, folder)
    step = Step(
        experiment="weights",
        command=("python", "-c", _QUESTION, portable(job.spec.adapter)),
        record="",
        log="",
        devices=(),
        image=where.image.digest,
        mounts=(),
        timeout_s=_TIMEOUT_S,
    )
    lines: list[str] = []
    with where.engine as engine:
        engine.run(step, folder, lines.append)
    shutil.rmtree(folder, ignore_errors=True)
    for line in lines:
        if line.startswith(_MARK):
            return line.removeprefix(_MARK)
    said = next(filter(None, map(error_line, reversed(lines))), None) or (lines[-1] if lines else "it said nothing")
    raise AdapterError(
        f"its default weights are unknown: {said}", where=job.spec.adapter, fix="name them with --weights"
    )
