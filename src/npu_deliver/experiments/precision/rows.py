"""The table rows in which the numbers of an agreement may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Rows
from npu_deliver.experiments.precision.detections import Detections
from npu_deliver.experiments.precision.summary import Precision


def rows(found: Precision, device: str) -> Rows:
    """Rows by input and output, by mode, by detection, and by metric."""
    del device
    for agreement in found.agreements:
        yield (agreement.input, agreement.output), agreement
    for level in found.levels:
        yield (level.output,), level
    yield from _mode_rows(found)
    for ranking in found.rankings:
        yield (ranking.input,), ranking
    if found.detections is not None:
        yield from _detection_rows(found.detections)
    for name in ("max_abs_diff", "mean_abs_diff", "cosine_similarity", "relative_l2"):
        yield (name,), getattr(found, f"worst_{name}")
    yield ("match_within_1_percent",), found.within_1_percent
    for k in ("top1", "top5"):
        yield (f"{k}_match",), getattr(found, f"{k}_match"), getattr(found, f"{k}_agreement")


def _mode_rows(precision: Precision) -> Rows:
    for mode in precision.modes:
        settings = "` `".join(f"{name}={value}" for name, value in mode.settings.items())
        for output, error in mode.errors.items():
            for deployed in ("yes", "\u662f") if mode.deployed else ("no", "\u5426"):  # in both languages
                yield (settings, deployed, output), error, mode.median_s, mode.calls


def _detection_rows(detections: Detections) -> Rows:
    for photo in detections.photos:
        yield (photo.input,), photo
    for lone in detections.lone:
        yield (lone.input, lone.detection.side, lone.detection.label), lone.detection
