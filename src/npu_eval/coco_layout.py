"""A data set in COCO's layout: which images it has, where they lie, and its annotations made ready for an evaluator.

Every image that the annotations name belongs to the set, whether its file can be read or not.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_eval import mask_codes
from npu_eval.dataset_data import ImageSet, Unusable
from npu_eval.errors import ConfigError, RecordError, nearest
from npu_eval.jsonio import canonical_sha256, file_sha256, loads

LAYOUT = "annotations/instances_val2017.json beside val2017/*.jpg, or one .json file beside its images"
"""What a folder must hold, in the words of an error message."""

_CANDIDATES = ("annotations/instances_val*.json", "annotations/instances_*.json", "annotations/*.json", "*.json")


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """An image by its annotations: sizes in pixels, ``file`` relative to the folder of the images."""

    id: int
    file: str
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The objects of the evaluated images and categories, as files that any COCO evaluator reads.

    ``boxes`` and ``masks`` are the paths; ``masks`` is None where no object has one. ``categories`` maps names to ids.
    """

    boxes: Path
    masks: Path | None
    categories: dict[str, int]
    objects: dict[str, Counter[int]]
    crowds: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class CocoSet:
    """A data set within its limit. ``annotations`` are those of its images, as they were read."""

    image_set: ImageSet
    folder: Path
    images: tuple[CocoImage, ...]
    categories: dict[str, int]
    annotations: tuple[dict[str, Any], ...]


def read(folder: Path, *, limit: int | None, annotations: Path | None = None) -> CocoSet:
    """The first ``limit`` images by id, and their annotations.

    Args:
        folder: the data set's folder.
        annotations: its annotation file, where the folder holds several.

    Raises:
        ConfigError: the folder is laid out otherwise, or the file holds no COCO annotations.
    """
    path = annotations or _annotation_file(folder)
    value = _read_json(path)
    images = sorted((_image(entry, path) for entry in value["images"]), key=lambda image: image.id)
    _refuse_twins([image.id for image in images], "image", path)
    if not images:
        raise ConfigError("its annotations name no image", where=path.name, fix=f"expected {LAYOUT}")
    chosen = tuple(images[:limit])
    ids = {image.id for image in images}
    categories = _categories(value["categories"], path)
    known = set(categories.values())
    kept, wanted = [], {image.id for image in chosen}
    for entry in value["annotations"]:
        _check_annotation(entry, ids, known, path)
        if entry["image_id"] in wanted:
            kept.append(entry)
    return CocoSet(
        image_set=ImageSet(
            layout="coco",
            folder=folder.name,
            annotations=path.name,
            annotations_sha256=file_sha256(path),
            available=len(images),
            limit=limit,
            images=len(chosen),
            sha256=canonical_sha256([[i.id, i.file, i.height, i.width] for i in chosen]),
        ),
        folder=_image_folder(folder, path, chosen),
        images=chosen,
        categories=categories,
        annotations=tuple(kept),
    )


def match_categories(categories: Mapping[str, int], names: Sequence[str], where: str) -> list[int | None]:
    """The category id of each of the model's classes, by name; None for one that the annotations do not have.

    Names are equal whatever their case, and with blanks, hyphens or underscores alike.

    Raises:
        ConfigError: no name occurs on both sides.
    """
    ids = {_plain(name): number for name, number in categories.items()}
    matched = [ids.get(_plain(name)) for name in names]
    if not any(number is not None for number in matched):
        theirs = ", ".join(list(categories)[:5])
        ours = ", ".join(list(names)[:5])
        raise ConfigError(f"none of its categories ({theirs} …) is a class of the model ({ours} …)", where=where,
                          fix="use annotations whose category names are the model's")  # fmt: skip
    return matched


def prepare(data: CocoSet, category_ids: Iterable[int], work: Path) -> tuple[Truth, tuple[Unusable, ...]]:
    """Write the objects of some categories as evaluators want them, and name the annotations that are broken.

    Ids are given anew from 1, because pycocotools takes an object with id 0 for one that no detection has found. An
    object without a usable mask is left out of the masks alone; missing boxes and areas are read off the mask.
    """
    chosen = set(category_ids)
    files = {image.id: image for image in data.images}
    head = {
        "images": [{"id": i.id, "file_name": i.file, "height": i.height, "width": i.width} for i in data.images],
        "categories": [{"id": n, "name": name} for name, n in data.categories.items() if n in chosen],
    }
    boxes, masks = (_ObjectFile(work / f"truth.{kind}.json", head) for kind in ("bbox", "segm"))
    broken: list[Unusable] = []
    with_masks = any(entry.get("segmentation") for entry in data.annotations)
    for entry in data.annotations:
        if entry["category_id"] not in chosen:
            continue
        image = files[entry["image_id"]]
        code = mask_codes.code_of(entry.get("segmentation"), image.height, image.width) if with_masks else "no mask"
        plain = _plain_object(entry, None if isinstance(code, str) else code)
        if isinstance(plain, str) or (with_masks and isinstance(code, str)):
            why = plain if isinstance(plain, str) else f"left out of the masks: {code}"
            broken.append(Unusable(name=f"annotation {entry.get('id')} of {image.file}", why=why))
        if isinstance(plain, str):
            continue
        boxes.append(plain)
        if not isinstance(code, str):
            counts = code["counts"].decode("ascii")
            masks.append({**plain, "segmentation": {"size": code["size"], "counts": counts}})
    for file in (boxes, masks):
        file.close()
    truth = Truth(
        boxes=boxes.path,
        masks=masks.path if masks.count else None,
        categories={name: number for name, number in data.categories.items() if number in chosen},
        objects={"bbox": boxes.objects, "segm": masks.objects},
        crowds={"bbox": boxes.crowds, "segm": masks.crowds},
    )
    return truth, tuple(broken)


# --- parts -----------------------------------------------------------------------------------------------------------


def _annotation_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix=f"expected {LAYOUT}")
    for pattern in _CANDIDATES:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(p.name for p in found[:5])
            raise ConfigError(f"holds several annotation files: {names}", where=str(folder),
                              fix="name one with --annotations")  # fmt: skip
        if found:
            return found[0]
    raise ConfigError(f"holds no annotations; found {_listing(folder)}", where=str(folder), fix=f"expected {LAYOUT}")


def _listing(folder: Path) -> str:
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", where=str(path), fix="name the annotation file") from error
    except RecordError as error:
        raise ConfigError(error.what, where=str(path), fix="download the annotations again") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(value, dict) or not isinstance(value.get(key), list):
            found = ", ".join(list(value)[:6]) if isinstance(value, dict) else type(value).__name__
            raise ConfigError(f"has no list '{key}'; found {found}", where=str(path),
                              fix="expected COCO's instances: images, annotations, categories")  # fmt: skip
    result: dict[str, Any] = value
    return result


def _image(entry: Any, path: Path) -> CocoImage:
    try:
        image = CocoImage(id=entry["id"], file=entry["file_name"], height=entry["height"], width=entry["width"])
    except (KeyError, TypeError) as error:
        what = f"an image lacks {error}: {json.dumps(entry)[:80]}"
        raise ConfigError(what, where=str(path), fix="each needs id, file_name, height and width") from error
    numbers = (image.id, image.height, image.width)
    if not all(type(n) is int for n in numbers) or min(numbers[1:]) < 1 or not isinstance(image.file, str):
        raise ConfigError(f"an image is wrong: {json.dumps(entry)[:80]}", where=str(path), fix="sizes are whole pixels")
    return image


def _categories(entries: Sequence[Any], path: Path) -> dict[str, int]:
    try:
        pairs = [(str(entry["name"]), int(entry["id"])) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"a category has no name or number ({error})", where=str(path)) from error
    _refuse_twins([number for _, number in pairs], "category", path)
    _refuse_twins([_plain(name) for name, _ in pairs], "category", path)
    return dict(pairs)


def _refuse_twins(keys: Sequence[Any], what: str, path: Path) -> None:
    twins = [key for key, count in Counter(keys).items() if count > 1]
    if twins:
        raise ConfigError(f"two of its {what} entries are '{twins[0]}'", where=str(path), fix="make them unique")


def _check_annotation(entry: Any, images: set[int], categories: set[int], path: Path) -> None:
    name = f"annotation {entry.get('id')}" if isinstance(entry, dict) else "an annotation"
    if not isinstance(entry, dict) or entry.get("image_id") not in images:
        raise ConfigError(f"{name} is of no image of the file", where=str(path), fix="use matching annotations")
    if (category := entry.get("category_id")) not in categories:
        what = f"{name} is of category {category}, which the file does not define"
        raise ConfigError(what, where=str(path), fix=nearest(str(category), map(str, categories)))


def _image_folder(folder: Path, annotations: Path, images: Sequence[CocoImage]) -> Path:
    split = annotations.stem.partition("_")[2] or annotations.stem
    places = [folder / split, folder / "images" / split, folder / "images", annotations.parent, folder]
    probes = images[:50]
    best = max(places, key=lambda place: sum((place / image.file).is_file() for image in probes))
    if not any((best / image.file).is_file() for image in images):
        looked = ", ".join(f"{p.relative_to(folder).as_posix()}/" for p in places if p.is_relative_to(folder))
        raise ConfigError(f"none of its images is there: {images[0].file} is in none of {looked}; "
                          f"found {_listing(folder)}", where=str(folder), fix=f"expected {LAYOUT}")  # fmt: skip
    return best


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def _plain_object(entry: Mapping[str, Any], code: Mapping[str, Any] | None) -> dict[str, Any] | str:
    """An annotation with the keys that evaluators read, or what is wrong with it."""
    box = entry.get("bbox")
    if box is None and code is not None:
        box = mask_codes.boxes([code])[0]
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v) for v in box):
        return f"left out: its box is {json.dumps(box)[:60]}"
    area = entry.get("area")
    if not _is_number(area):
        area = box[2] * box[3] if code is None else mask_codes.area(code)
    return {"image_id": entry["image_id"], "category_id": entry["category_id"], "bbox": box, "area": area,
            "iscrowd": int(bool(entry.get("iscrowd", 0)))}  # fmt: skip


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]  # it is a number here


class _ObjectFile:
    """A file of annotations that grows object by object; ids are given from 1."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path, self.count, self.crowds = path, 0, 0
        self.objects: Counter[int] = Counter()
        self._stream = path.open("w", encoding="utf-8")
        self._stream.write(json.dumps(head)[:-1] + ', "annotations": [')

    def append(self, entry: Mapping[str, Any]) -> None:
        self.count += 1
        self.crowds += entry["iscrowd"]
        self.objects[entry["category_id"]] += not entry["iscrowd"]
        self._stream.write((",\n" if self.count > 1 else "") + json.dumps({"id": self.count, **entry}))

    def close(self) -> None:
        self._stream.write("]}")
        self._stream.close()
