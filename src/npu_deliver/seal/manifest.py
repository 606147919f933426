"""The seal of a deliverable: the sha256 and size of every file in it. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from npu_deliver.errors import RecordError, VerifyError
from npu_deliver.seal import strays
from npu_eval.jsonio import dumps, file_sha256, from_json, loads, write_atomic
from npu_eval.limits import MAX_DOCUMENT_BYTES, read_text
from npu_eval.records.codehash import CACHE

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
    """Relative path → file for everything in a folder but what lies `OUTSIDE`; links are listed and not followed."""
    return {name: path for name, path in strays.found_in(folder).items() if name not in OUTSIDE}


def not_plain(folder: Path) -> list[tuple[str, str]]:
    """(name, what) of links, pipes, sockets and devices: whoever opens one reads elsewhere, or may wait for ever."""
    return list(strays.not_plain(strays.found_in(folder).items()))


def require_plain(folder: Path) -> None:
    """Refuse a folder in which something is to be read that is no plain file.

    Raises:
        VerifyError: naming the first of its links, pipes, sockets and devices.
    """
    if special := not_plain(folder):
        name, what = special[0]
        more = f" (and {len(special) - 1} more)" if len(special) > 1 else ""
        raise VerifyError(f"{what}{more}", where=name, fix="take it out of the folder; nothing was read")


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
        value = loads(read_text(folder / NAME, MAX_DOCUMENT_BYTES), NAME)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=NAME, fix="the folder was never finished") from error
    manifest = from_json(Manifest, value, NAME)
    if manifest.schema != SCHEMA:
        raise RecordError(f"schema '{manifest.schema}' is not '{SCHEMA}'", where=NAME)
    return manifest


def foreign_files(folder: Path) -> list[str]:
    """Files that a folder's manifest does not name; every file, when there is no readable manifest. What Python
    compiled is nobody's work: it is made anew from the code.
    """
    names = [name for name in files_of(folder) if f"/{CACHE}/" not in f"/{name}"]
    try:
        known = read(folder).files
    except RecordError:
        return names
    return [name for name in names if name not in known]


def differences(folder: Path) -> list[tuple[str, str]]:
    """(file, what is wrong) for every file that is not as it was sealed, and for what no seal makes part of a folder.

    Where there are links or pipes, they alone are told, and nothing is opened.

    Raises:
        RecordError: there is no readable manifest.
    """
    if special := not_plain(folder):
        return special
    known, found = read(folder).files, files_of(folder)
    wrong = [(name, "is missing") for name in known if name not in found]
    unfit = {name: told for name in found if (told := strays.unfit(name))}
    wrong += dict.fromkeys(unfit.values())  # one line for a folder of them
    wrong += strays.foreign([name for name in found if name not in unfit], known)
    for name, entry in known.items():
        if (path := found.get(name)) is None:
            continue
        if (size := path.stat().st_size) != entry.size_bytes:
            wrong.append((name, f"has {size} bytes, the manifest says {entry.size_bytes}"))
        elif (digest := file_sha256(path)) != entry.sha256:
            wrong.append((name, f"has sha256 {digest[:12]}…, the manifest says {entry.sha256[:12]}…"))
    return wrong
