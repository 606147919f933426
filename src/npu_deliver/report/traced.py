"""Values that know where they come from, and texts that know which value they show. Standard library only.

A traced summary is the same summary whose numbers and words carry the JSON pointer (RFC 6901) of their place in
summary.json. While a page is rendered, each value that reaches it is put between marks; without the marks the page is
what a plain rendering gives, and the marks tell for every column which value stands there.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from npu_eval.notation.phrases import Phrase
from npu_eval.process.visible import visible

T = TypeVar("T")

_START, _MIDDLE, _END = "\ue000", "\ue001", "\ue002"
_DIGIT = 0xE100
_MARKED = re.compile(f"{_START}([\ue100-\ue109]+){_MIDDLE}|{_END}")


class TracedFloat(float):
    """A number with its pointer."""

    pointer: str


class TracedInt(int):
    """A whole number with its pointer."""

    pointer: str


class TracedStr(str):
    """Words with their pointer."""

    pointer: str


class TracedDict(dict[str, Any]):
    """An object with its pointer."""

    pointer: str


class TracedTuple(tuple[Any, ...]):
    """An array with its pointer."""

    pointer: str


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A value on a page: its line and columns there, its text, its pointer, and the filter that wrote it."""

    line: int
    start: int
    end: int
    text: str
    pointer: str
    filter: str


def trace(value: T, pointer: str = "") -> T:
    """The same value, of the same types, with pointers."""
    return _trace(value, pointer)  # type: ignore[no-any-return]


def _trace(value: Any, pointer: str) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        copied = object.__new__(type(value))
        for field in dataclasses.fields(value):
            object.__setattr__(copied, field.name, _trace(getattr(value, field.name), f"{pointer}/{field.name}"))
        if isinstance(value, Phrase):  # a page shows it as a whole
            object.__setattr__(copied, "pointer", pointer)
        return copied
    if isinstance(value, (enum.Enum, bool)) or value is None:
        return value
    for plain, traced in ((float, TracedFloat), (int, TracedInt), (str, TracedStr)):
        if isinstance(value, plain):
            return _with_pointer(traced(value), pointer)
    if isinstance(value, dict):
        items = {key: _trace(item, f"{pointer}/{_escaped(key)}") for key, item in value.items()}
        return _with_pointer(TracedDict(items), pointer)
    if isinstance(value, tuple):
        return _with_pointer(TracedTuple(_trace(item, f"{pointer}/{n}") for n, item in enumerate(value)), pointer)
    return value


def _with_pointer(value: Any, pointer: str) -> Any:
    value.pointer = pointer
    return value


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


class Marked(str):
    """A text between marks; a filter that is given one leaves the marks alone."""

    __slots__ = ()

    def visible(self) -> Marked:
        """The text with what is hidden in it spelled out, but for the marks."""
        out, position = "", 0
        for match in _MARKED.finditer(self):
            out += visible(self[position : match.start()]) + match[0]
            position = match.end()
        return Marked(out + visible(self[position:]))


class Marks:
    """The marks of one rendering."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def mark(self, value: Any, text: Any, name: str) -> Any:
        """A text between marks, if it shows a traced value."""
        pointer = getattr(value, "pointer", None)
        if pointer is None or not isinstance(text, (str, int)) or isinstance(text, bool):
            return text
        self.shown.append((pointer, name))
        number = "".join(chr(_DIGIT + int(digit)) for digit in str(len(self.shown) - 1))
        return Marked(f"{_START}{number}{_MIDDLE}{text}{_END}")

    def read(self, marked: str) -> tuple[str, list[Shown]]:
        """(the page without marks, every value on it)."""
        out: list[str] = []
        shown: list[Shown] = []
        for number, line in enumerate(marked.splitlines(keepends=True), start=1):
            plain, found = self._line(line)
            out.append(plain)
            shown += [Shown(number, start, end, plain[start:end], *self.shown[index]) for start, end, index in found]
        return "".join(out), shown

    def _line(self, line: str) -> tuple[str, list[tuple[int, int, int]]]:
        plain, found, opened = "", [], []
        position = 0
        for match in _MARKED.finditer(line):
            plain += line[position : match.start()]
            position = match.end()
            if match[1]:
                opened.append((len(plain), int("".join(str(ord(c) - _DIGIT) for c in match[1]))))
            elif opened:
                start, index = opened.pop()
                found.append((start, len(plain), index))
        return plain + line[position:], found


def numerals(line: str) -> Iterator[re.Match[str]]:
    """The words of a line that hold a digit, as far as they are one number."""
    return re.finditer(r"\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?", line)
