from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.experiments.dataset import coco_metric
from npu_eval.experiments.dataset.bootstrap import paired_differences, weighted_ap
from npu_eval.experiments.dataset.coco_layout import Truth

IMAGES = 5


def scene(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(objects, detections) of five images with two categories: shifted boxes and misses, distinct scores."""
    generator = random.Random(seed)
    objects, found = [], []
    for image in range(1, IMAGES + 1):
        for _ in range(generator.randint(0, 4)):
            box = [
                generator.randint(0, 50),
                generator.randint(0, 50),
                generator.randint(5, 30),
                generator.randint(5, 30),
            ]
            category = generator.choice((1, 2))
            objects.append({"image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3],
                            "iscrowd": int(generator.random() < 0.1)})  # fmt: skip
            if generator.random() < 0.8:
                shift = generator.choice((0, 0, 1, 3, 8))
                found.append({"image_id": image, "category_id": category, "bbox": [box[0] + shift, *box[1:]],
                              "score": generator.random()})  # fmt: skip
    return objects, found


def evaluated(objects: list[dict[str, Any]], found: list[dict[str, Any]], images: int, folder: Path, name: str) -> Any:
    truth, results = folder / "truth.json", folder / "results.json"
    head = {"images": [{"id": i + 1, "height": 99, "width": 99} for i in range(images)],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}  # fmt: skip
    numbered = [{"id": n, **o} for n, o in enumerate(objects, start=1)]
    truth.write_text(json.dumps({**head, "annotations": numbered}))
    results.write_text(json.dumps(found))
    prepared = Truth(boxes=truth, masks=None, categories={"a": 1, "b": 2}, objects={"bbox": Counter()},
                     crowds={"bbox": 0})  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco_metric, "_installed", lambda installed: installed == name)
        return coco_metric.evaluate(prepared, {"bbox": results}, cross_check=name == "pycocotools", found={}, keep=True)


@given(st.integers(0, 10_000), st.lists(st.integers(0, IMAGES - 1), min_size=IMAGES, max_size=IMAGES))
def test_weights_are_as_good_as_copies(tmp_path_factory: pytest.TempPathFactory, seed: int, drawn: list[int]) -> None:
    """AP of a weighted set is that of pycocotools on a set in which the drawn images really stand as often."""
    folder = tmp_path_factory.mktemp("copies")
    objects, found = scene(seed)
    _, evaluations = evaluated(objects, found, IMAGES, folder, "pycocotools")
    matches = coco_metric.matches_of(evaluations["bbox"], {i + 1: i for i in range(IMAGES)})
    weights = np.bincount(drawn, minlength=IMAGES).astype(float)
    copies = [
        [{**entry, "image_id": copy} for copy, place in enumerate(drawn, start=1) for entry in entries
         if entry["image_id"] == place + 1]
        for entries in (objects, found)
    ]  # fmt: skip
    (scores,), _ = evaluated(copies[0], copies[1], len(drawn), folder, "pycocotools")
    assert weighted_ap(matches, weights) == pytest.approx(scores.official.stats[0], abs=1e-9)


def test_matches_of_both_evaluators_give_the_same(tmp_path: Path) -> None:
    objects, found = scene(3)
    values = []
    for name in ("hotcoco", "pycocotools"):
        (scores,), evaluations = evaluated(objects, found, IMAGES, tmp_path, name)
        matches = coco_metric.matches_of(evaluations["bbox"], {i + 1: i for i in range(IMAGES)})
        values.append(weighted_ap(matches, np.ones(IMAGES)))
        assert values[-1] == pytest.approx(scores.official.stats[0], abs=1e-12)
    assert values[0] == values[1]


def test_nothing_to_find_is_undefined(tmp_path: Path) -> None:
    _, evaluations = evaluated([], [], IMAGES, tmp_path, "pycocotools")
    assert weighted_ap(coco_metric.matches_of(evaluations["bbox"], {1: 0}), np.ones(1)) == -1.0


def test_draws_are_with_repetition_and_paired() -> None:
    """The mean of a draw varies as the bootstrap of a mean does, sd / sqrt(n), and common parts cancel exactly."""
    values = np.random.default_rng(1).normal(size=200)
    shared = np.random.default_rng(2).normal(size=200) * 100

    def mean_of(x: np.ndarray[Any, Any]) -> Any:
        return lambda weights: float(weights @ x / weights.sum())

    found = paired_differences(mean_of(values + shared), mean_of(shared), 200, seed=0)
    assert len(found) == 1000
    assert statistics.stdev(found) == pytest.approx(float(values.std()) / 200**0.5, rel=0.1)
    assert statistics.fmean(found) == pytest.approx(float(values.mean()), abs=0.01)
    assert found == paired_differences(mean_of(values + shared), mean_of(shared), 200, seed=0)


def test_two_equal_runs_differ_by_nothing() -> None:
    found = paired_differences(lambda w: float(w[0]), lambda w: float(w[0]), 9, seed=5, draws=50)
    assert set(found) == {0.0}
