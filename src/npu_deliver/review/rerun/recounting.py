"""Outputs leave a rerun as tensors and are counted outside of it: by this release's own code, in a process that nothing
of the folder runs in but its spec.json.

The run records what it finds, too. Where its record and its tensors disagree, the record is believed in nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from math import isclose, sqrt
from pathlib import Path
from typing import Any

from npu_deliver import execute
from npu_deliver.environment.engine import Engine
from npu_deliver.environment.step import Mount, Step
from npu_deliver.plan import RERUN_TIMEOUT_S
from npu_deliver.release.travelling import brought_by, copy_code
from npu_eval.asked.spec import OUTPUTS_VARIABLE
from npu_eval.errors import RecordError
from npu_eval.experiments.precision.data import PrecisionData, Recounted
from npu_eval.jsonio import from_json, loads

EXPERIMENT = "precision"
RESULT = "recounted.json"
SCRIPT = "recount.py"
_SCRIPT = """import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True

from npu_eval.experiments.precision import recount

if __name__ == "__main__":
    sys.exit(recount.main(ROOT))
"""

SAME = 1e-9
"""Relative difference of two sums of the same numbers in float64 in another order: that of 1e7 terms is below it."""


def keeping(step: Step, outputs: Path) -> Step:
    """A step that leaves its outputs in a folder, where it is the one that has some."""
    if step.experiment != EXPERIMENT:
        return step
    kept = Mount(source=str(outputs), variable=OUTPUTS_VARIABLE, read_only=False)
    return replace(step, mounts=(*step.mounts, kept))


def recount(engine: Engine, image: str, outputs: Path, spec: Path, work: Path, consoles: Path) -> Recounted:
    """Count the outputs that a run left.

    Args:
        image: the digest of the environment.
        spec: the spec.json of the deliverable.
        work: a folder that is not there yet.

    Raises:
        DeliverError: they are missing, altered, or not of the spec; or the process died.
    """
    copy_code(brought_by(_SCRIPT), work)
    shutil.copyfile(spec, work / "spec.json")
    (work / SCRIPT).write_text(_SCRIPT, encoding="utf-8")
    step = Step(
        experiment="recount",
        command=("python", SCRIPT),
        record=RESULT,
        log="",
        devices=(),
        image=image,
        mounts=(Mount(source=str(outputs), variable=OUTPUTS_VARIABLE),),
        timeout_s=RERUN_TIMEOUT_S,
    )
    execute.run_step(step, "outputs", engine, work, consoles)
    try:
        text = (work / RESULT).read_text(encoding="utf-8")
    except OSError as error:
        raise RecordError("the outputs were not counted", where=RESULT, fix=f"its output is in {consoles}") from error
    return from_json(Recounted, loads(text, RESULT), RESULT)


def counted(data: PrecisionData, found: Recounted) -> PrecisionData:
    """What a run recorded, with everything that follows from its outputs as it was counted outside."""
    return replace(data, **{field.name: getattr(found, field.name) for field in fields(Recounted)})


def deviations(data: PrecisionData, found: Recounted) -> tuple[str, ...]:
    """Where a run's record is not what its tensors give, such as ``differences[0].max_abs_diff``."""
    every = []
    for field in fields(Recounted):
        told, counts = getattr(data, field.name), getattr(found, field.name)
        every += list(_deviating(field.name, told, counts))
    return tuple(every)


def _deviating(where: str, told: Any, counts: Any, size: float = 0.0) -> Iterator[str]:
    if is_dataclass(told) and type(told) is type(counts):
        scale = sqrt(getattr(told, "sum_sq_reference", 0.0)) * sqrt(getattr(told, "sum_sq_candidate", 0.0))
        for field in fields(told):
            pair = getattr(told, field.name), getattr(counts, field.name)
            yield from _deviating(f"{where}.{field.name}", *pair, scale if field.name == "dot" else 0.0)
    elif isinstance(told, tuple) and isinstance(counts, tuple) and len(told) == len(counts):
        for number, pair in enumerate(zip(told, counts, strict=True)):
            yield from _deviating(f"{where}[{number}]", *pair)
    elif isinstance(told, float) and isinstance(counts, float):
        if not isclose(told, counts, rel_tol=SAME, abs_tol=SAME * size):
            yield where
    elif told != counts or type(told) is not type(counts):
        yield where
