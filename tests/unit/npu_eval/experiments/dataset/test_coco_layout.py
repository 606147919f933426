from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from coco_samples import CATEGORIES, annotation, change_annotations, write_set
from npu_eval.errors import ConfigError
from npu_eval.experiments.dataset import coco_layout


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
        ({"images": [{"id": 1}]}, "lacks its id or file_name"),
        (
            {"images": [{"id": 1, "file_name": name, "height": 1, "width": 1} for name in "ab"]},
            "two of its image entries are '1'",
        ),
        ({"categories": [{"id": 3}]}, "category has no name"),
        (
            {"categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "A"}], "annotations": []},
            "two of its category entries are 'a'",
        ),
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


# --- what exporters write --------------------------------------------------------------------------------------------


def changed(folder: Path, change: Any) -> Path:
    """A set of two images whose annotations were changed in place."""
    path = write_set(folder, 2) / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def each(key: str, **changes: Any) -> Any:
    """A change of every entry of a list: a function of the entry for each key."""

    def change(content: dict[str, Any]) -> None:
        for entry in content[key]:
            entry.update({name: new(entry) for name, new in changes.items()})

    return change


REPAIRED = {
    "number-as-text": [
        each("images", id=lambda e: str(e["id"])),
        each("annotations", image_id=lambda e: str(e["image_id"])),
        each("annotations", image_id=lambda e: f" {e['image_id']}.0"),
        each("annotations", category_id=lambda e: str(e["category_id"])),
        each("annotations", category_id=lambda e: float(e["category_id"])),
        each("categories", id=lambda e: str(e["id"])),
        each("images", width=lambda e: float(e["width"])),
        each("images", height=lambda e: str(e["height"])),
        each("annotations", bbox=lambda e: [str(v) for v in e["bbox"]]),
    ],
    "size-from-file": [
        lambda content: [entry.pop("width") for entry in content["images"]],
        each("images", width=lambda _: 0, height=lambda _: 0),
        each("images", height=lambda _: None),
    ],
    "path-shortened": [
        each("images", file_name=lambda e: f"/home/somebody/coco/val2017/{e['file_name']}"),
        each("images", file_name=lambda e: f"C:\\data\\val2017\\{e['file_name']}"),
        each("images", file_name=lambda e: f"val2017\\{e['file_name']}"),
        each("images", file_name=lambda e: f"../../coco/val2017/{e['file_name']}"),
    ],
    "category-unused-twin": [
        lambda content: content["categories"].insert(0, {"id": 0, "name": "Dot", "supercategory": "none"})
    ],
    "annotation-of-no-image": [
        lambda content: content["annotations"].append({**content["annotations"][0], "image_id": 99})
    ],
    "annotation-of-no-category": [
        lambda content: content["annotations"].append({**content["annotations"][0], "category_id": 99}),
        lambda content: content["annotations"].append({**content["annotations"][0], "category_id": None}),
    ],
    "image-repeated": [lambda content: content["images"].append(dict(content["images"][0]))],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change"), [(kind, change) for kind, changes in REPAIRED.items() for change in changes]
)
def test_what_has_one_reading_is_repaired_and_counted(tmp_path: Path, kind: str, change: Any) -> None:
    wanted = coco_layout.read(write_set(tmp_path / "plain", 2), limit=None)
    found = coco_layout.read(changed(tmp_path / "changed", change), limit=None)
    assert wanted.repairs == ()
    assert {repair.kind for repair in found.repairs} == {kind}
    assert all(repair.count >= 1 for repair in found.repairs)
    assert [(i.id, i.height, i.width) for i in found.images] == [(i.id, i.height, i.width) for i in wanted.images]
    assert all((found.folder / image.file).is_file() for image in found.images)
    same = [(a["image_id"], a["category_id"], a["bbox"]) for a in wanted.annotations]
    assert [(a["image_id"], a["category_id"], a["bbox"]) for a in found.annotations] == same


def test_ids_that_are_no_numbers_are_numbered_anew(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for entry, key in ((e, k) for k in ("images", "annotations") for e in content[k]):
            name = "id" if key == "images" else "image_id"
            entry[name] = f"img-{entry[name]}"

    found = coco_layout.read(changed(tmp_path, change), limit=None)
    assert [image.id for image in found.images] == [1, 2]
    assert [(repair.kind, repair.count) for repair in found.repairs] == [("id-renumbered", 2)]
    assert {a["image_id"] for a in found.annotations} == {1, 2}


def test_a_name_never_leads_out_of_the_data_set(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "outside.png")
    folder = changed(tmp_path / "set", lambda content: content["images"][0].update(file_name="../outside.png"))
    found = coco_layout.read(folder, limit=None)
    assert (found.folder / found.images[0].file).resolve().is_relative_to(folder.resolve())


@pytest.mark.parametrize("orientation", [None, 6])
def test_sizes_of_other_images_are_told_before_anything_runs(tmp_path: Path, orientation: int | None) -> None:
    swap = each("images", width=lambda e: e["height"], height=lambda e: 60 if e["width"] == 40 else e["width"])
    folder = changed(tmp_path, swap) if orientation is None else write_set(tmp_path, 2)
    for photo in (folder / "val2017").iterdir() if orientation else ():
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        with Image.open(photo) as image:
            image.copy().save(photo, exif=exif)
    said = refusal(folder)
    assert "no image has the size that the annotations give" in said
    assert "EXIF" in said


def test_one_image_of_another_size_is_left_to_the_run(tmp_path: Path) -> None:
    folder = write_set(tmp_path, 2)
    Image.new("RGB", (9, 9)).save(folder / "val2017" / "000000000001.png")
    assert len(coco_layout.read(folder, limit=None).images) == 2


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = write_set(tmp_path, 1) / "annotations" / "instances_val2017.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(coco_layout.read(tmp_path, limit=None).images) == 1


def test_a_box_that_is_no_box_is_named_with_its_annotation(tmp_path: Path) -> None:
    boxes = ([float("nan"), 2, 5, 4], [1, 2, -5, 4], None, [1, 2, 3])
    truth, broken = prepared(tmp_path, [
        *(annotation(n, 1, "dot", (1, 2, 5, 4), bbox=box, segmentation=[]) for n, box in enumerate(boxes)),
        annotation(9, 1, "dot", (1, 2, 5, 4)),
    ])  # fmt: skip
    assert truth.objects["bbox"].total() == 1
    assert [line.partition("its box is ")[2] for line in broken] == [
        "[NaN, 2, 5, 4]",
        "[1, 2, -5, 4]",
        "null",
        "[1, 2, 3]",
    ]
