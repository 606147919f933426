"""The JSON form of frozen dataclasses: what they are written as, and how they are read back, each checked on the way.

A record may hold a million and a half times, so what depends on a type alone is found out once for each type, and a
list of plain floats is looked at as a whole. Standard library only.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any, Self, TypeVar

from npu_eval.errors import RecordError, nearest

T = TypeVar("T")

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


# --- writing ---------------------------------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """The JSON value of a dataclass, enum, mapping, sequence or scalar.

    Raises:
        RecordError: a float is NaN or infinite, or the type has no JSON form.
    """
    plain = _plain(value)
    if isinstance(plain, dict):
        return {to_json(key): to_json(item) for key, item in plain.items()}
    if isinstance(plain, (list, tuple)):
        return list(plain) if _plain_floats(plain) else [to_json(item) for item in plain]
    return plain


def dumps(value: Any) -> str:
    """Readable JSON text with a final newline; the same text for the same value.

    Raises:
        RecordError: as `to_json`.
    """
    pieces: list[str] = []
    _write(value, "\n", pieces.append)
    pieces.append("\n")
    return "".join(pieces)


def _write(value: Any, line: str, put: Callable[[str], None]) -> None:
    """The text of a value, in the layout of ``json.dumps(…, indent=2)``; ``line`` starts a line at its depth."""
    plain = _plain(value)
    if not isinstance(plain, (dict, list, tuple)):
        put(_scalar_text(plain))
    elif not plain:
        put("{}" if isinstance(plain, dict) else "[]")
    elif isinstance(plain, dict):
        start = f"{{{line}  "
        for key, item in plain.items():
            put(f"{start}{encode_basestring(to_json(key))}: ")
            _write(item, f"{line}  ", put)
            start = f",{line}  "
        put(f"{line}}}")
    elif _plain_floats(plain):
        put(f"[{line}  {f',{line}  '.join(map(float.__repr__, plain))}{line}]")
    else:
        start = f"[{line}  "
        for item in plain:
            put(start)
            _write(item, f"{line}  ", put)
            start = f",{line}  "
        put(f"{line}]")


def _scalar_text(plain: Any) -> str:
    if isinstance(plain, str):
        return encode_basestring(plain)
    if plain is None or isinstance(plain, bool):
        return {None: "null", True: "true", False: "false"}[plain]
    return float.__repr__(plain) if isinstance(plain, float) else int.__repr__(plain)


def _plain_floats(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether these are finite floats and nothing else."""
    return set(map(type, values)) == {float} and all(map(math.isfinite, values))


def _plain(value: Any) -> Any:
    """A value as a dict, list, tuple or scalar of JSON; what is inside of it stays as it is."""
    kind: Any = type(value)
    form = _form(kind)
    if form is _Form.TEXTUAL:
        text = value.as_text()
        return _plain(_stored(value) if text is None else text)
    if form is _Form.DATACLASS:
        return _stored(value)
    if form is _Form.ENUM:
        return _plain(value.value)
    if form is _Form.MAPPING:
        return {str(key): item for key, item in value.items()}
    if form is _Form.FLOAT and not math.isfinite(value):
        raise RecordError(f"{value} cannot be stored: JSON has no such number")
    if form is _Form.TEXT:
        _refuse_surrogates(value)
    if form is _Form.OTHER:
        raise RecordError(f"a {type(value).__name__} cannot be stored as JSON")
    return value


class _Form(enum.Enum):
    """What the values of a type are stored as."""

    TEXTUAL = enum.auto()
    DATACLASS = enum.auto()
    ENUM = enum.auto()
    MAPPING = enum.auto()
    FLOAT = enum.auto()
    TEXT = enum.auto()
    AS_IT_IS = enum.auto()
    OTHER = enum.auto()


@functools.cache
def _form(kind: type) -> _Form:
    forms: tuple[tuple[type | tuple[type, ...], _Form], ...] = (
        (enum.Enum, _Form.ENUM), (Mapping, _Form.MAPPING), (float, _Form.FLOAT), (str, _Form.TEXT),
        ((list, tuple, int, type(None)), _Form.AS_IT_IS),
    )  # fmt: skip
    if issubclass(kind, Textual):
        return _Form.TEXTUAL
    if dataclasses.is_dataclass(kind):
        return _Form.DATACLASS
    return next((form for base, form in forms if issubclass(kind, base)), _Form.OTHER)


def _stored(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    found = {}
    for name, always in _stored_fields(kind):
        item = getattr(value, name)
        if always or item:
            found[name] = item
    return found


@functools.cache
def _stored_fields(kind: Any) -> tuple[tuple[str, bool], ...]:
    """(name, whether it is also stored where it is empty) of each field."""
    return tuple((f.name, f.metadata != ABSENT_BY_DEFAULT) for f in dataclasses.fields(kind))


# --- reading ---------------------------------------------------------------------------------------------------------


class _WrongError(Exception):
    """A value that is not what a type stores; ``path`` grows on the way out to where it was found."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.fix, self.path = what, fix, ""

    def inside(self, place: str) -> None:
        self.path = place + self.path


_Reader = Callable[[Any], Any]


def from_json(cls: type[T], value: Any, where: str = "") -> T:
    """An instance of ``cls`` from its JSON value; the inverse of :func:`to_json`.

    Args:
        cls: a dataclass whose annotations are scalars, enums, ``X | None``, ``bool | str``, ``tuple[X, ...]``,
            ``dict[str, X]`` or dataclasses.
        where: the path of ``value`` in its document, for messages.

    Raises:
        RecordError: a key is unknown or missing, or a value has another type.
    """
    try:
        return typing.cast("T", _reader(typing.cast("Any", cls))(value))
    except _WrongError as wrong:
        place = where + wrong.path if where else wrong.path.removeprefix(".")
        raise RecordError(wrong.what, where=place, fix=wrong.fix) from wrong.__cause__


@functools.cache
def _reader(kind: Any) -> _Reader:
    """What reads the values of a type; made once for each."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union_reader(kind)
    if origin is tuple:
        return _floats if typing.get_args(kind)[0] is float else _list_reader(_reader(typing.get_args(kind)[0]))
    if origin is dict:
        return _object_reader(_reader(typing.get_args(kind)[1]))
    if isinstance(kind, type) and issubclass(kind, Textual):
        return _textual_reader(kind, _dataclass_reader(kind))
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum_reader(kind)
    return _scalar_reader(kind)


def _list_reader(read: _Reader) -> _Reader:
    def read_list(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _mismatch("a list", value)
        found: list[Any] = []
        try:
            found.extend(map(read, value))  # keeps what was read before one is refused
        except _WrongError as wrong:
            wrong.inside(f"[{len(found)}]")
            raise
        return tuple(found)

    return read_list


def _floats(value: Any) -> tuple[float, ...]:
    if isinstance(value, list) and _plain_floats(value):
        return tuple(value)
    return typing.cast("tuple[float, ...]", _list_reader(_float)(value))


def _object_reader(read: _Reader) -> _Reader:
    def read_object(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch("an object", value)
        found = {}
        for key, item in value.items():
            _text(key)
            try:
                found[key] = read(item)
            except _WrongError as wrong:
                wrong.inside(f".{key}")
                raise
        return found

    return read_object


def _textual_reader(kind: type[Textual], as_object: _Reader) -> _Reader:
    return lambda value: kind.from_text(_text(value)) if isinstance(value, str) else as_object(value)


def _enum_reader(kind: type[enum.Enum]) -> _Reader:
    def read_member(value: Any) -> enum.Enum:
        try:
            return kind(value)
        except ValueError as error:
            raise _mismatch("one of " + ", ".join(str(m.value) for m in kind), value) from error

    return read_member


def _union_reader(kind: Any) -> _Reader:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    absent = len(options) < len(typing.get_args(kind))
    read: _Reader
    if set(options) == {bool, str}:
        read = _flag_or_text
    elif len(options) == 1:
        read = _reader(options[0])
    else:
        raise TypeError(f"a stored union may only be 'X | None' or 'bool | str', not {kind}")

    def read_union(value: Any) -> Any:
        if value is None:
            if absent:
                return None
            raise _mismatch("a value", value)
        return read(value)

    return read_union


def _flag_or_text(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise _mismatch("true, false or text", value)
    return _text(value)


def _float(value: Any) -> float:
    kind = type(value)
    if kind is float and math.isfinite(value):
        return typing.cast("float", value)
    if kind is int:
        try:
            return float(value)
        except OverflowError as error:  # a whole number beyond every float
            raise _mismatch("a finite number", value) from error
    raise _mismatch("a finite number" if kind is float else "a number", value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _mismatch("text", value)
    try:
        _refuse_surrogates(value)
    except RecordError as error:
        raise _WrongError(error.what, error.fix) from error
    return value


def _scalar_reader(kind: Any) -> _Reader:
    if kind is float:
        return _float
    if kind is str:
        return _text
    wanted = {int: "a whole number", bool: "true or false"}.get(kind, str(kind))

    def read_scalar(value: Any) -> Any:
        if type(value) is not kind:
            raise _mismatch(wanted, value)
        return value

    return read_scalar


@functools.cache
def _fields(kind: Any) -> tuple[dict[str, _Reader], tuple[str, ...]]:
    """(name → what reads it, names that may not be absent) of a dataclass's fields."""
    hints, missing = typing.get_type_hints(kind), dataclasses.MISSING
    fields = dataclasses.fields(kind)
    needed = tuple(f.name for f in fields if f.default is missing and f.default_factory is missing)
    return {f.name: _reader(hints[f.name]) for f in fields}, needed


def _dataclass_reader(kind: Any) -> _Reader:
    def read_dataclass(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _mismatch("an object", value)
        readers, needed = _fields(kind)  # only now: a dataclass may hold some of its own kind
        _check_keys(value, readers, needed)
        content = {}
        for key, item in value.items():
            try:
                content[key] = readers[key](item)
            except _WrongError as wrong:
                wrong.inside(f".{key}")
                raise
        try:
            return kind(**content)
        except RecordError as error:  # what a dataclass itself refuses knows no place
            if error.where:
                raise
            raise _WrongError(error.what, error.fix) from error

    return read_dataclass


def _check_keys(value: dict[str, Any], readers: dict[str, _Reader], needed: tuple[str, ...]) -> None:
    for key in value:
        if key not in readers:
            raise _WrongError(f"unknown key '{key}'", nearest(key, readers))
    for name in needed:
        if name not in value:
            raise _WrongError(f"key '{name}' is missing")


def _mismatch(wanted: str, value: Any) -> _WrongError:
    return _WrongError(f"{wanted} was expected, found {json.dumps(value, ensure_ascii=False)[:60]}")


def _refuse_surrogates(text: str) -> None:
    """Half characters, e.g. of a file name that is not UTF-8, have no bytes that a file could hold."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(f"{text!a} is not text in UTF-8", fix="rename the file") from error
