"""What an inference record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.inference.data import InferenceData
from npu_eval.experiments.inference.log import inference_lines
from npu_eval.records.kind import Kind, Telling


def _check(data: InferenceData, where: str) -> None:
    """Any predictions can be written."""
    del data, where


def _lines(data: InferenceData, telling: Telling) -> list[str]:
    del telling
    return inference_lines(data)


def _files(data: InferenceData) -> tuple[tuple[str, str], ...]:
    named = ((result.picture, result.picture_sha256) for result in data.results)
    return tuple((path, sha256) for path, sha256 in named if path is not None and sha256 is not None)


KIND = Kind(
    name="inference",
    title="Inference",
    log="inference.log",
    script=("inference.py", "--input", "inputs", "--output", "evaluation/results"),
    data=InferenceData,
    check=_check,
    lines=_lines,
    files=_files,
    repeats=True,
)
