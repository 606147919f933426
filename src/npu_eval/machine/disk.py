"""Room on a disk and places that can be written, asked for before the work and not after it. Standard library only."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from npu_eval.errors import ConfigError


def check_room(folder: Path, needed: int, *, what: str, where: Path, fix: str) -> None:
    """Refuse what would not fit; a tenth and 16 MiB are left to others.

    Args:
        folder: an existing folder on the disk in question.
        needed: bytes.
        what: the beginning of the message, up to and with its verb.
        where: what the message names.

    Raises:
        ConfigError: with what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if needed * 1.1 + (16 << 20) > free:
        sizes = f"{needed / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are free"
        raise ConfigError(f"{what} {sizes}", where=str(where), fix=f"free some space, {fix}")


def check_file(target: Path, *, fix: str = "name another --output") -> None:
    """Refuse a file that could not be written in the end: a folder is there, or nothing can be put beside it.

    Raises:
        ConfigError: with the reason.
    """
    _check_parents(target, fix)
    if target.is_dir():
        raise ConfigError("is a folder, a file was to be written", where=str(target), fix=fix)


def check_folder(target: Path, *, fix: str = "name another --output") -> None:
    """Refuse a folder that could not be filled in the end: a file or a link into nowhere is there, or no permission.

    Raises:
        ConfigError: with the reason.
    """
    _check_parents(target, fix)
    if target.is_symlink() and not target.exists():
        leads = target.readlink()
        raise ConfigError(f"is a link to {leads}, which does not exist", where=str(target), fix=f"remove it, or {fix}")
    if target.exists() and not target.is_dir():
        raise ConfigError("is a file", where=str(target), fix=fix)
    if target.is_dir():
        _check_parents(target / "_", fix)


def _check_parents(target: Path, fix: str) -> None:
    """The nearest folder that is there takes a file, and the names of those that are not are short enough for it."""
    place, absent = target.parent, [target.name]
    try:
        while not os.path.lexists(place):
            absent.append(place.name)
            place = place.parent
        if not place.is_dir():
            raise ConfigError("is no folder, so nothing can be put into it", where=str(place), fix=fix)
        with tempfile.TemporaryFile(dir=place):
            longest = max(absent, key=lambda name: len(os.fsencode(name)))
            if len(os.fsencode(longest)) > os.pathconf(place, "PC_NAME_MAX"):
                raise ConfigError("the name is too long for its disk", where=longest[:60] + "…", fix=fix)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", where=str(place)[:200], fix=fix) from error
