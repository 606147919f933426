"""A data set in COCO's layout: which images it has, where they lie, and its annotations made ready for an evaluator.

Every image that the annotations name belongs to the set, whether its file can be read or not.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from npu_eval.errors import ConfigError
from npu_eval.experiments.dataset import mask_codes
from npu_eval.experiments.dataset.coco_folder import LAYOUT, annotation_file, image_folder
from npu_eval.experiments.dataset.coco_repair import REPAIRS, plain_name, repaired
from npu_eval.experiments.dataset.data import ImageSet, Repaired, Unusable
from npu_eval.jsonio import canonical_sha256, file_sha256
from npu_eval.models.photos import upright_size

_PROBES = 50
"""Images whose sizes are compared with the annotations before the first one is evaluated."""


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
    """A data set within its limit. ``annotations`` are those of its images, ``repairs`` what was mended in it."""

    image_set: ImageSet
    folder: Path
    images: tuple[CocoImage, ...]
    categories: dict[str, int]
    annotations: tuple[dict[str, Any], ...]
    repairs: tuple[Repaired, ...]


def read(folder: Path, *, limit: int | None, annotations: Path | None = None) -> CocoSet:
    """The first ``limit`` images by id, and their annotations.

    Args:
        folder: the data set's folder.
        annotations: its annotation file, where the folder holds several.

    Raises:
        ConfigError: the folder is laid out otherwise, or the file holds no COCO annotations.
    """
    path = annotations or annotation_file(folder)
    entries = repaired(_read_json(path), str(path))
    _refuse_twins([image["id"] for image in entries.images], "image", path)
    _refuse_twins([category["id"] for category in entries.categories], "category", path)
    _refuse_twins([plain_name(category["name"]) for category in entries.categories], "category", path)
    if not entries.images:
        raise ConfigError("its annotations name no image", where=path.name, fix=f"expected {LAYOUT}")
    listed = sorted(entries.images, key=lambda image: image["id"])
    place, shorter = image_folder(folder, path, [image["file_name"] for image in listed[:limit]])
    chosen = tuple(_image(entry, place, shorter, entries.repairs) for entry in listed[:limit])
    _refuse_other_sizes(place, chosen, path)
    wanted = {image.id for image in chosen}
    return CocoSet(
        image_set=ImageSet(
            layout="coco",
            folder=folder.name,
            annotations=path.name,
            annotations_sha256=file_sha256(path),
            available=len(listed),
            limit=limit,
            images=len(chosen),
            sha256=canonical_sha256([[i.id, i.file, i.height, i.width] for i in chosen]),
        ),
        folder=place,
        images=chosen,
        categories={category["name"]: category["id"] for category in entries.categories},
        annotations=tuple(entry for entry in entries.annotations if entry["image_id"] in wanted),
        repairs=tuple(Repaired(kind=kind, count=entries.repairs[kind]) for kind in REPAIRS if entries.repairs[kind]),
    )


def match_categories(categories: Mapping[str, int], names: Sequence[str], where: str) -> list[int | None]:
    """The category id of each of the model's classes, by name; None for one that the annotations do not have.

    Names are equal whatever their case, and with blanks, hyphens or underscores alike.

    Raises:
        ConfigError: no name occurs on both sides.
    """
    ids = {plain_name(name): number for name, number in categories.items()}
    matched = [ids.get(plain_name(name)) for name in names]
    if not any(number is not None for number in matched):
        theirs = ", ".join(list(categories)[:5])
        ours = ", ".join(list(names)[:5])
        raise ConfigError(
            f"none of its categories ({theirs} …) is a class of the model ({ours} …)",
            where=where,
            fix="use annotations whose category names are the model's",
        )
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


def _read_json(path: Path) -> dict[str, Any]:
    """The file with its three lists; NaN stays one number that no box can have, to be named with its annotation."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=float)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", where=str(path), fix="name the annotation file") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is no JSON ({error})", where=str(path), fix="download the annotations again") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(value, dict) or not isinstance(value.get(key), list):
            found = ", ".join(list(value)[:6]) if isinstance(value, dict) else f"a {type(value).__name__}"
            raise ConfigError(
                f"has no list '{key}'; found {found}",
                where=str(path),
                fix="expected COCO's instances: images, annotations, categories",
            )
    result: dict[str, Any] = value
    return result


def _image(entry: dict[str, Any], place: Path, shorter: Mapping[str, str], repairs: Counter[str]) -> CocoImage:
    """An image with its size, from its file where the annotations give none; 1x1 where neither can be read."""
    file = shorter.get(entry["file_name"], entry["file_name"])
    height, width = entry["height"], entry["width"]
    if not (height and width):
        try:
            height, width = upright_size(place / file)
            repairs["size-from-file"] += 1
        except OSError:
            height = width = 1  # it is counted as unreadable when its turn comes
    repairs["path-shortened"] += file != str(PurePosixPath(entry["given"]))
    return CocoImage(id=entry["id"], file=file, height=height, width=width)


def _refuse_other_sizes(place: Path, images: Sequence[CocoImage], path: Path) -> None:
    """Refuse annotations of which no size is that of its file: every object would lie elsewhere.

    Raises:
        ConfigError: with the first image, and what it looks like.
    """
    sizes = []
    for image in images[:_PROBES]:
        with contextlib.suppress(OSError):
            sizes.append((image, upright_size(place / image.file)))
    if not sizes or any((image.height, image.width) == size for image, size in sizes):
        return
    turned = all((image.width, image.height) == size for image, size in sizes)
    why = "width and height are exchanged, or the annotations are for the photo before its EXIF orientation"
    image, (height, width) = sizes[0]
    raise ConfigError(
        f"no image has the size that the annotations give: {image.file} is {width}x{height}, they say "
        f"{image.width}x{image.height}{f' ({why})' if turned else ''}",
        where=str(path),
        fix="use the images that were annotated, or annotations of upright images",
    )


def _refuse_twins(keys: Sequence[Any], what: str, path: Path) -> None:
    twins = [key for key, count in Counter(keys).items() if count > 1]
    if twins:
        raise ConfigError(f"two of its {what} entries are '{twins[0]}'", where=str(path), fix="make them unique")


def _plain_object(entry: Mapping[str, Any], code: Mapping[str, Any] | None) -> dict[str, Any] | str:
    """An annotation with the keys that evaluators read, or what is wrong with it."""
    box = entry.get("bbox")
    if box is None and code is not None:
        box = mask_codes.boxes([code])[0]
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v) for v in box) or min(box[2:]) < 0:
        return f"left out: its box is {json.dumps(box)[:60]}"
    area = entry.get("area")
    if not _is_number(area):
        area = box[2] * box[3] if code is None else mask_codes.area(code)
    return {
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": box,
        "area": area,
        "iscrowd": int(bool(entry.get("iscrowd", 0))),
    }


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
