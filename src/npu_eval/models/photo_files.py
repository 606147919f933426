"""Which files are photos: by their names, the same on the host and in the deliverable. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import ConfigError
from npu_eval.process.visible import without_hidden

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".jp2")
"""Of an animation the first frame is taken."""

_LONGEST_NAME_BYTES = 120
"""Results are named after their photo; a file system takes 255 bytes, an archive's header 100 to 155."""
_MEANS_SOMETHING = re.compile(r"[/\\:*?\"<>|`]")
"""Characters that Windows, a shell or Markdown do not take as a letter."""
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True)
class Found:
    """The photos of a folder by name, and what else lies there: ``passed_over`` counts files by their suffix."""

    photos: tuple[Path, ...]
    passed_over: dict[str, int]

    @property
    def note(self) -> str:
        """What is passed over, in one line; empty where nothing is."""
        if not self.passed_over:
            return ""
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.passed_over.items()))
        return f"passed over, as no photos that are read here: {kinds} (read: {' '.join(PHOTO_SUFFIXES)})"


def is_photo(path: Path) -> bool:
    """Whether a file is one by its name; hidden ones (``._x.jpg`` of macOS) are none."""
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")


def find_photos(path: Path, shown: str = "") -> Found:
    """A photo, or every photo of a folder by name; folders in it are not looked into.

    Args:
        path: a file or a folder.
        shown: its name in messages (default: the path).

    Raises:
        ConfigError: nothing is there, or the file is of a kind that is not read.
    """
    where = shown or str(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        others = Counter(
            p.suffix.lower() or p.name for p in files if not is_photo(p) and p.name.lower() not in _SYSTEM_FILES
        )
        found = Found(photos=tuple(filter(is_photo, files)), passed_over=dict(others))
        if not found.photos:
            what = f"there is no photo in this folder{f' ({found.note})' if found.note else ''}"
            raise ConfigError(what, where=where, fix=f"looked for {' '.join(PHOTO_SUFFIXES)}")
        return found
    if not path.is_file():
        raise ConfigError("the photo does not exist", where=where, fix="name a photo or a folder of photos")
    if path.suffix.lower() not in PHOTO_SUFFIXES:
        raise ConfigError(
            f"files of the kind '{path.suffix}' are not read",
            where=where,
            fix=f"save it as one of {' '.join(PHOTO_SUFFIXES)}",
        )
    return Found(photos=(path,), passed_over={})


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each file under which any system, archive, terminal and page can hold it: given → taken.

    Letters of every script, blanks and emoji stay. What hides or means something else becomes ``_``: control and
    direction characters, separators of paths, a leading dot, dash or tilde. Two that become one are numbered.
    """
    taken: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        plain = _plain(name)
        stem, dot, suffix = plain.rpartition(".")
        number, candidate = 1, plain
        while candidate.casefold() in used:
            number += 1
            candidate = f"{stem}-{number}{dot}{suffix}"
        used.add(candidate.casefold())
        taken[name] = candidate
    return taken


def _plain(name: str) -> str:
    text = without_hidden(name.replace("\n", "_").replace("\t", "_"), "_")
    text = _MEANS_SOMETHING.sub("_", unicodedata.normalize("NFC", text))
    stem, dot, suffix = text.strip().rpartition(".")
    stem = re.sub(r"^[.~-]+", "_", stem.lstrip())
    room = _LONGEST_NAME_BYTES - len((dot + suffix).encode("utf-8"))
    return without_hidden(f"{stem.encode('utf-8')[:room].decode('utf-8', 'ignore').rstrip() or '_'}{dot}{suffix}", "_")
