"""What belongs to a photo's whole way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contexts import context
from npu_eval.asked.spec import TimingProtocol
from npu_eval.errors import AdapterError
from npu_eval.experiments.performance import phases
from tiny_detector import TinyDetector

SMOKE = TimingProtocol(tier="smoke", batch_sizes=(1,), limit_s=0.1, warmup_limit_s=0.05)


def test_the_detections_of_a_detector_are_made_on_the_way(tmp_path: Path) -> None:
    asked: list[str] = []

    class Counting(TinyDetector):
        def detections(self, outputs: Any, photos: Any) -> Any:
            asked.extend(photo.name for photo in photos)
            return super().detections(outputs, photos)

    made = context(tmp_path, adapter=Counting(), timing=SMOKE)
    ways = phases.measure(made, made.network)
    assert {way.input for way in ways} == {"inputs/cat.png", "inputs/flower.png"}
    assert set(asked) == {"cat.png", "flower.png"}
    assert len(asked) >= len(ways)


def test_post_processing_that_breaks_is_told_by_name(tmp_path: Path) -> None:
    class Broken(TinyDetector):
        def detections(self, outputs: Any, photos: Any) -> Any:
            raise RuntimeError("no such operator")

    made = context(tmp_path, adapter=Broken(), timing=SMOKE)
    with pytest.raises(AdapterError, match=r"no such operator"):
        phases.measure(made, made.network)
