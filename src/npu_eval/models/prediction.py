"""One thing that a model said of a photo. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One thing the model said of a photo. ``box`` is x1, y1, x2, y2 in pixels of the photo."""

    label: str
    index: int
    score: float
    box: tuple[float, ...] | None = None
