"""JSON for frozen dataclasses: strict in both directions, written so that a kill never leaves half a file.

Only the standard library, because records are read where nothing else is installed. Reading refuses unknown keys,
missing keys, wrong types, NaN and infinity, and names the place as a path (``data.runs[2].samples_s``).
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import enum
import functools
import hashlib
import json
import math
import os
import secrets
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from npu_eval.errors import RecordError, nearest
from npu_eval.limits import MAX_NESTING, MAX_VALUES, UnreadableError, open_plain

T = TypeVar("T")

_PIECE_BYTES = 2**20

TEMPORARY_PREFIX = ".partial-"
"""Names of files that are being written start with this; whoever finds one may delete it."""


ABSENT_BY_DEFAULT: Mapping[str, bool] = types.MappingProxyType({"absent by default": True})
"""Metadata of a dataclass's field that is written only where it is not empty: what a later version added for some
records leaves the text and the hash of all others as they were."""


class Textual(abc.ABC):
    """A dataclass that is stored as plain text where text says all of it."""

    @abc.abstractmethod
    def as_text(self) -> str | None:
        """The text; None where it takes an object."""

    @classmethod
    @abc.abstractmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `as_text`."""


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


def to_json(value: Any) -> Any:
    """The JSON value of a dataclass, enum, mapping, sequence or scalar.

    Raises:
        RecordError: a float is NaN or infinite, or the type has no JSON form.
    """
    if isinstance(value, Textual) and (text := value.as_text()) is not None:
        return to_json(text)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_json(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) or f.metadata != ABSENT_BY_DEFAULT
        }
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {to_json(str(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"{value} cannot be stored: JSON has no such number")
    if isinstance(value, str):
        _refuse_surrogates(value, "")
        return value
    if value is None or isinstance(value, (int, float)):
        return value
    raise RecordError(f"a {type(value).__name__} cannot be stored as JSON")


def from_json(cls: type[T], value: Any, where: str = "") -> T:
    """An instance of ``cls`` from its JSON value; the inverse of :func:`to_json`.

    Args:
        cls: a dataclass whose annotations are scalars, enums, ``X | None``, ``bool | str``, ``tuple[X, ...]``,
            ``dict[str, X]`` or dataclasses.
        where: the path of ``value`` in its document, for messages.

    Raises:
        RecordError: a key is unknown or missing, or a value has another type.
    """
    return typing.cast("T", _read(cls, value, where))


def dumps(value: Any) -> str:
    """Readable JSON text with a final newline; the same text for the same value."""
    return json.dumps(to_json(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


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


def _refuse_depth(value: Any, where: str) -> None:
    """What is read by functions that call themselves may not be deeper than Python's stack."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_NESTING):
        inside = (item for each in level for item in (each.values() if isinstance(each, dict) else each))
        level = [item for item in inside if isinstance(item, (dict, list))]
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


def _read(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mismatch("a list", value, where)
        (item, _) = typing.get_args(kind)
        return tuple(_read(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch("an object", value, where)
        item = typing.get_args(kind)[1]
        return {_read(str, k, where): _read(item, v, _join(where, k)) for k, v in value.items()}
    if isinstance(value, str) and isinstance(kind, type) and issubclass(kind, Textual):
        return kind.from_text(_read_scalar(str, value, where))
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise _mismatch("one of " + ", ".join(str(m.value) for m in kind), value, where) from error
    return _read_scalar(kind, value, where)


def _read_union(kind: Any, value: Any, where: str) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if value is None:
        if len(options) == len(typing.get_args(kind)):
            raise _mismatch("a value", value, where)
        return None
    if set(options) == {bool, str}:
        if not isinstance(value, (bool, str)):
            raise _mismatch("true, false or text", value, where)
        return _read_scalar(type(value), value, where)
    if len(options) != 1:
        raise TypeError(f"{where}: a stored union may only be 'X | None' or 'bool | str', not {kind}")
    return _read(options[0], value, where)


def _read_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond every float
            if math.isfinite(value):
                return float(value)
        raise _mismatch("a finite number", value, where)
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    if type(value) is not kind:
        raise _mismatch(names.get(kind, str(kind)), value, where)
    if kind is str:
        _refuse_surrogates(value, where)
    return value


def _refuse_surrogates(text: str, where: str) -> None:
    """Half characters, e.g. of a file name that is not UTF-8, have no bytes that a file could hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(f"{text!a} is not text in UTF-8", where=where, fix="rename the file") from error


@functools.cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Name → (type, may be absent) of a dataclass."""
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return {
        f.name: (hints[f.name], f.default is not missing or f.default_factory is not missing)
        for f in dataclasses.fields(kind)
    }


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch("an object", value, where)
    fields = _fields(kind)
    for key in value:
        if key not in fields:
            raise RecordError(f"unknown key '{key}'", where=where, fix=nearest(key, fields))
    absent = [name for name, (_, optional) in fields.items() if not optional and name not in value]
    if absent:
        raise RecordError(f"key '{absent[0]}' is missing", where=where)
    content = {k: _read(fields[k][0], v, _join(where, k)) for k, v in value.items()}
    try:
        return kind(**content)
    except RecordError as error:  # what a dataclass itself refuses knows no place
        raise RecordError(error.what, where=error.where or where, fix=error.fix) from error


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _mismatch(wanted: str, value: Any, where: str) -> RecordError:
    return RecordError(f"{wanted} was expected, found {json.dumps(value, ensure_ascii=False)[:60]}", where=where)
