"""Where a data set in COCO's layout keeps its annotations and its images. Standard library only: the host asks too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from npu_eval.errors import ConfigError

LAYOUT = "annotations/instances_val2017.json beside val2017/*.jpg, or one .json file beside its images"
"""What a folder must hold, in the words of an error message."""

_IN_A_FOLDER = ("annotations/instances_val*.json", "annotations/instances_*.json", "annotations/*.json")
_CANDIDATES = (*_IN_A_FOLDER, "*.json")
_PROBES = 50
"""Images that are looked for to tell which folder holds them."""


def annotation_file(folder: Path) -> Path:
    """The annotations of a folder.

    Raises:
        ConfigError: there is none, or several.
    """
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix=f"expected {LAYOUT}")
    for pattern in _CANDIDATES:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(p.relative_to(folder).as_posix() for p in found[:5])
            raise ConfigError(
                f"holds several annotation files: {names}",
                where=str(folder),
                fix="name one with ANNOTATIONS=… (--annotations)",
            )
        if found:
            return found[0]
    raise ConfigError(f"holds no annotations; found {listing(folder)}", where=str(folder), fix=f"expected {LAYOUT}")


def refuse_several(folder: Path) -> None:
    """Refuse a folder whose ``annotations/`` leave a choice; any other layout is told when it is read.

    Raises:
        ConfigError: there are several.
    """
    if any(any(folder.glob(pattern)) for pattern in _IN_A_FOLDER):
        annotation_file(folder)


def image_folder(folder: Path, annotations: Path, files: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """Where the images lie, and the names that have to be shortened to be found there: given → as it is there.

    A name with folders in front of it (of the machine that wrote the file) is looked for by its last parts as well.

    Raises:
        ConfigError: none of the images is there.
    """
    split = annotations.stem.partition("_")[2] or annotations.stem
    places = [folder / split, folder / "images" / split, folder / "images", annotations.parent, folder]
    options = [(place, drop) for drop in range(_most_folders(files[:_PROBES]) + 1) for place in places]
    place, drop = max(options, key=lambda o: sum((o[0] / _last(f, o[1])).is_file() for f in files[:_PROBES]))
    if not any((place / _last(file, drop)).is_file() for file in files):
        looked = ", ".join(f"{p.relative_to(folder).as_posix()}/" for p in places if p.is_relative_to(folder))
        raise ConfigError(
            f"none of its images is there: {files[0]} is in none of {looked}; found {listing(folder)}",
            where=str(folder),
            fix=f"expected {LAYOUT}",
        )
    return place, {file: _last(file, drop) for file in files if _last(file, drop) != file}


def _most_folders(files: Sequence[str]) -> int:
    return max((file.count("/") for file in files), default=0)


def _last(file: str, drop: int) -> str:
    """A name without its first ``drop`` folders, as far as it has them."""
    return "/".join(file.split("/")[min(drop, file.count("/")) :])


def listing(folder: Path) -> str:
    """What a folder holds, in the words of an error message."""
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"
