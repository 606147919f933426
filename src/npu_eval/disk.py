"""Room on a disk, asked for before something large is written. Standard library only."""

from __future__ import annotations

import shutil
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
