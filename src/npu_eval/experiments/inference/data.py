"""What the inference experiment stores: what the model says of each photo. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from npu_eval.models.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class PhotoResult:
    """The predictions for one photo, best first, and the picture that shows them."""

    input: str
    input_sha256: str
    picture: str | None
    picture_sha256: str | None
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, kw_only=True)
class InferenceData:
    """What the model says of each photo."""

    results: tuple[PhotoResult, ...]
