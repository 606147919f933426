"""The seal of a deliverable: the sha256 and size of every file in it. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import RecordError
from npu_eval.jsonio import dumps, file_sha256, from_json, loads, write_atomic

NAME = "MANIFEST.json"
STATEMENT = "statement.intoto.json"
SIGNED = "statement.dsse.json"
OUTSIDE = (NAME, STATEMENT, SIGNED)
"""What the manifest does not name: itself, and what is said of it and signed after it was written."""
SCHEMA = "npu-deliver/manifest/1"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Every file of the folder but the manifest itself, by its relative path."""

    schema: str
    files: dict[str, Entry]


def files_of(folder: Path) -> dict[str, Path]:
    """Relative path → file for everything in a folder but what lies `OUTSIDE` and Python's caches."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if "__pycache__" in relative.parts or relative.as_posix() in OUTSIDE:
            continue
        if path.is_symlink() or not path.is_dir():
            found[relative.as_posix()] = path
    return found


def special_files(folder: Path) -> list[str]:
    """Pipes, sockets and devices, also behind a link: whoever opens one may wait for ever."""
    found = {**files_of(folder), **{name: folder / name for name in OUTSIDE}}
    return [name for name, path in found.items() if path.exists() and not path.is_file() and not path.is_dir()]


def seal(folder: Path) -> None:
    """Write the manifest of a finished folder; only what is said of it comes later."""
    entries = {name: Entry(sha256=file_sha256(p), size_bytes=p.stat().st_size) for name, p in files_of(folder).items()}
    write_atomic(folder / NAME, dumps(Manifest(schema=SCHEMA, files=entries)))


def read(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        RecordError: it is absent, unreadable, or of another schema.
    """
    try:
        value = loads((folder / NAME).read_text(encoding="utf-8"), NAME)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=NAME, fix="the folder was never finished") from error
    manifest = from_json(Manifest, value, NAME)
    if manifest.schema != SCHEMA:
        raise RecordError(f"schema '{manifest.schema}' is not '{SCHEMA}'", where=NAME)
    return manifest


def foreign_files(folder: Path) -> list[str]:
    """Files that a folder's manifest does not name; every file, when there is no readable manifest."""
    try:
        known = read(folder).files
    except RecordError:
        return list(files_of(folder))
    return [name for name in files_of(folder) if name not in known]


def differences(folder: Path) -> list[tuple[str, str]]:
    """(file, what is wrong) for every file that is not as it was sealed.

    Raises:
        RecordError: there is no readable manifest.
    """
    manifest, found = read(folder), files_of(folder)
    wrong = [(name, "is missing") for name in manifest.files if name not in found]
    wrong += [(name, "is a link; a deliverable holds plain files") for name in OUTSIDE if (folder / name).is_symlink()]
    for name, path in found.items():
        entry = manifest.files.get(name)
        if path.is_symlink():
            wrong.append((name, "is a link; a deliverable holds plain files"))
        elif entry is None:
            wrong.append((name, "is not in the manifest"))
        elif (size := path.stat().st_size) != entry.size_bytes:
            wrong.append((name, f"has {size} bytes, the manifest says {entry.size_bytes}"))
        elif (digest := file_sha256(path)) != entry.sha256:
            wrong.append((name, f"has sha256 {digest[:12]}…, the manifest says {entry.sha256[:12]}…"))
    return wrong
