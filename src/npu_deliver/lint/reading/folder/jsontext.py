"""JSON of strangers, read without recursion: each scalar with its path and line, whatever is broken after it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

DEPTH_LIMIT = 64
SCALARS_LIMIT = 50_000
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(-?\d[\d.eE+-]*)|(true|false|null|NaN|-?Infinity)|([{}\[\],:])|//[^\n]*|\n')
"""A comment is read over: configurations have them, and what follows one can be read as well."""


@dataclass(slots=True)
class Scalar:
    """A number, string, true, false or null. ``path`` are the keys and indices that lead to it; ``raw`` its text."""

    path: tuple[str, ...]
    raw: str
    line: int
    text: bool


@dataclass(slots=True)
class Broken:
    """Why a JSON text is none, or not read to its end."""

    line: int
    what: str


def scan(text: str) -> tuple[list[Scalar], Broken | None]:
    """The scalars of a JSON text, as far as it can be read."""
    reader = _Reader()
    position = 0
    for match in _TOKEN.finditer(text):
        if text[position : match.start()].strip():
            reader.broken = "syntax"
        position = match.end()
        if reader.broken or reader.take(match):
            break
    else:
        if reader.kinds or text[position:].strip():
            reader.broken = "syntax"
    return reader.done, Broken(reader.line, reader.broken) if reader.broken else None


class _Reader:
    """Where a scan stands: the open brackets, the path to the next value, and whether a key comes next."""

    def __init__(self) -> None:
        self.done: list[Scalar] = []
        self.path: list[str] = []
        self.kinds: list[str] = []
        self.line = 1
        self.key = False
        self.broken = ""

    def take(self, match: re.Match[str]) -> bool:
        """Take one token; True when the scan ends here."""
        string, number, word, mark = match.groups()
        if match[0] == "\n":
            self.line += 1
        elif mark:
            self._mark(mark)
        elif match[0].startswith("//"):
            pass
        elif self.key and string is not None and self.path:
            self.path[-1] = _string(string)
        elif len(self.done) >= SCALARS_LIMIT:
            self.broken = "size"
        else:
            raw = _string(string) if string is not None else number or word
            self.done.append(Scalar(tuple(self.path), raw, self.line, string is not None))
        self.line += match[0].count("\n") if string is not None else 0
        return bool(self.broken)

    def _mark(self, mark: str) -> None:
        if mark in "{[":
            if len(self.kinds) >= DEPTH_LIMIT:
                self.broken = "depth"
            self.kinds.append(mark)
            self.path.append("0" if mark == "[" else "")
        elif mark in "}]":
            if not self.kinds or {"{": "}", "[": "]"}[self.kinds.pop()] != mark:
                self.broken = "syntax"
                return
            self.path.pop()
        elif mark == "," and self.kinds and self.kinds[-1] == "[":
            self.path[-1] = str(int(self.path[-1]) + 1)
        self.key = mark == "{" or (mark == "," and bool(self.kinds) and self.kinds[-1] == "{")


def _string(raw: str) -> str:
    try:
        return str(json.loads(f'"{raw}"', strict=False))[:2000]
    except ValueError:
        return raw[:2000]
