"""What people's photos and annotations may look like and is taken as it is, nothing repaired and nothing left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from coco_samples import write_set
from npu_eval.experiments.dataset import coco_layout
from npu_eval.models.photo_files import PHOTO_SUFFIXES, find_photos
from npu_eval.models.photos import open_upright, upright_size

Change = Callable[[dict[str, Any]], Any]


def every(key: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change each entry of a list."""
    return lambda content: [change(entry) for entry in content[key]]


ACCEPTED: dict[str, Change] = {
    "no area": every("annotations", lambda e: e.pop("area", None)),
    "no iscrowd": every("annotations", lambda e: e.pop("iscrowd", None)),
    "no info, no licenses": lambda content: [content.pop(name, None) for name in ("info", "licenses")],
    "one id for all annotations": every("annotations", lambda e: e.update(id=1)),
    "ids from 0": lambda content: [e.update(id=n) for n, e in enumerate(content["annotations"])],
    "iscrowd false": every("annotations", lambda e: e.update(iscrowd=False)),
    "iscrowd true": every("annotations", lambda e: e.update(iscrowd=True)),
    "boxes alone": every("annotations", lambda e: e.pop("segmentation", None)),
    "empty segmentations": every("annotations", lambda e: e.update(segmentation=[])),
    "a polygon over the edge": lambda content: content["annotations"][0].update(
        segmentation=[[-20, -20, 2000, -20, 2000, 2000, -20, 2000]]
    ),
    "a box over the edge": lambda content: content["annotations"][0].update(bbox=[-20, -20, 3000, 3000]),
    "an image without an object": lambda content: content.update(
        annotations=[e for e in content["annotations"] if e["image_id"] != 1]
    ),
    "huge ids": lambda content: [
        *every("images", lambda e: e.update(id=e["id"] * 10**15))(content),
        *every("annotations", lambda e: e.update(image_id=e["image_id"] * 10**15))(content),
    ],
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_annotation_file_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    folder = write_set(tmp_path, 2)
    path = folder / "annotations/instances_val2017.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    ACCEPTED[name](content)
    path.write_text(json.dumps(content), encoding="utf-8")
    found = coco_layout.read(folder, limit=None)
    assert (len(found.images), found.repairs) == (2, ())
    (tmp_path / "work").mkdir()
    _, left_out = coco_layout.prepare(found, found.categories.values(), tmp_path / "work")
    assert left_out == ()


def test_masks_as_counts_of_pixels_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = write_set(tmp_path, 1)
    path = folder / "annotations/instances_val2017.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    image = content["images"][0]
    pixels = image["width"] * image["height"]
    for crowd, entry in enumerate(content["annotations"]):
        counts = [pixels // 2, pixels - pixels // 2]
        entry.update(iscrowd=crowd % 2, segmentation={"size": [image["height"], image["width"]], "counts": counts})
    path.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "work").mkdir()
    found = coco_layout.read(folder, limit=None)
    _, left_out = coco_layout.prepare(found, found.categories.values(), tmp_path / "work")
    assert (found.repairs, left_out) == ((), ())


@pytest.mark.parametrize("suffix", [*PHOTO_SUFFIXES, ".JPG", ".Png"])
def test_each_kind_of_photo_is_found_and_decoded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    photo = Image.new("RGB", (32, 16), "#804020")
    more = {"save_all": True, "append_images": [Image.new("RGB", (32, 16), "#ffffff")]} if suffix == ".gif" else {}
    photo.save(path, **more)
    assert find_photos(tmp_path).photos == (path,)
    assert find_photos(path).photos == (path,)
    pixels = np.asarray(open_upright(path)).astype(int)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels - [0x80, 0x40, 0x20]).max() < 24  # of an animation the first frame


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_each_mode_of_pixels_becomes_eight_bits_of_three_colours(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.full((16, 32), 128, np.uint8))
    photo = {
        "I;16": lambda: Image.fromarray(np.full((16, 32), 128 * 257, np.uint16)),
        "F": lambda: Image.fromarray(np.full((16, 32), 128 / 255, np.float32)),
        "1": lambda: Image.new("1", (32, 16), 1),
        "P": lambda: grey.convert("RGB").quantize(4),
    }.get(mode, lambda: grey.convert("RGB").convert(mode))()
    path = tmp_path / "photo.tif"
    photo.save(path)
    pixels = np.asarray(open_upright(path)).astype(int)
    assert (pixels.shape, pixels.dtype.kind) == ((16, 32, 3), "i")
    assert np.abs(pixels - (255 if mode == "1" else 128)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (32, 16)).save(path, exif=exif)
    size = open_upright(path).size
    assert size == ((32, 16) if orientation < 5 else (16, 32))
    assert upright_size(path) == size[::-1]
