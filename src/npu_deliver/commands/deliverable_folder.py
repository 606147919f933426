"""Whether a folder that was named is a deliverable: told before it is read, never as hundreds of contradictions."""

from __future__ import annotations

import os
from pathlib import Path

from npu_deliver.errors import ConfigError
from npu_eval.asked.layout import LAYOUTS

_LOOKED_AT = 2000
"""Folders below the named one that are looked at for a deliverable."""


def deliverable_folder(folder: Path) -> Path:
    """The folder, when it is one of a deliverable or what is left of one.

    Raises:
        ConfigError: there is none of that name, it is a file, or it holds nothing that a deliverable has; the message
            names the deliverables below it, or the one that it is a part of.
    """
    if not folder.exists():
        raise ConfigError("there is no such folder", where=str(folder), fix="name the folder of a deliverable")
    if not folder.is_dir():
        raise ConfigError("is a file", where=str(folder), fix="name the folder of a deliverable")
    if is_deliverable(folder):
        return folder
    inside, around = below(folder), above(folder)
    fix = "name the folder that holds MANIFEST.json"
    if inside or around is not None:
        fix = f"there is {', '.join(map(str, inside[:5]))}" if inside else f"it is a part of {around}"
    raise ConfigError(
        "is no deliverable: it has no MANIFEST.json, spec.json or summary.json", where=str(folder), fix=fix
    )


def is_deliverable(folder: Path) -> bool:
    """Whether a folder has any of the files by which one is known, in whatever layout."""
    summaries = {layout.at("summary.json") for layout in LAYOUTS.values()}
    return any((folder / name).is_file() for name in ("MANIFEST.json", "spec.json", *sorted(summaries)))


def above(folder: Path) -> Path | None:
    """The deliverable that a folder is a part of."""
    return next((each for each in folder.absolute().parents if (each / "MANIFEST.json").is_file()), None)


def below(folder: Path) -> list[Path]:
    """The deliverables below a folder."""
    found: list[Path] = []
    for count, (here, folders, _) in enumerate(os.walk(folder)):
        if count >= _LOOKED_AT:
            break
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if is_deliverable(Path(here)):
            found.append(Path(here))
            folders.clear()
    return found
