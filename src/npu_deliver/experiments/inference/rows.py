"""The table rows in which the predictions of photos may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Rows
from npu_eval.experiments.inference.data import PhotoResult


def rows(found: tuple[PhotoResult, ...], device: str) -> Rows:
    """A row for each photo."""
    del device
    for result in found:
        yield (result.input,), result
