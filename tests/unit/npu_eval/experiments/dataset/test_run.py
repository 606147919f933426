"""The experiment as a whole, on generated images: what is counted, what a break leaves, what is refused."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import contexts
from coco_samples import CATEGORIES, DirectRectangles, Rectangles, annotation, change_annotations, objects_of, write_set
from npu_eval.asked.spec import DATA_VARIABLE
from npu_eval.device.device import _Cpu
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.dataset import image_run
from npu_eval.experiments.dataset import run as dataset
from npu_eval.experiments.dataset.data import DatasetData, DirectRun, check_dataset
from npu_eval.experiments.dataset.result_stream import read_key, read_results
from npu_eval.experiments.dataset.statistics import interval, metric_values
from npu_eval.jsonio import from_json, to_json
from npu_eval.models.detections import DetectionSet
from npu_eval.models.protocols import PROTOCOLS
from npu_eval.records import codehash
from tiny_model import TinyClassifier

IMAGES = 8


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "coco", IMAGES)


def evaluate(root: Path, data: Path | None, adapter: Any = None, **flags: Any) -> DatasetData:
    adapter = adapter or Rectangles()
    parser = argparse.ArgumentParser()
    dataset.add_arguments(parser)
    arguments = parser.parse_args([])
    vars(arguments).update({"data": data, "save": root / "evaluation", **flags})
    context = contexts.context(root, adapter=adapter, task=adapter.task)
    return dataset.run(context, arguments)


@pytest.fixture(autouse=True)
def _no_folder_of_a_deliverable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code's hash is that of a deliverable's folder, which is not there."""
    monkeypatch.setattr(codehash, "code_sha256", lambda root: "c0de" * 16)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


def test_a_detector_that_finds_everything(tmp_path: Path, data: Path) -> None:
    found = evaluate(tmp_path, data)
    expected = sum(len(objects_of(n)) for n in range(IMAGES))
    assert found.detections == expected + IMAGES
    assert found.dropped_detections == IMAGES
    assert found.unused_classes == ("unicorn",)
    assert [(s.iou_type, s.objects) for s in found.detection] == [("bbox", expected), ("segm", expected)]
    assert metric_values(found)["box_ap"] == metric_values(found)["mask_ap"] == 1.0  # false ones come after all
    assert (found.unreadable, found.broken_annotations, found.images_without_detections) == ((), (), 0)
    assert from_json(DatasetData, to_json(found)) == found
    check_dataset(found, "data")
    assert found.results == "evaluation/results/dataset.jsonl"
    assert not list((tmp_path / "evaluation" / "results").glob(".partial*"))


class Dying(Rectangles):
    """The process dies at the fifth image."""

    left = 4

    def forward(self, model: Any, batch: torch.Tensor) -> Any:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().forward(model, batch)


def test_a_run_that_was_cut_short_ends_with_the_identical_result(tmp_path: Path, data: Path) -> None:
    whole = evaluate(tmp_path / "whole", data)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tmp_path / "cut", data, Dying())
    lines = tmp_path / "cut" / "evaluation" / "results" / "dataset.jsonl"
    there = len(lines.read_bytes().splitlines()) - 1
    (lines.parent / ".partial-left").mkdir()  # as a kill leaves it
    assert 0 < there <= 4
    resumed = evaluate(tmp_path / "cut", data)
    assert resumed.resumed_images == there
    assert same(resumed) == same(whole)
    assert not list(lines.parent.glob(".partial*"))
    assert lines.read_bytes() == (tmp_path / "whole" / "evaluation" / "results" / "dataset.jsonl").read_bytes()


def same(found: DatasetData) -> DatasetData:
    """Without what differs from run to run: the seconds, and how much was taken over."""
    runs = [tuple(replace(run, seconds=0.0) for run in scores.runs) for scores in found.detection]
    detection = tuple(replace(s, runs=r) for s, r in zip(found.detection, runs, strict=True))
    return replace(found, detection=detection, resumed_images=0)


def test_another_spec_or_data_set_begins_anew(tmp_path: Path, data: Path) -> None:
    evaluate(tmp_path, data)
    assert evaluate(tmp_path, data).resumed_images == IMAGES
    assert evaluate(tmp_path, data, limit=3).resumed_images == 0


def test_unreadable_images_are_counted_and_stay_in_the_set(tmp_path: Path, data: Path) -> None:
    photos = sorted((data / "val2017").iterdir())
    photos[0].unlink()
    photos[1].write_bytes(b"no image at all")
    photos[2].write_bytes(photos[2].read_bytes()[:-60])
    Image.new("RGB", (9, 9)).save(photos[3])
    found = evaluate(tmp_path, data)
    assert {u.name: u.why.split(" (")[0] for u in found.unreadable} == {
        photos[0].name: "the file does not exist",
        photos[1].name: "is no image",
        photos[2].name: found.unreadable[2].why,
        photos[3].name: "is 9x9, the annotations say 60x40",
    }
    assert "trunc" in found.unreadable[2].why.lower() or "broken" in found.unreadable[2].why.lower()
    assert found.image_set.images == IMAGES
    assert found.images_without_detections == 4
    assert found.detection[0].objects == sum(len(objects_of(n)) for n in range(IMAGES))
    assert metric_values(found)["box_ap"] < 1.0


def test_a_run_in_which_nothing_could_be_read_is_no_result(tmp_path: Path, data: Path) -> None:
    for photo in (data / "val2017").iterdir():
        photo.write_bytes(b"no image at all")
    with pytest.raises(ConfigError, match=rf"none of the {IMAGES} images could be read; 000000000001.png: is no image"):
        evaluate(tmp_path, data)


@pytest.mark.parametrize("probed", [2, 99])
def test_results_that_no_reader_would_take_end_the_run_early(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, probed: int
) -> None:
    evaluate(tmp_path / "whole", data)
    size = (tmp_path / "whole/evaluation/results/dataset.jsonl").stat().st_size
    monkeypatch.setattr(image_run, "PROBED", probed)
    monkeypatch.setattr(image_run, "MAX_FILE_BYTES", size * 9 // 20 if probed == 2 else size * 3 // 4)
    with pytest.raises(ConfigError, match=rf"the results of {IMAGES} images take about .*; take fewer images"):
        evaluate(tmp_path / "cut", data)
    found = list(read_results(tmp_path / "cut/evaluation/results/dataset.jsonl"))
    assert (len(found) == 2) if probed == 2 else (2 < len(found) < IMAGES)


def test_a_set_without_an_object_is_refused_before_the_model_runs(tmp_path: Path, data: Path) -> None:
    change_annotations(data, annotations=[{"id": 5, "image_id": 99, "category_id": 3, "bbox": [1, 2, 3, 4]}])
    with pytest.raises(ConfigError, match=r"AP is undefined \(1 annotations of an image that the file does not list"):
        evaluate(tmp_path, data)


class Blind(Rectangles):
    false_ones = False

    def wanted(self, mask: torch.Tensor) -> bool:
        return False


def lines_of(root: Path) -> list[bytes]:
    return (root / "evaluation/results/dataset.jsonl").read_bytes().splitlines()[1:]


@pytest.mark.parametrize("masks", [True, False])
def test_without_raw_outputs_the_lines_are_the_same(tmp_path: Path, data: Path, masks: bool) -> None:
    class BestFirst(Rectangles):
        def one(self, pixels: torch.Tensor) -> DetectionSet:
            found = super().one(pixels)
            order = found.scores.argsort(descending=True)
            in_order = None if found.masks is None else found.masks[order]
            return DetectionSet(found.boxes[order], found.scores[order], found.classes[order], in_order)

    stacked, direct = BestFirst(), DirectRectangles()
    stacked.masks = direct.masks = masks
    evaluate(tmp_path / "stacked", data, stacked)
    found = evaluate(tmp_path / "direct", data, direct)
    assert lines_of(tmp_path / "direct") == lines_of(tmp_path / "stacked")
    assert direct.asked == [("coco", 4)] * IMAGES
    assert found.direct == DirectRun(protocol=PROTOCOLS["coco"], classes_at_once=4)
    assert from_json(DatasetData, to_json(found)) == found
    check_dataset(found, "data")


def test_half_the_classes_go_through_at_once_after_memory_was_full(tmp_path: Path, data: Path) -> None:
    evaluate(tmp_path / "whole", data, DirectRectangles())
    direct = DirectRectangles()
    direct.takes = 1
    found = evaluate(tmp_path / "small", data, direct, protocol="seed")
    assert direct.asked == [("seed", 4), ("seed", 2), *[("seed", 1)] * IMAGES]
    assert lines_of(tmp_path / "small") == lines_of(tmp_path / "whole")
    assert found.direct == DirectRun(protocol=PROTOCOLS["seed"], classes_at_once=1)
    direct.takes = 0
    with pytest.raises(AdapterError, match="out of memory"):
        evaluate(tmp_path / "none", data, direct)


def test_a_device_with_memory_of_its_own_is_tried_before_the_first_line(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _Cpu.facts
    monkeypatch.setattr(_Cpu, "facts", lambda self: replace(found(self), memory_bytes=2**30))
    direct = DirectRectangles()
    direct.takes = 2
    sorted((data / "val2017").iterdir())[0].unlink()
    evaluate(tmp_path, data, direct)
    assert direct.asked == [("coco", 4), *[("coco", 2)] * IMAGES]
    assert read_key(tmp_path / "evaluation/results/dataset.jsonl")["classes_at_once"] == 2


def test_another_protocol_is_no_comparison_and_begins_anew(tmp_path: Path, data: Path) -> None:
    evaluate(tmp_path / "other", data, DirectRectangles(), protocol="seed")
    other = tmp_path / "other/evaluation/results/dataset.jsonl"
    assert evaluate(tmp_path / "other", data, DirectRectangles(), protocol="seed").resumed_images == IMAGES
    with pytest.raises(ConfigError, match="those of the protocol seed, not coco"):
        evaluate(tmp_path, data, DirectRectangles(), against=other)
    assert evaluate(tmp_path / "other", data, DirectRectangles()).resumed_images == 0


def test_a_list_of_the_adapters_own_has_no_protocol(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ConfigError, match="list of detections of its own"):
        evaluate(tmp_path, data, protocol="coco")
    assert evaluate(tmp_path, data).direct is None


def test_zero_detections_are_a_zero(tmp_path: Path, data: Path) -> None:
    found = evaluate(tmp_path, data, Blind())
    assert found.detections == 0
    assert found.images_without_detections == IMAGES
    assert {name: value for name, value in metric_values(found).items() if value} == {}


def test_categories_that_the_model_lacks_are_left_out_and_said(tmp_path: Path, data: Path) -> None:
    class NoDots(Rectangles):
        class_names = ("bar", "square", "unicorn")

    found = evaluate(tmp_path, data, NoDots())
    assert found.missing_categories == ("dot",)
    assert found.missing_objects == sum(name == "dot" for n in range(IMAGES) for name, _ in objects_of(n))
    assert {c.name for c in found.detection[0].categories} == {"square", "bar"}


def test_crowds_count_neither_way(tmp_path: Path, data: Path) -> None:
    crowd = annotation(9, 1, "bar", (0, 0, 60, 40), iscrowd=1,
                       segmentation={"size": [40, 60], "counts": [0, 2400]})  # fmt: skip
    change_annotations(data, annotations=[crowd, annotation(10, 2, "dot", objects_of(1)[0][1])])
    found = evaluate(tmp_path, data, Blind())
    assert [(s.objects, s.crowds) for s in found.detection] == [(1, 1), (1, 1)]


def test_boxes_alone_where_the_model_makes_no_masks(tmp_path: Path, data: Path) -> None:
    class Boxes(Rectangles):
        task = "detection"
        masks = False

    assert [s.iou_type for s in evaluate(tmp_path, data, Boxes()).detection] == ["bbox"]


class Worse(Rectangles):
    def wanted(self, mask: torch.Tensor) -> bool:
        return bool(mask.sum() % 3)


def test_two_runs_are_compared_on_the_same_draws(tmp_path: Path, data: Path) -> None:
    other = tmp_path / "other" / "evaluation" / "results" / "dataset.jsonl"
    worse = evaluate(tmp_path / "other", data, Worse())
    found = evaluate(tmp_path / "this", data, against=other)
    assert [c.metric for c in found.comparisons] == ["box_ap", "mask_ap"]
    box = interval(found.comparisons[0])
    assert box is not None
    assert box.other_value == metric_values(worse)["box_ap"] < box.value == 1.0
    assert box.low <= box.difference <= box.high
    assert box.excludes_zero
    itself = tmp_path / "this" / "evaluation" / "results" / "dataset.jsonl"
    shutil.copy(itself, tmp_path / "same.jsonl")
    again = interval(evaluate(tmp_path / "this", data, against=tmp_path / "same.jsonl").comparisons[0])
    assert again is not None
    assert (again.low, again.high, again.excludes_zero) == (0.0, 0.0, False)


def test_a_run_on_other_images_or_an_unfinished_one_is_no_comparison(tmp_path: Path, data: Path) -> None:
    other = tmp_path / "other" / "evaluation" / "results" / "dataset.jsonl"
    evaluate(tmp_path / "other", data, limit=3)
    with pytest.raises(ConfigError, match="other images"):
        evaluate(tmp_path, data, against=other)
    lines = other.read_bytes().splitlines(keepends=True)
    other.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ConfigError, match="2 of 3 images"):
        evaluate(tmp_path, data, against=other, limit=3)


def test_more_than_500_images_are_cross_checked_on_request(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npu_eval.experiments.dataset import detection as detection_set

    monkeypatch.setattr(detection_set, "CROSS_CHECK_UP_TO", IMAGES - 1)
    assert [run.evaluator for run in evaluate(tmp_path, data).detection[0].runs] == ["hotcoco"]
    assert len(evaluate(tmp_path, data, cross_check=True).detection[0].runs) == 2


def test_no_data_set_and_no_adapter_for_one_are_told(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ConfigError, match="no data set was named"):
        evaluate(tmp_path, None)

    plain = {name: getattr(Rectangles, name) for name in ("task", "build", "preprocess", "forward")}
    with pytest.raises(AdapterError, match="no data set"):
        evaluate(tmp_path, data, type("Plain", (), plain)())


def test_an_adapter_that_fails_on_a_good_image_is_named(tmp_path: Path, data: Path) -> None:
    class Wrong(Rectangles):
        def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
            raise ValueError("bad crop")

    with pytest.raises(AdapterError, match="bad crop"):
        evaluate(tmp_path, data, Wrong())


def test_a_missing_package_is_one_line(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ModuleNotFoundError(name="pycocotools")

    monkeypatch.setattr(dataset.importlib, "import_module", gone)
    with pytest.raises(ConfigError, match="'pycocotools' is not installed"):
        evaluate(tmp_path, data)


# --- classifiers -----------------------------------------------------------------------------------------------------


class Shades(TinyClassifier):
    """Ten classes by brightness; the class is the image's grey value over 25."""

    class_names = tuple(f"shade {n}" for n in range(10))  # type: ignore[assignment]

    def forward(self, model: Any, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        level = batch.mean(dim=(1, 2, 3)) * 255 / 25
        return {"logits": -(level[:, None] - torch.arange(10)).abs()}


def grey_photos(folder: Path, labels: Sequence[tuple[str, int]]) -> Path:
    for file, level in labels:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (level * 25,) * 3).save(folder / file)
    return folder


def test_top1_and_top5_of_labelled_images(tmp_path: Path) -> None:
    files = [(f"a{n}.png", n) for n in range(10)]
    data = grey_photos(tmp_path / "images", files)
    labels = [0, 1, 2, 3, 6, 8, 6, 7, 8, 4]  # three wrong, one of them by a little
    rows = "".join(f"{file},{label}\n" for (file, _), label in zip(files, labels, strict=True))
    (data / "labels.csv").write_text("file,label\n" + rows)
    (data / "a0.png").write_bytes(b"")
    found = evaluate(tmp_path, data, Shades())
    assert found.classification is not None
    assert (found.classification.top1, found.classification.top5, found.image_set.images) == (6, 7, 10)
    assert metric_values(found) == {"top1_accuracy": 0.6, "top5_accuracy": 0.7}
    assert [u.name for u in found.unreadable] == ["a0.png"]
    lines = list(read_results(tmp_path / found.results))
    assert {"image": "a3.png", "best": [3, 2, 4, 1, 5]} in lines


def test_two_classifiers_are_compared(tmp_path: Path) -> None:
    data = grey_photos(tmp_path / "images", [(f"{n % 10}/{n}.png", n % 10) for n in range(40)])

    class Off(Shades):
        def forward(self, model: Any, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": super().forward(model, batch)["logits"].roll(1, dims=1)}

    evaluate(tmp_path / "other", data, Off())
    found = evaluate(tmp_path, data, Shades(), against=tmp_path / "other/evaluation/results/dataset.jsonl")
    first = interval(found.comparisons[0])
    assert first is not None
    assert (first.metric, first.difference, first.low, first.high) == ("top1_accuracy", 1.0, 1.0, 1.0)


def test_categories_are_ids_of_the_annotations(tmp_path: Path, data: Path) -> None:
    found = evaluate(tmp_path, data)
    seen = {c for line in read_results(tmp_path / found.results) for c in line["categories"]}
    assert seen == set(CATEGORIES.values())
    assert json.loads((data / "annotations/instances_val2017.json").read_text())["categories"][0]["id"] == 3
