"""JSON for frozen dataclasses: strict in both directions, written so that a kill never leaves half a file.

Only the standard library, because records are read where nothing else is installed. Reading refuses unknown keys,
missing keys, wrong types, NaN and infinity, and names the place as a path (``data.runs[2].samples_s``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from npu_eval.errors import RecordError
from npu_eval.jsonform import ABSENT_BY_DEFAULT, Textual, dumps, from_json, to_json
from npu_eval.limits import MAX_NESTING, MAX_VALUES, UnreadableError, open_plain

__all__ = [
    "ABSENT_BY_DEFAULT",
    "TEMPORARY_PREFIX",
    "Kept",
    "Textual",
    "canonical_sha256",
    "dumps",
    "file_sha256",
    "from_json",
    "keep",
    "loads",
    "to_json",
    "write_atomic",
]  # with the form of values, which everybody reads through this module

_PIECE_BYTES = 2**20

TEMPORARY_PREFIX = ".partial-"
"""Names of files that are being written start with this; whoever finds one may delete it."""


class Kept:
    """A value that keeps the hashes of the text it was read from, where another version wrote that text otherwise than
    this one would: whoever was told those hashes meant that text. `dataclasses.replace` drops them, as it should: what
    was changed has hashes of its own.
    """

    kept: ClassVar[Mapping[str, str]] = types.MappingProxyType({})
    """Name of a hash → the hash; empty where this version writes the same text."""


def keep(value: Kept, **hashes: str) -> None:
    """Let a value keep these hashes."""
    object.__setattr__(value, "kept", types.MappingProxyType(hashes))  # the value is frozen, and not yet handed out


def loads(text: str, where: str) -> Any:
    """Parse JSON text; refuses NaN, repeated keys, more values than a document has, and more in each other.

    Raises:
        RecordError: the text is not JSON, or beyond the limits.
    """
    if (values := text.count(",") + 1) > MAX_VALUES:
        raise RecordError(f"holds up to {values} values; {MAX_VALUES} is the most", where=where)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ValueError(f"key '{twice}' appears twice")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError as error:
        raise RecordError(_TOO_DEEP, where=where) from error
    except ValueError as error:
        what = "a number of thousands of digits" if "int_max_str_digits" in str(error) else str(error)
        raise RecordError(f"not readable as JSON ({what})", where=where) from error
    _refuse_depth(value, where)
    return value


_TOO_DEEP = f"not readable as JSON: it holds lists or objects more than {MAX_NESTING} in each other, which is the most"


_CONTAINERS = frozenset({dict, list})


def _refuse_depth(value: Any, where: str) -> None:
    """What is read by functions that call themselves may not be deeper than Python's stack."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_NESTING):
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        holding = (items for items in inside if not _CONTAINERS.isdisjoint(map(type, items)))  # few lists of many do
        level = [item for items in holding for item in items if type(item) in _CONTAINERS]
        if not level:
            return
    raise RecordError(_TOO_DEEP, where=where)


def canonical_sha256(value: Any) -> str:
    """sha256 of the value's canonical JSON (sorted keys, no spaces, UTF-8): equal values have equal hashes."""
    text = json.dumps(to_json(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces.

    Raises:
        OSError: it cannot be read, or is no plain file; a pipe is not waited for.
    """
    handle, size = open_plain(path, follow=True)
    digest = hashlib.sha256()
    with os.fdopen(handle, "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            size -= len(piece)
            if size < 0:
                raise UnreadableError("grows while it is read")
    return digest.hexdigest()


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, flush it to disk and rename it: the old content or the new, never half.
    Its permissions are those that the umask leaves.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"  # tempfile's files are closed to everybody else
    try:
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        name.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            name.unlink()
        raise
