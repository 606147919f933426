from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import samples
from npu_eval.experiments.dataset.data import DirectRun, Unusable
from npu_eval.experiments.dataset.log import dataset_lines
from npu_eval.models.protocols import PROTOCOLS

GOLDEN = Path(__file__).parents[4] / "golden" / "logs" / "dataset.log"


def test_the_log_is_as_people_read_it() -> None:
    assert "\n".join(dataset_lines(samples.dataset_data())) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_evaluators_that_differ_are_said_to() -> None:
    scores = samples.dataset_data().detection[0]
    run = scores.official
    other = replace(run, evaluator="hotcoco", stats=(run.stats[0] + 1e-16, *run.stats[1:]))
    lines = dataset_lines(samples.dataset_data(detection=(replace(scores, runs=(other, run)),)))
    assert any("DIFFER; pycocotools counts" in line for line in lines) == (other.stats != run.stats)
    alone = dataset_lines(samples.dataset_data(detection=(replace(scores, runs=(run,)),)))
    assert "one evaluator; ask for a second with --cross-check" in alone


def test_many_unreadable_images_are_counted_and_the_first_listed() -> None:
    many = tuple(Unusable(name=f"{n}.jpg", why="is no image") for n in range(30))
    lines = dataset_lines(samples.dataset_data(unreadable=many))
    assert any(line.endswith(": 30") for line in lines)
    assert "  19.jpg: is no image" in lines
    assert "  and 10 more, which the record names" in lines


def test_top1_and_top5_of_a_classifier() -> None:
    assert any("top-1" in line and "75.00 %" in line for line in dataset_lines(samples.class_data()))


def test_a_protocol_is_said_with_its_limits() -> None:
    direct = DirectRun(protocol=PROTOCOLS["coco"], classes_at_once=16)
    text = "\n".join(dataset_lines(samples.dataset_data(direct=direct)))
    assert "coco: scores from 0.0000 on, the 100 best of an image\n" in text
    assert "16 classes at once" in text
    one = replace(direct, protocol=PROTOCOLS["per-class"])
    assert "the 100 best of an image and class\n" in "\n".join(dataset_lines(samples.dataset_data(direct=one)))
