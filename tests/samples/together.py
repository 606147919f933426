"""The records of one run, together."""

from __future__ import annotations

from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.records.record import Record
from samples.dataset import dataset_record
from samples.inference import inference_record
from samples.localisation import localisation_record
from samples.performance import performance_record
from samples.precision import precision_record
from samples.training import training_record


def all_records(spec: EvalSpec | None = None, **changes: Any) -> dict[str, Record]:
    """One record of each experiment, with those that not every deliverable has."""
    optional = {
        "dataset": dataset_record(spec=spec, **changes),
        "localisation": localisation_record(spec=spec, **changes),
    }
    return {**records(spec, **changes), **optional}


def records(spec: EvalSpec | None = None, **changes: Any) -> dict[str, Record]:
    """One record of each experiment that the spec asks for, of one run: what ``summarize`` takes."""
    extra = {"training": training_record(spec=spec, **changes)} if spec is not None and spec.training else {}
    return {
        "inference": inference_record(spec=spec, **changes),
        "precision": precision_record(spec=spec, **changes),
        "performance": performance_record(spec=spec, **changes),
        **extra,
    }
