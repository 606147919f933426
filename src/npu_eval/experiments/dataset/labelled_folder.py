"""A data set of labelled images for classifiers: a folder for each class, as ImageNet's, or a list in labels.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import ConfigError, nearest
from npu_eval.experiments.dataset.data import ImageSet
from npu_eval.jsonio import canonical_sha256, file_sha256
from npu_eval.models.photo_files import is_photo

LIST = "labels.csv"
LAYOUT = f"a folder of images for each class (below val/ or directly), or {LIST} with the columns file and label"
"""What a folder must hold, in the words of an error message."""


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """An image and its class. ``file`` is relative to the data set's folder."""

    file: str
    label: int


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """A data set within its limit."""

    image_set: ImageSet
    folder: Path
    images: tuple[LabelledImage, ...]


def read(folder: Path, names: Sequence[str], *, limit: int | None) -> LabelledSet:
    """The labelled images, spread over the classes where there is a limit.

    A label is a class number, a class name of the model or, for folders, the place among as many folders as the model
    has classes, in the order of their names: that is how ImageNet's folders are numbered.

    Raises:
        ConfigError: the folder is laid out otherwise, or a label is no class of the model.
    """
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix=f"expected {LAYOUT}")
    listed = folder / LIST
    images = list(_listed(listed, names)) if listed.is_file() else _by_folders(folder, names)
    if not images:
        raise ConfigError("holds no labelled image", where=str(folder), fix=f"expected {LAYOUT}")
    chosen = tuple(_spread(images)[:limit])
    return LabelledSet(
        image_set=ImageSet(
            layout="labelled",
            folder=folder.name,
            annotations=LIST if listed.is_file() else "names of the folders",
            annotations_sha256=file_sha256(listed) if listed.is_file() else None,
            available=len(images),
            limit=limit,
            images=len(chosen),
            sha256=canonical_sha256([[image.file, image.label] for image in chosen]),
        ),
        folder=folder,
        images=chosen,
    )


def _spread(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """The images in rounds over the classes, so that the first n of them are of as many classes as possible."""
    rounds: dict[int, int] = {}
    keyed = []
    for image in sorted(images, key=lambda image: image.file):
        turn = rounds.get(image.label, 0)
        rounds[image.label] = turn + 1
        keyed.append((turn, image.label, image))
    return [image for _, _, image in sorted(keyed, key=lambda key: key[:2])]


def _listed(path: Path, names: Sequence[str]) -> Iterator[LabelledImage]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot be read ({error})", where=str(path), fix="expected CSV in UTF-8") from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        found = ", ".join(map(str, rows[0])) if rows else "no row"
        raise ConfigError(
            f"has no columns 'file' and 'label'; found {found}", where=str(path), fix="see the first line"
        )
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        file, label = (row["file"] or "").strip(), (row["label"] or "").strip()
        where = f"{path}, line {number}"
        if not file or file in seen or Path(file).is_absolute() or ".." in Path(file).parts:
            raise ConfigError(f"'{file}' is no file of the folder, or stands there twice", where=where)
        seen.add(file)
        yield LabelledImage(file=file, label=_class_of(label, names, where))


def _by_folders(folder: Path, names: Sequence[str]) -> list[LabelledImage]:
    top = folder / "val" if (folder / "val").is_dir() else folder
    folders = sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
        raise ConfigError(
            f"holds no folder of a class and no {LIST}; found {found}", where=str(folder), fix=f"expected {LAYOUT}"
        )
    labels = _folder_labels([p.name for p in folders], names, top)
    return [
        LabelledImage(file=photo.relative_to(folder).as_posix(), label=label)
        for place, label in zip(folders, labels, strict=True)
        for photo in sorted(place.iterdir())
        if is_photo(photo)
    ]


def _folder_labels(found: Sequence[str], names: Sequence[str], where: Path) -> list[int]:
    """The class of each folder: by number or name where all are such, else by place where there is one a class."""
    labels = [_number_of(name, names) for name in found]
    if all(label is not None for label in labels):
        return [label for label in labels if label is not None]
    if len(found) == len(names):
        return list(range(len(found)))
    strange = found[labels.index(None)]
    what = (
        f"'{strange}' is no class of the model, and {len(found)} folders are not one for each of {len(names)} classes"
    )
    raise ConfigError(what, where=str(where), fix=f"expected {LAYOUT}")


def _class_of(label: str, names: Sequence[str], where: str) -> int:
    number = _number_of(label, names)
    if number is None:
        fix = nearest(label, names) if label and not label.isdigit() else f"numbers go from 0 to {len(names) - 1}"
        raise ConfigError(f"'{label}' is no class of the model", where=where, fix=fix)
    return number


def _number_of(label: str, names: Sequence[str]) -> int | None:
    if label.isascii() and label.isdigit():
        return int(label) if int(label) < len(names) else None
    return list(names).index(label) if list(names).count(label) == 1 else None  # two of ImageNet's are both "crane"
