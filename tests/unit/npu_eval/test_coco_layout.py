from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from coco_samples import CATEGORIES, annotation, change_annotations, write_set
from npu_eval import coco_layout
from npu_eval.errors import ConfigError


def refusal(folder: Path, **arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        coco_layout.read(folder, limit=None, **arguments)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_images_are_those_of_the_annotations_in_the_order_of_their_ids(tmp_path: Path) -> None:
    write_set(tmp_path, 4)
    (tmp_path / "val2017" / "000000000002.png").unlink()
    (tmp_path / "val2017" / "stray.png").write_bytes(b"of no annotation")
    found = coco_layout.read(tmp_path, limit=None)
    assert [image.id for image in found.images] == [1, 2, 3, 4]
    assert found.folder == tmp_path / "val2017"
    few = coco_layout.read(tmp_path, limit=2)
    assert [image.id for image in few.images] == [1, 2]
    assert (few.image_set.images, few.image_set.available, few.image_set.limit) == (2, 4, 2)
    assert {a["image_id"] for a in few.annotations} <= {1, 2}
    assert few.image_set.sha256 != found.image_set.sha256


def test_the_hash_is_of_the_images_and_not_of_their_order_in_the_file(tmp_path: Path) -> None:
    first = coco_layout.read(write_set(tmp_path / "a", 3), limit=None).image_set
    entries = json.loads((tmp_path / "a/annotations/instances_val2017.json").read_text())["images"]
    second = coco_layout.read(write_set(tmp_path / "b", 3, images=entries[::-1]), limit=None).image_set
    assert first.sha256 == second.sha256
    assert first.annotations_sha256 != second.annotations_sha256


@pytest.mark.parametrize(
    ("annotations", "photos"),
    [("annotations/instances_val2017.json", "val2017"), ("annotations/instances_val2017.json", "images/val2017"),
     ("labels.json", "images"), ("labels.json", "."), ("annotations/mine.json", "images")],
)  # fmt: skip
def test_known_layouts_are_found(tmp_path: Path, annotations: str, photos: str) -> None:
    made = write_set(tmp_path / "made", 2)
    folder = tmp_path / "other"
    for source, target in (("annotations/instances_val2017.json", annotations), ("val2017", f"{photos}/.")):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if source == "val2017":
            shutil.copytree(made / source, folder / photos, dirs_exist_ok=True)
        else:
            shutil.copy(made / source, folder / target)
    assert len(coco_layout.read(folder, limit=None).images) == 2


def test_a_folder_laid_out_otherwise_says_what_was_expected_and_found(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "found nothing" in refusal(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "notes.txt").write_text("")
    said = refusal(tmp_path)
    assert "found images/, notes.txt" in said
    assert "expected annotations/instances_val2017.json" in said


def test_annotations_without_their_images_are_told(tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    shutil.rmtree(tmp_path / "val2017")
    assert "none of its images is there: 000000000001.png is in none of val2017/" in refusal(tmp_path)


def test_several_annotation_files_must_be_chosen_from(tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    names = ("instances_val2017.json", "instances_val2014.json")
    shutil.copy(tmp_path / "annotations" / names[0], tmp_path / "annotations" / names[1])
    assert "--annotations" in refusal(tmp_path)
    chosen = tmp_path / "annotations" / names[0]
    assert coco_layout.read(tmp_path, limit=None, annotations=chosen).image_set.annotations == names[0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"images": []}, "name no image"),
        ({"images": {}}, "no list 'images'"),
        ({"images": [{"id": 1}]}, "lacks 'file_name'"),
        ({"images": [{"id": 1, "file_name": "a", "height": 0, "width": 1}]}, "an image is wrong"),
        ({"images": [{"id": 1, "file_name": "a", "height": 1, "width": 1}] * 2}, "two of its image entries are '1'"),
        ({"categories": [{"id": 3}]}, "category has no name"),
        ({"categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "A"}]}, "two of its category entries are 'a'"),
        ({"annotations": [{"id": 5, "image_id": 99, "category_id": 3}]}, "annotation 5 is of no image"),
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 99}]}, "annotation 5 is of category 99"),
        ({"annotations": [7]}, "an annotation is of no image"),
    ],
)
def test_annotations_that_contradict_themselves_are_refused(tmp_path: Path, changes: Any, what: str) -> None:
    write_set(tmp_path, 1)
    change_annotations(tmp_path, **changes)
    assert what in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": NaN}'])
def test_a_file_that_is_no_json_or_no_annotations_is_one_line(tmp_path: Path, text: str) -> None:
    write_set(tmp_path, 1)
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text(text)
    assert str(path) in refusal(tmp_path)


def test_categories_are_matched_by_name() -> None:
    assert coco_layout.match_categories(CATEGORIES, ["Dot", "unicorn", "bar"], "a.json") == [11, None, 7]
    assert coco_layout.match_categories({"traffic light": 1}, ["traffic_light"], "a.json") == [1]
    with pytest.raises(ConfigError, match=r"none of its categories \(square, bar, dot …\) is a class .*\(cat …\)"):
        coco_layout.match_categories(CATEGORIES, ["cat"], "a.json")


def prepared(folder: Path, annotations: list[dict[str, Any]], **changes: Any) -> tuple[Any, list[str]]:
    write_set(folder, 1, annotations=annotations, **changes)
    found = coco_layout.read(folder, limit=None)
    truth, broken = coco_layout.prepare(found, CATEGORIES.values(), folder)
    return truth, [f"{one.name}: {one.why}" for one in broken]


def objects(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    return found


def test_ids_are_given_anew_from_one(tmp_path: Path) -> None:
    truth, broken = prepared(tmp_path, [annotation(n, 1, "dot", (1, 2, 5, 4)) for n in (0, 0, 17)])
    assert [o["id"] for o in objects(truth.boxes)] == [o["id"] for o in objects(truth.masks)] == [1, 2, 3]
    assert broken == []
    assert truth.objects["bbox"][11] == 3


def test_broken_polygons_are_named_and_cost_only_the_mask(tmp_path: Path) -> None:
    truth, broken = prepared(
        tmp_path,
        [annotation(1, 1, "dot", (1, 2, 5, 4)), annotation(2, 1, "dot", (9, 2, 5, 4), segmentation=[]),
         annotation(3, 1, "dot", (9, 2, 5, 4), segmentation=[[1, 2, 3]]),
         annotation(4, 1, "dot", (9, 2, 5, 4), bbox=[1, 2, None, 4], segmentation=None)],
    )  # fmt: skip
    assert len(objects(truth.boxes)) == 3
    assert len(objects(truth.masks)) == 1
    assert broken == [
        "annotation 2 of 000000000001.png: left out of the masks: it has no polygon",
        "annotation 3 of 000000000001.png: left out of the masks: none of its polygons has three corners",
        "annotation 4 of 000000000001.png: left out: its box is [1, 2, null, 4]",
    ]


def test_crowds_are_kept_apart_and_missing_boxes_and_areas_read_off_the_mask(tmp_path: Path) -> None:
    entry = annotation(1, 1, "bar", (4, 5, 6, 7))
    del entry["bbox"], entry["area"]
    crowd = annotation(2, 1, "bar", (0, 0, 9, 9), iscrowd=1, segmentation={"size": [40, 60], "counts": [0, 40, 2360]})
    truth, broken = prepared(tmp_path, [entry, crowd])
    assert broken == []
    assert (truth.objects["segm"].total(), truth.crowds["segm"]) == (1, 1)
    first = objects(truth.masks)[0]
    assert (first["bbox"], first["area"]) == ([4, 5, 6, 7], 42)


def test_annotations_without_any_mask_give_boxes_alone(tmp_path: Path) -> None:
    entry = annotation(1, 1, "bar", (4, 5, 6, 7))
    del entry["segmentation"]
    truth, broken = prepared(tmp_path, [entry])
    assert truth.masks is None
    assert broken == []
