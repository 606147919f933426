"""What the inference finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.models.prediction import Prediction
from npu_eval.records.record import Record
from samples.asked import PHOTOS, eval_spec
from samples.recorded import record


def predictions() -> tuple[Prediction, ...]:
    return (
        Prediction(label="tabby, tabby cat", index=281, score=0.7261),
        Prediction(label="Egyptian cat", index=285, score=0.1405),
        Prediction(label="tiger cat", index=282, score=0.0932),
        Prediction(label="lynx, catamount", index=287, score=0.0011),
        Prediction(label="虎斑猫", index=292, score=0.0000012),
    )


def photo_result(path: str = "inputs/cat.jpg", **changes: Any) -> PhotoResult:
    stem = path.rpartition("/")[2].partition(".")[0]
    result = PhotoResult(
        input=path,
        input_sha256=PHOTOS.get(path, "0f0f" * 16),
        picture=f"results/{stem}.jpg",
        picture_sha256="91c7" * 16,
        predictions=predictions(),
    )
    return replace(result, **changes)


def inference_record(*, spec: EvalSpec | None = None, data: InferenceData | None = None, **changes: Any) -> Record:
    paths = [entry.path for entry in (spec or eval_spec()).inputs]
    data = data or InferenceData(results=tuple(photo_result(path) for path in paths))
    return record(data, ("python", "inference.py", "--save", "evaluation"), spec=spec, **changes)
