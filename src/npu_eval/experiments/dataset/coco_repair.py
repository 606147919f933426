"""COCO annotations as exporters write them, made what COCO means; each repair is counted by its kind. Pure.

Only what has one reading is repaired: a number written as text, a path that ends in the image's name, a category that
nothing uses beside its twin. What has two is refused, with the entry.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from npu_eval.errors import ConfigError

REPAIRS = {
    "number-as-text": "numbers written as text, or whole numbers with a decimal point",
    "id-renumbered": "image ids that are no numbers, numbered anew in the order of the file",
    "size-from-file": "image sizes that were missing, read from the files",
    "path-shortened": "image names with a path of another machine or with backslashes, shortened",
    "image-repeated": "image entries that repeat another to the letter, left out",
    "category-unused-twin": "categories with the name of another and without an annotation, left out",
    "annotation-of-no-image": "annotations of an image that the file does not list, left out",
    "annotation-of-no-category": "annotations of a category that the file does not define, left out",
}
"""Each kind of repair and what it did, as the log words it."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The three lists with whole numbers as ids.

    An image has ``given``, its name as the file has it, and ``file_name``, relative and with slashes; a size of 0 is
    one that the file does not give.
    """

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    repairs: Counter[str] = field(default_factory=Counter)


def plain_name(name: str) -> str:
    """A category's name for comparing: case, blanks, hyphens and underscores do not count."""
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def repaired(value: dict[str, Any], where: str) -> Entries:
    """The entries of a file of annotations, with what could be repaired.

    Raises:
        ConfigError: an entry is none, lacks what it needs, or contradicts another.
    """
    repairs: Counter[str] = Counter()
    images, renumbered = _images(value["images"], repairs, where)
    categories = _categories(value["categories"], value["annotations"], repairs, where)
    annotations = _annotations(value["annotations"], images, categories, renumbered, repairs)
    return Entries(images=images, annotations=annotations, categories=categories, repairs=repairs)


def _images(entries: Sequence[Any], repairs: Counter[str], where: str) -> tuple[list[dict[str, Any]], dict[Any, int]]:
    """The images, and their ids by the texts that the file has for them where they are no numbers."""
    distinct = {json.dumps(entry, sort_keys=True): entry for entry in entries}
    repairs["image-repeated"] += len(entries) - len(distinct)
    found = list(distinct.values())
    for entry in found:
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or entry.get("id") is None:
            raise ConfigError(
                f"an image lacks its id or file_name: {json.dumps(entry)[:80]}",
                where=where,
                fix="each needs id and file_name",
            )
    numbers = [_whole(entry["id"]) for entry in found]
    renumbered: dict[Any, int] = {}
    if any(number is None for number in numbers):
        renumbered = {json.dumps(entry["id"]): place for place, entry in enumerate(found, 1)}
        if len(renumbered) < len(found):
            raise ConfigError("two of its image entries have one id", where=where, fix="make them unique")
        repairs["id-renumbered"] += len(found)
    images = [
        {
            "id": renumbered[json.dumps(entry["id"])] if renumbered else _counted(entry["id"], repairs),
            "given": entry["file_name"],
            "file_name": _short(entry["file_name"]),
            "height": _size(entry.get("height"), repairs),
            "width": _size(entry.get("width"), repairs),
        }
        for entry in found
    ]
    return images, renumbered


def _categories(
    entries: Sequence[Any], annotations: Sequence[Any], repairs: Counter[str], where: str
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("name") is None or _whole(entry.get("id")) is None:
            raise ConfigError(f"a category has no name or number: {json.dumps(entry)[:80]}", where=where)
        found.append({"id": _counted(entry["id"], repairs), "name": str(entry["name"])})
    used = {_whole(entry.get("category_id")) for entry in annotations if isinstance(entry, dict)}
    by_name: dict[str, list[dict[str, Any]]] = {}
    for entry in found:
        by_name.setdefault(plain_name(entry["name"]), []).append(entry)
    kept = []
    for entry in found:
        twins = by_name[plain_name(entry["name"])]
        if len(twins) > 1 and entry["id"] not in used and any(twin["id"] in used for twin in twins):
            repairs["category-unused-twin"] += 1
        else:
            kept.append(entry)
    return kept


def _annotations(
    entries: Sequence[Any],
    images: list[dict[str, Any]],
    categories: list[dict[str, Any]],
    renumbered: dict[Any, int],
    repairs: Counter[str],
) -> list[dict[str, Any]]:
    ids, known = {image["id"] for image in images}, {category["id"] for category in categories}
    kept = []
    for entry in entries:
        if not isinstance(entry, dict):
            repairs["annotation-of-no-image"] += 1
            continue
        of, category = entry.get("image_id"), entry.get("category_id")
        image = renumbered.get(json.dumps(of)) if renumbered else _whole(of)
        if image not in ids:
            repairs["annotation-of-no-image"] += 1
        elif _whole(category) not in known:
            repairs["annotation-of-no-category"] += 1
        else:
            if not renumbered:
                image = _counted(of, repairs)
            kept.append(
                {**entry, "image_id": image, "category_id": _counted(category, repairs), **_box(entry, repairs)}
            )
    return kept


def _box(entry: dict[str, Any], repairs: Counter[str]) -> dict[str, Any]:
    """The box with numbers for texts; anything else stays as it is, to be named as broken later."""
    box = entry.get("bbox")
    if not isinstance(box, list) or not any(isinstance(v, str) for v in box):
        return {}
    values = [_number(v) if isinstance(v, str) else v for v in box]
    if any(v is None for v in values):
        return {}
    repairs["number-as-text"] += 1
    return {"bbox": values}


def _counted(value: Any, repairs: Counter[str]) -> int:
    """A whole number, counted where it was written as something else."""
    number = _whole(value)
    assert number is not None
    repairs["number-as-text"] += type(value) is not int
    return number


def _size(value: Any, repairs: Counter[str]) -> int:
    """A size in pixels; 0 where none is given."""
    number = _whole(value)
    if number is None or number < 1:
        return 0
    repairs["number-as-text"] += type(value) is not int
    return number


def _whole(value: Any) -> int | None:
    if type(value) is int:
        return value
    number = _number(value) if isinstance(value, str) else value if type(value) is float else None
    return int(number) if number is not None and number.is_integer() else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[-+]?\d{1,18}(?:\.\d{1,18})?\s*", text) else None


def _short(name: str) -> str:
    """A relative name with slashes: without a drive, a root or steps upwards, which lead out of the data set."""
    parts = PurePosixPath(re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/"))).parts
    kept = [part for part in parts if part not in ("/", "..")]
    return "/".join(kept)
