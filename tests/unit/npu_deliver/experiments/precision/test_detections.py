"""The detections of a summary are those of the record."""

from __future__ import annotations

import samples
from npu_deliver.experiments.precision.detections import summarize_detections


def test_photos_and_lone_detections_are_told_with_their_photo():
    found = summarize_detections([samples.detections(), samples.detections("inputs/flower.jpg")])
    assert [photo.input for photo in found.photos] == [lone.input for lone in found.lone]
    assert (found.pairs, found.flips, found.matched) == (4, 2, 1.0)


def test_a_model_that_detects_nothing_by_its_nature_has_none():
    assert summarize_detections(()) is None
