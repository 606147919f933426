"""What lies in a folder and in no deliverable: links, pipes and devices, hidden files, compiled code, modules in the
way of others, and whatever a manifest does not name.

A manifest is as good as its author. What nobody can read (compiled code), what nobody sees (hidden files), what is
elsewhere (links) and what an import would find instead of what it asks for is refused although it is sealed and signed.
Names alone are looked at: nothing is opened, no link is followed, nothing is imported. Standard library only.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from npu_eval.records.codehash import CACHE, is_compiled

LINK = "is a link; a deliverable holds plain files"
NOT_PLAIN = "is no plain file"
_DELETE = "delete it, and start scripts with python -B"
_PACKAGES = ("npu_eval/", "npu_models/")
_SCRIPT = re.compile(r"inference|verify_deliverable|adapter|(.+/)?(eval_[a-z_]+|make_reference)")
"""Scripts of a deliverable in any layout, without their suffix."""


def found_in(folder: Path) -> dict[str, Path]:
    """Relative path → path of everything below a folder that is no folder, sorted; also of folders that cannot be read.

    A link is listed and not followed.
    """
    found: dict[str, Path] = {}

    def unreadable(error: OSError) -> None:
        found[Path(str(error.filename)).relative_to(folder).as_posix()] = Path(str(error.filename))

    for where, folders, names in os.walk(folder, onerror=unreadable):
        linked = [name for name in folders if Path(where, name).is_symlink()]
        for name in (*names, *linked):
            path = Path(where, name)
            found[path.relative_to(folder).as_posix()] = path
    return {name: found[name] for name in sorted(found, key=lambda name: name.split("/"))}


def not_plain(found: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, str]]:
    """(name, what) of what must not be opened: pipes, sockets and devices, also behind a link; links."""
    for name, path in found:
        try:
            kind = path.lstat().st_mode
            linked = stat.S_ISLNK(kind)
            target = path.stat().st_mode if linked else kind
        except OSError:  # a link that leads nowhere, or round in a circle
            yield name, LINK
            continue
        if not stat.S_ISREG(target) and not stat.S_ISDIR(target):
            yield name, NOT_PLAIN
        elif linked:
            yield name, LINK
        elif stat.S_ISDIR(kind):
            yield name, "is a folder that cannot be read"


def unfit(name: str) -> tuple[str, str] | None:
    """(file or topmost folder, what) where a file is no part of a deliverable, sealed or not."""
    parts = PurePosixPath(name).parts
    for depth, part in enumerate(parts, start=1):
        if what := _unfit(part, last=depth == len(parts)):
            return "/".join(parts[:depth]), what
    return None


def _unfit(part: str, *, last: bool) -> str:
    if part == CACHE:
        return f"holds what Python compiled, which it would run unread; {_DELETE}"
    if part.startswith("."):
        return "is hidden; a deliverable shows all that it holds: move it out of the folder"
    if last and is_compiled(part):
        return "is code that nobody can read, and Python would run it; delete it"
    return ""


def in_the_way(names: Iterable[str], adapter: str) -> Iterator[tuple[str, str]]:
    """(name, what) of Python files outside the packages that are no script of a deliverable: an import that looks
    beside a script would find them instead of what it asks for.

    Args:
        adapter: what spec.json names; a file, or a reference with a colon.
    """
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if not dot or suffix not in ("py", "pyw") or name == adapter or name.startswith(_PACKAGES):
            continue
        if not _SCRIPT.fullmatch(stem):
            yield name, "is no script of a deliverable, and an import would find it; move it out of the folder"


def foreign(names: Collection[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """(name, what) of files that a manifest does not name; one line for a folder of which it names nothing."""
    ours = {str(parent) for name in known for parent in PurePosixPath(name).parents} - {"."}
    places: dict[str, list[str]] = {}
    for name in names:
        if name not in known:
            folders = [str(parent) for parent in reversed(PurePosixPath(name).parents)][1:]
            places.setdefault(next((folder for folder in folders if folder not in ours), name), []).append(name)
    for place, held in places.items():
        if len(held) == 1:
            yield held[0], "is not in the manifest"
        else:
            yield place, f"holds {len(held)} files that are not in the manifest"
