"""The part of a summary that is about what the model says of each photo."""

from __future__ import annotations

from collections.abc import Mapping

from npu_eval.asked.spec import SpecFile
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.records.record import Record


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> tuple[PhotoResult, ...]:
    """The predictions for each photo; none without a record."""
    del spec_file
    record = records.get("inference")
    return record.data.results if record is not None and isinstance(record.data, InferenceData) else ()
