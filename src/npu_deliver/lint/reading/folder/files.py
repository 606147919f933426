"""Files of strangers, read within limits: never executed, no link followed out of the folder, no size trusted."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_eval.process.visible import visible_line

FILE_LIMIT_BYTES = 512 * 1024
"""The longest public report is below 200 kB; more than twice that is read, the rest is cut and said so."""
WRITTEN_LIMIT_BYTES = 768 * 1024
"""Of all pages, logs and results of one submission: a MiB of sentences full of numbers takes eight seconds to read."""
CODE_LIMIT_BYTES = 2 * 1024 * 1024
"""Of all its code and settings, in which no numbers are held against each other."""
FILES_LIMIT = 4000
"""Of one submission; a checkout of many is read whole, one submission after the other."""
DEPTH_LIMIT = 24
WALK_LIMIT = 200_000
"""Files of a tree that are looked at; the largest public model zoo has 85,000."""
LINE_LIMIT = 4000
"""Longer lines are machine output; people read none, and pattern matching stays linear in this."""
LINES_LIMIT = 20_000
"""Of all pages, logs and results of one submission, and of all its code: a line takes a quarter of a millisecond."""
_GAP = " " * 80
_WIDE = re.compile(rf"\s{{{len(_GAP)},}}")
"""A wider gap between words says no more, and patterns that begin with any space would go over it once for each."""
TEXT_SUFFIXES = {
    ".md",
    ".markdown",
    ".txt",
    ".log",
    ".json",
    ".py",
    ".sh",
    ".yaml",
    ".yml",
    ".cfg",
    ".toml",
    ".rst",
    ".csv",
    "",
}
_PAGES = {".md", ".markdown", ".rst"}
_READ_BY_PEOPLE = {".md", ".markdown", ".txt", ".log", ".json", ".rst"}
_SKIPPED = {".git", "__pycache__", "node_modules", ".venv", "venv", ".mypy_cache", ".pytest_cache"}

_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters but tab, line ends, form feed, escape and backspace, which logs hold."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a file was not read, or not whole. ``what`` is a key of the reader's rule."""

    file: str
    what: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One file's text; ``lines`` without line ends, cut to the limits."""

    file: str
    lines: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What a folder holds. ``names`` are all its files, read or not, by their path relative to it."""

    root: str
    names: frozenset[str]
    raws: tuple[Raw, ...]
    problems: tuple[Problem, ...]


class Budget:
    """How much may still be read of one submission: of what people read, and of the rest."""

    def __init__(self) -> None:
        self.bytes = {True: WRITTEN_LIMIT_BYTES, False: CODE_LIMIT_BYTES}
        self.lines = dict.fromkeys((True, False), LINES_LIMIT)
        self.files = FILES_LIMIT

    def take(self, size: int, *, written: bool) -> int:
        """How many of so many bytes may be read; they are spent."""
        if self.files <= 0 or not self.lines[written]:
            return 0
        self.files -= 1
        granted = max(0, min(size, FILE_LIMIT_BYTES, self.bytes[written]))
        self.bytes[written] -= granted
        return granted

    def spend(self, lines: int, *, written: bool) -> None:
        """So many lines were read."""
        self.lines[written] -= lines


def walk(root: Path) -> Iterator[str]:
    """Relative names of the files below a folder, in order; links are named, never followed."""
    count, prefix = 0, len(str(root)) + 1
    for folder, folders, files in os.walk(root, followlinks=False):
        inside = folder[prefix:]
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not Path(folder, name).is_symlink())
        if inside.count("/") + bool(inside) >= DEPTH_LIMIT:
            folders[:] = []
        for name in sorted(files):
            count += 1
            if count > WALK_LIMIT:
                return
            yield f"{inside}/{name}" if inside else name


def read_files(root: Path, names: Iterable[str], shown: str) -> tuple[tuple[Raw, ...], tuple[Problem, ...]]:
    """What is readable of some files of one submission, and what stood in the way; ``shown`` is the root as named."""
    names, budget = list(names), Budget()
    raws: dict[str, Raw] = {}
    problems: dict[str, Problem] = {}
    beyond: list[str] = []
    for name in sorted(names, key=_rank):
        path, label = root / name, f"{shown}/{name}" if shown else name
        suffix = path.suffix.lower()
        if suffix == ".zip":
            problems[name] = _zip_problem(path, label)
        elif suffix in TEXT_SUFFIXES:
            raw, problem = read_file(path, label, budget, inside=root)
            raws |= {name: raw} if raw else {}
            if problem and problem.what == "budget":
                beyond.append(label)
            elif problem and problem.what == "encoding" and suffix not in _READ_BY_PEOPLE:
                continue  # somebody's code in GBK: it was read, and no reader of the report sees it
            elif problem:
                problems[name] = problem
    told = [problems[name] for name in names if name in problems]
    if beyond:
        told.append(Problem(file=beyond[0], what="budget", detail=f"{len(beyond)} files from here on"))
    return tuple(raws[name] for name in names if name in raws), tuple(told)


def _rank(name: str) -> int:
    """Pages before logs and results, where not everything can be read."""
    path = Path(name.lower())
    return 0 if path.name.startswith("readme") else 1 if path.suffix in _PAGES else 2


def read_folder(root: Path, shown: str) -> Folder:
    """Everything readable below a folder."""
    names = list(walk(root))
    raws, problems = read_files(root, names, shown)
    return Folder(root=shown, names=frozenset(names), raws=raws, problems=problems)


def read_file(path: Path, label: str, budget: Budget, *, inside: Path | None) -> tuple[Raw | None, Problem | None]:
    """One file's text and what stood in the way of reading it; a link is read only if it stays inside."""
    written = path.suffix.lower() in _READ_BY_PEOPLE
    try:
        if path.is_symlink() and (inside is None or not path.resolve().is_relative_to(inside.resolve())):
            return None, Problem(file=label, what="link", detail="link")
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            return None, Problem(file=label, what="special", detail="special file")
        granted = budget.take(kind.st_size, written=written)
        if kind.st_size and not granted:
            return None, Problem(file=label, what="budget", detail=f"{kind.st_size} bytes")
        with path.open("rb") as stream:
            data = stream.read(granted)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError before Python 3.13
        return None, Problem(file=label, what="unreadable", detail=type(error).__name__)
    raw, problem = decode(data, label, cut=kind.st_size > granted, most=budget.lines[written])
    budget.spend(len(raw.lines) if raw else 0, written=written)
    return raw, problem


def decode(data: bytes, label: str, *, cut: bool = False, most: int = LINES_LIMIT) -> tuple[Raw | None, Problem | None]:
    """Bytes as text: UTF-8, UTF-16 with its mark, or GB 18030; anything else is read with replacement, and said so.

    Args:
        cut: whether these are only the first bytes of the file.
        most: how many of its lines are kept.
    """
    problem: Problem | None = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data[:65536]:
        return None, Problem(file=label, what="binary", detail="NUL bytes")
    else:
        text, problem = _decode_bytes(data, label)
        if len(_CONTROL.findall(text, 0, 4096)) > len(text[:4096]) // 20:
            return None, Problem(file=label, what="binary", detail="control characters")
    lines = text.splitlines()
    if cut or len(lines) > most:
        problem = Problem(file=label, what="cut", detail=f"{len(data)} bytes, {min(len(lines), most)} lines")
    kept = tuple(_WIDE.sub(_GAP, line[:LINE_LIMIT]) for line in lines[:most])
    return Raw(file=label, lines=kept, text=text), problem


def _decode_bytes(data: bytes, label: str) -> tuple[str, Problem | None]:
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3:  # cut in the middle of a character
            return data[: error.start].decode("utf-8-sig"), None
    try:
        return data.decode("gb18030"), Problem(file=label, what="encoding", detail="GB 18030")
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", errors="replace"), Problem(file=label, what="encoding", detail="broken UTF-8")


def _zip_problem(path: Path, label: str) -> Problem:
    """A zip is named with what its directory says; nothing in it is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            return Problem(file=label, what="zip", detail=f"{len(archive.infolist())} entries")
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return Problem(file=label, what="zip", detail="not a readable zip")


def shown_text(text: str, limit: int = 160) -> str:
    """A stranger's text, fit for a terminal: control, escape and direction characters are spelled out."""
    return visible_line(text[:limit].replace("\t", " ")) + ("…" if len(text) > limit else "")
