"""What the precision experiment finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.precision.switching_data import ModeDifference, ModeRun, Switching
from npu_eval.records.record import Record
from samples.agreement import difference, ranking, repeated
from samples.asked import PHOTOS, eval_spec
from samples.recorded import record
from samples.timed import latency_samples


def precision_data(paths: Sequence[str] = tuple(PHOTOS), **changes: Any) -> PrecisionData:
    found = PrecisionData(
        reference_dtype="float64",
        candidate_dtype="float32",
        differences=tuple(difference(input=path) for path in paths),
        repeats=tuple(repeated(path) for path in paths for _ in range(2)),
        rankings=tuple(ranking(path) for path in paths),
        floors=tuple(difference(input=path) for path in paths),
        switching=switching(paths),
    )
    return replace(found, **changes)


def switching(paths: Sequence[str] = tuple(PHOTOS)) -> Switching:
    """HF32 of convolutions, on by default: a thousand times the error that is left without it, and a tenth quicker."""
    modes = []
    for conv, matmul in (("on", "off"), ("on", "on"), ("off", "on"), ("off", "off")):
        error = 1e-7 if conv == matmul == "off" else 1e-4
        modes.append(
            ModeRun(
                settings={"hf32_conv": conv, "hf32_matmul": matmul},
                deployed=not modes,
                differences=tuple(
                    ModeDifference(input=path, output="logits", sum_sq_reference=16.0, sum_sq_diff=16.0 * error**2,
                                   nonfinite_mismatch=0)
                    for path in paths
                ),
                samples_s=latency_samples(9, 0.0215 if conv == "on" else 0.0239),
            )
        )  # fmt: skip
    return Switching(modes=tuple(modes))


def precision_record(*, spec: EvalSpec | None = None, data: PrecisionData | None = None, **changes: Any) -> Record:
    wanted = spec or eval_spec()
    paths = [entry.path for entry in wanted.inputs]
    repeats = tuple(repeated(path) for path in paths for _ in range(wanted.repeats - 1))
    data = data or precision_data(paths, repeats=repeats)
    command = ("python", "evaluation/eval_precision.py", "--save", "evaluation")
    return record(data, command, spec=spec, **changes)
