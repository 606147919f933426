"""How much of a stranger's folder is read at all: sizes and counts are looked at before anything is opened.

A deliverable is some hundred files and some tens of MiB; these limits leave it room, and none for a disk, a memory or
an afternoon to be filled. `look` goes over a folder first, by names and sizes. Whatever reads a file afterwards does it
through `read_bytes` or `read_text`, which wait for no pipe, follow no link and stop where the file was said to end.
`verify_deliverable.py`, which imports nothing of ours, has the same numbers. Standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MIB = 2**20

MAX_FILES = 10_000
"""Files and folders."""
MAX_DEPTH = 16
"""Folders inside folders."""
MAX_FILE_BYTES = 512 * MIB
"""Of any file: hashed in a second or two, also where a processor has no instructions for SHA-256."""
MAX_BYTES = 1024 * MIB
"""Of all files together; the masks of a data set of 5000 photos are 150 MiB."""
MAX_RECORD_BYTES = 64 * MIB
"""Of a record: the most that a run writes of quick calls is 3.2 MiB for each batch size, of which a spec has 16 at
most; to verify that takes some ten seconds."""
MAX_DOCUMENT_BYTES = 16 * MIB
"""Of any other JSON document: a summary of 64 photos with 100 repeats is 6 MiB, a manifest of 10,000 files 2 MiB."""
MAX_DOCUMENTS_BYTES = 192 * MIB
"""Of all of them with the records: two of the longest, and room for the others."""
MAX_TEXT_BYTES = 4 * MIB
"""Of a log, the ledger, a list or a script; the longest are below 200 kB."""
MAX_PAGE_BYTES = MIB
"""Of a page; the longest are below 100 kB."""
MAX_TEXTS_BYTES = 32 * MIB
MAX_PICTURE_BYTES = 64 * MIB
MAX_PIXELS = 178_956_970
"""Of a picture, by its header: more is what Pillow calls a decompression bomb."""
MAX_VALUES = 2_000_000
"""Values in a JSON document, counted by its commas: those 16 batch sizes are 1.7 million (`latency.MAX_SAMPLES`)."""
MAX_NESTING = 64
"""Lists and objects inside each other in a JSON document."""

SHOWN = 20
"""So many places beyond a limit are named; looking ends there."""

_SUFFIXES = {
    "json": (".json",),
    "page": (".md", ".markdown", ".rst", ".html"),
    "text": (".log", ".txt", ".py", ".sh", ".toml", ".yaml", ".yml", ".cfg", ".csv"),
    "picture": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"),
}
_RECORDS = ("records", "results")
"""Folders of records, in one layout or another (`layout.LAYOUTS`)."""
_HASHED_ONLY = ("model", "inputs")
"""Folders at the top whose files are hashed and nothing else: their documents are the model's own."""
_HEADER_BYTES = 65_536


class UnreadableError(OSError):
    """A file that is not read: no plain one, beyond a limit, or longer than it was when it was opened."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.strerror = what


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file: what it is called, how long one may be, and all of them together."""

    name: str
    each: int
    together: int


_ANY = Kind(name="a file", each=MAX_FILE_BYTES, together=MAX_BYTES)
_KINDS = {
    "record": Kind(name="a record", each=MAX_RECORD_BYTES, together=MAX_DOCUMENTS_BYTES),
    "json": Kind(name="a JSON document", each=MAX_DOCUMENT_BYTES, together=MAX_DOCUMENTS_BYTES),
    "page": Kind(name="a page", each=MAX_PAGE_BYTES, together=MAX_TEXTS_BYTES),
    "text": Kind(name="a text", each=MAX_TEXT_BYTES, together=MAX_TEXTS_BYTES),
    "picture": Kind(name="a picture", each=MAX_PICTURE_BYTES, together=MAX_BYTES),
}


def kind_of(name: str) -> Kind:
    """The kind of a file by its path relative to its deliverable."""
    path = PurePosixPath(name)
    if path.name == "ledger.jsonl":
        return _KINDS["text"]
    if path.parent.name in _RECORDS and path.suffix == ".json":
        return _KINDS["record"]
    if path.parts[:1] and path.parts[0] in _HASHED_ONLY and path.suffix.lower() not in _SUFFIXES["picture"]:
        return _ANY
    return next((_KINDS[kind] for kind, suffixes in _SUFFIXES.items() if path.suffix.lower() in suffixes), _ANY)


def look(folder: Path) -> list[tuple[str, str]]:
    """(file, what is beyond which limit) for a folder in which something is; nothing is opened but pictures' headers.

    The first `SHOWN` places in the order in which the folder is gone over. A folder with none can be read.
    """
    found: list[tuple[str, str]] = []
    for place in _beyond(folder):
        found.append(place)
        if len(found) == SHOWN:
            break
    return found


def _beyond(folder: Path) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[str, int]] = [("", 0)]
    count = 0
    spent = dict.fromkeys((_ANY, *_KINDS.values()), 0)
    while waiting:
        inside, depth = waiting.pop()
        try:
            entries = os.scandir(folder / inside if inside else folder)
        except OSError as error:
            yield inside or ".", f"cannot be read ({error.strerror})"
            continue
        with entries:
            for entry in entries:
                name = f"{inside}/{entry.name}" if inside else entry.name
                count += 1
                if count > MAX_FILES:
                    yield inside or ".", f"the folder holds more than {MAX_FILES} files and folders"
                    return
                if entry.is_dir(follow_symlinks=False):
                    if depth + 1 >= MAX_DEPTH:
                        yield name, f"lies {MAX_DEPTH} folders deep, which is the most"
                    else:
                        waiting.append((name, depth + 1))
                    continue
                yield from _beyond_file(name, entry, spent)


def _beyond_file(name: str, entry: os.DirEntry[str], spent: dict[Kind, int]) -> Iterator[tuple[str, str]]:
    try:
        facts = entry.stat()  # of a link, what it leads to
    except OSError:  # it leads nowhere
        return
    if not stat.S_ISREG(facts.st_mode):  # what must not be opened is told by `strays`
        return
    size, kind = facts.st_size, kind_of(name)
    if not os.access(entry.path, os.R_OK):
        yield name, f"cannot be read ({os.strerror(errno.EACCES)})"
        return
    if size > kind.each:
        yield name, f"has {_size(size)}; {_size(kind.each)} is the most for {kind.name}"
        return
    for each in {kind, _ANY}:
        before = spent[each]
        spent[each] = before + size
        if before <= each.together < before + size:
            yield name, f"is one too many: {_size(each.together)} is the most for {each.name} and its like together"
    if size >= MIB and (holes := _holes(entry.path, size)):
        yield name, f"holds {_size(holes)} of nothing: a file with holes is not read"
    if kind is _KINDS["picture"] and (pixels := _pixels(entry.path)) > MAX_PIXELS:
        yield name, f"claims {pixels} pixels; {MAX_PIXELS} is the most"


def _size(size: int) -> str:
    for name, unit in (("TiB", 2**40), ("GiB", 2**30), ("MiB", MIB)):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _holes(path: str, size: int) -> int:
    """How much of a file is holes, where that is more than half of it; file systems that know none say 0."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        data = position = 0
        for _ in range(64):  # a file of many pieces has data enough to be none of these
            start = os.lseek(handle, position, os.SEEK_DATA)
            position = os.lseek(handle, start, os.SEEK_HOLE)
            data += position - start
            if position >= size:
                break
        else:
            return 0
    except AttributeError:  # a system that knows no holes
        return 0
    except OSError as error:
        if error.errno != errno.ENXIO:  # which says that there is no data from here on
            return 0
    finally:
        os.close(handle)
    return size - data if data < size / 2 else 0


def inside(folder: Path, name: str) -> Path | None:
    """The file of a folder that a name in it means; None where it means what lies elsewhere, or is no plain name."""
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        return None
    try:
        found = (folder / name).resolve()
    except (OSError, RuntimeError):  # a loop of links is a RuntimeError before Python 3.13
        return None
    return folder / name if found.is_relative_to(folder.resolve()) else None


def is_file(folder: Path, name: str) -> bool:
    """Whether a name means a file that lies in the folder; one that no file system takes means none."""
    path = inside(folder, name)
    try:
        return path is not None and path.is_file()
    except OSError:  # the name is too long
        return False


def open_plain(path: Path, *, follow: bool = False) -> tuple[int, int]:
    """(descriptor, size) of a plain file that is open for reading.

    Raises:
        UnreadableError: it is a link, a pipe, a socket or a device. None of them is waited for.
        OSError: it is not there, or may not be read.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
    if not follow:
        if path.is_symlink():
            raise UnreadableError("is a link")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    mode = path.stat().st_mode  # opening a device may do something
    if not stat.S_ISREG(mode):
        raise UnreadableError("is a folder" if stat.S_ISDIR(mode) else "is no plain file")
    handle = os.open(path, flags)
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise UnreadableError("is no plain file")
    return handle, facts.st_size


def read_bytes(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """The content of a plain file of at most ``limit`` bytes.

    Raises:
        UnreadableError: it has more, grows while it is read, or as `open_plain`.
        OSError: as `open_plain`.
    """
    handle, size = open_plain(path, follow=follow)
    with os.fdopen(handle, "rb") as stream:
        if size > limit:
            raise UnreadableError(f"has {_size(size)}; {_size(limit)} is the most")
        data = stream.read(size)
        if stream.read(1):
            raise UnreadableError("grows while it is read")
    return data


def read_text(path: Path, limit: int, *, follow: bool = False) -> str:
    """The same as text.

    Raises:
        UnicodeDecodeError: it is none in UTF-8.
        OSError: as `read_bytes`.
    """
    text = read_bytes(path, limit, follow=follow).decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")  # as a text file is read


def _pixels(path: str) -> int:
    """How many pixels the header of a picture claims; 0 where none is understood."""
    try:
        handle, _ = open_plain(Path(path), follow=True)
        with os.fdopen(handle, "rb") as stream:
            head = stream.read(_HEADER_BYTES)
    except OSError:
        return 0
    try:
        return _claimed(head)
    except (struct.error, IndexError):
        return 0


def _claimed(head: bytes) -> int:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", head[16:24])
        return int(width) * int(height)
    if head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", head[6:10])
        return int(width) * int(height)
    if head.startswith(b"BM"):
        width, height = struct.unpack("<ii", head[18:26])
        return abs(int(width) * int(height))
    if head.startswith(b"\xff\xd8"):
        return _claimed_jpeg(head)
    return 0


def _claimed_jpeg(head: bytes) -> int:
    """Of the first frame header (ITU-T T.81, B.2.2) within the first bytes."""
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker, length = head[position + 1], struct.unpack(">H", head[position + 2 : position + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[position + 5 : position + 9])
            return int(width) * int(height)
        position += 2 + max(2, int(length))
    return 0
