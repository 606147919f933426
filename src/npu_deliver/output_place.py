"""Whether a finished folder can be put where it was asked for: told at once, never after an hour of work."""

from __future__ import annotations

from pathlib import Path

from npu_deliver.errors import ConfigError
from npu_eval.machine.disk import check_folder, check_room

NEEDED_BYTES = 48 << 20
"""What a deliverable takes while it is made, without the photos and results of the user's own: code, fonts, pages."""

_FIX = "name another folder with --output"


def require(output: Path, beside: Path) -> None:
    """Refuse a place in which the finished folder could not replace what is there.

    Args:
        output: the finished folder.
        beside: the folder in which it is made, on the same disk.

    Raises:
        ConfigError: with the reason.
    """
    check_folder(output, fix=_FIX)
    if output.is_symlink():  # a rename would replace the link and leave what it leads to
        target = output.readlink()
        raise ConfigError(
            f"is a link to {target}, and a link is not replaced",
            where=str(output),
            fix="name the folder itself with --output",
        )
    if output.is_mount():
        raise ConfigError(
            "is a mount point, which cannot be replaced", where=str(output), fix="name a folder inside it with --output"
        )
    check_folder(beside, fix=_FIX)
    if beside.is_symlink():  # what is made there would be on another disk, and what is removed somebody's
        raise ConfigError(
            f"is a link to {beside.readlink()}, where a folder of ours belongs", where=str(beside), fix="move it away"
        )
    check_folder(output.parent, fix=_FIX)
    place = next(folder for folder in output.parents if folder.exists())
    check_room(place, NEEDED_BYTES, what="the finished folder takes", where=place, fix=_FIX)
