"""What is linted together: the files of one stranger's submission, each parsed once."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast

from npu_deliver.errors import ConfigError
from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.files import Budget, Problem, Raw, read_file, read_files, walk
from npu_deliver.lint.reading.folder.jsontext import Broken, Scalar, scan
from npu_deliver.lint.reading.folder.tree import Lot, lots
from npu_deliver.lint.reading.markup.markdown import Line, Structure, parse
from npu_deliver.lint.reading.quantities.in_text import quantities
from npu_deliver.lint.reading.quantities.quantity import Group, Quantities, Quantity, fitting
from npu_deliver.lint.reading.words.label import batches, meaning, side
from npu_deliver.lint.reading.words.number import narrow, numbers, with_label_unit
from npu_deliver.lint.reading.words.settings import settings

Facts = TypeVar("Facts")

ZONES = ("text", "table", "log", "code", "front", "comment", "blank", "json")
"""Every zone of a line."""


@dataclass
class Document:
    """One file. ``kind`` is report, log, json, python, shell, requirements or other.

    What is in it is found when it is asked for: of most files of a checkout nothing ever is.
    """

    file: str
    name: str
    kind: str
    raw: Raw

    def facts(self, reader: Callable[[Document], Facts]) -> Facts:
        """What a reader finds in this file; read once, however many rules ask."""
        if reader not in self._facts:
            self._facts[reader] = reader(self)
        return cast("Facts", self._facts[reader])

    @cached_property
    def _facts(self) -> dict[Callable[[Document], object], object]:
        return {}

    @cached_property
    def structure(self) -> Structure:
        """Headings, tables, pairs and lines."""
        if self.kind in ("report", "log"):
            return parse(self.raw.lines, log=self.kind == "log", plain=self.plain)
        zone = "json" if self.kind == "json" else "code"
        plain = self.plain.split("\n") if self.raw.lines else []
        lines = [Line(i + 1, text, plain[i], zone, 0) for i, text in enumerate(self.raw.lines)]
        return Structure(lines=lines, sections=parse((), log=True).sections)

    @cached_property
    def quantities(self) -> Quantities:
        """Its numbers with what they are; none in code."""
        if self.kind == "json":
            return _json_quantities(self.file, self.scalars)
        return quantities(self.file, self.structure) if self.kind in ("report", "log") else Quantities()

    @cached_property
    def _json(self) -> tuple[list[Scalar], Broken | None]:
        return scan(self.raw.text) if self.kind == "json" else ([], None)

    @property
    def scalars(self) -> list[Scalar]:
        """The values of a JSON file."""
        return self._json[0]

    @property
    def broken(self) -> Broken | None:
        """Where a JSON file cannot be read any further."""
        return self._json[1]

    @cached_property
    def plain(self) -> str:
        """The whole text with ASCII forms, line by line as in ``lines``."""
        return narrow("\n".join(self.raw.lines))

    def batches_of(self, section: int) -> tuple[int, ...]:
        """The batch sizes that the words of a section name, outside its tables."""
        return self.facts(_batches_by_section).get(section, ())

    @property
    def lines(self) -> list[Line]:
        """The file's lines."""
        return self.structure.lines

    def span(self, line: int) -> Span:
        """A line as evidence."""
        return Span(self.file, line, self.lines[line - 1].text.strip() if 0 < line <= len(self.lines) else "")

    def heading(self, line: int) -> Span:
        """The heading above a line: where something that is missing from a section is reported."""
        section = self.structure.sections[self.lines[line - 1].section] if 0 < line <= len(self.lines) else None
        return self.span(section.line if section else 1)

    def search(
        self, pattern: re.Pattern[str], zones: tuple[str, ...] = ("text", "table", "log")
    ) -> Iterator[tuple[Line, re.Match[str]]]:
        """The lines of some zones in which a pattern is found."""
        if not self.may_say(pattern):
            return
        for line in self.lines:
            if line.zone in zones and (match := pattern.search(line.plain)):
                yield line, match

    @cached_property
    def _small(self) -> str:
        return self.plain.lower()

    def may_say(self, pattern: re.Pattern[str]) -> bool:
        """Whether a line may say something; False is certain."""
        screen, small = _screen(pattern)
        return bool(screen.search(self._small if small else self.plain))

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Whether any line at all, front matter and code too, says something."""
        return self.facts(_said).says(pattern, self)


class _Said:
    """What was already asked of a file, with the answers."""

    def __init__(self) -> None:
        self.answers: dict[re.Pattern[str], bool] = {}

    def says(self, pattern: re.Pattern[str], document: Document) -> bool:
        if pattern not in self.answers:
            said = document.may_say(pattern) and any(pattern.search(line.plain) for line in document.lines)
            self.answers[pattern] = said
        return self.answers[pattern]


def _said(_: Document) -> _Said:
    return _Said()


_ONCE = re.compile(r"\\.|\(\?P<\w+>|\(\?P=\w+\)|[A-Z]+")


@functools.cache
def _screen(pattern: re.Pattern[str]) -> tuple[re.Pattern[str], bool]:
    """A pattern for lines, for a whole text: what it does not find there is in no line; and whether in small letters.

    It may find what spans two lines, so a hit proves nothing. A pattern that looks behind a line's end (``$``, or a
    negative look-ahead over white space) has to be written so that the next line cannot take its match away. One that
    ignores case is searched in small letters instead, which is several times as fast.
    """
    if not pattern.flags & re.IGNORECASE:
        return re.compile(pattern.pattern, pattern.flags | re.MULTILINE), False
    small = _ONCE.sub(lambda m: m[0].lower() if m[0].isalpha() else m[0], pattern.pattern)
    return re.compile(small, (pattern.flags | re.MULTILINE) & ~re.IGNORECASE), True


def _batches_by_section(document: Document) -> dict[int, tuple[int, ...]]:
    words: dict[int, list[str]] = defaultdict(list)
    for line in document.lines:
        if line.zone != "table":
            words[line.section].append(line.plain)
    return {section: batches("\n".join(lines)) for section, lines in words.items()}


@dataclass(slots=True)
class Submission:
    """Files that belong together. ``names`` are all files of the folder relative; None for a lone file."""

    root: str
    documents: list[Document]
    names: frozenset[str] | None
    problems: tuple[Problem, ...] = ()

    @property
    def reports(self) -> list[Document]:
        """The pages written for people, the README first."""
        found = [d for d in self.documents if d.kind == "report"]
        return sorted(found, key=lambda d: (not d.name.lower().startswith("readme"), d.name.count("/"), d.name))

    @property
    def main(self) -> Document | None:
        """The README, or the only report."""
        return next(iter(self.reports), None)

    @property
    def texts(self) -> list[Document]:
        """Reports and logs."""
        return [d for d in self.documents if d.kind in ("report", "log")]

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Whether any report or log says something."""
        return any(d.says(pattern) for d in self.texts)


@dataclass(frozen=True, slots=True)
class Planned:
    """A submission that can be read: a lot of a folder, or a file that stands alone."""

    path: Path
    lot: Lot | None

    def read(self) -> Submission:
        """The submission."""
        if self.lot is not None:
            return _of_lot(self.path, self.lot)
        raw, problem = read_file(self.path, str(self.path), Budget(), inside=self.path.parent)
        documents = [document(raw, self.path.name)] if raw else []
        problems = (problem,) if problem else ()
        return Submission(root=str(self.path), documents=documents, names=None, problems=problems)


def planned(paths: list[Path]) -> list[Planned]:
    """The submissions that some paths hold, by their names alone.

    Raises:
        ConfigError: a path does not exist.
    """
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise ConfigError("there is no such file or folder", where=str(path), fix="name a report or a folder")
    out: list[Planned] = []
    for path in paths:
        out += [Planned(path, lot) for lot in lots(walk(path))] if path.is_dir() else [Planned(path, None)]
    return out


def _of_lot(tree: Path, lot: Lot) -> Submission:
    raws, problems = read_files(tree, lot.files, str(tree))
    offset = len(str(tree)) + 1 + (len(lot.root) + 1 if lot.root else 0)
    documents = [document(raw, raw.file[offset:]) for raw in raws]
    if lot.alone:
        return Submission(root=str(tree / lot.files[0]), documents=documents, names=None, problems=problems)
    return Submission(root=str(tree / lot.root), documents=documents, names=lot.names, problems=problems)


def document(raw: Raw, name: str) -> Document:
    """A file, as what its name says it is."""
    return Document(raw.file, name, _kind(name, raw), raw)


_MARKED = re.compile(r"#{1,5} \S|\s*[-*•] \S")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*\|[\s|:-]*$")


def _is_written(raw: Raw) -> bool:
    """Whether a text file is a page: it has a table, or headings and bullets in many of its first lines."""
    first = [line for line in raw.lines[:200] if line.strip()]
    marked = sum(bool(_MARKED.match(line)) for line in first)
    return any(map(_RULE.match, first)) or (marked >= 2 and marked * 10 >= len(first) and raw.lines[0].startswith("#"))


def _kind(name: str, raw: Raw) -> str:
    path = PurePosixPath(name.lower())
    if re.match(r"(?:requirements|constraints)[\w.-]*\.txt$", path.name):
        return "requirements"
    by_suffix = {
        ".md": "report",
        ".markdown": "report",
        ".rst": "report",
        ".log": "log",
        ".json": "json",
        ".py": "python",
        ".sh": "shell",
        "": "other",
    }
    if path.name == "cmakelists.txt":
        return "other"
    if path.suffix == ".txt" and not path.name.startswith("readme"):
        return "report" if _is_written(raw) else "log"
    if path.name.startswith("readme"):
        return "report"
    return by_suffix.get(path.suffix, "other")


def _json_quantities(file: str, scalars: list[Scalar]) -> Quantities:
    out = Quantities()
    groups: dict[tuple[str, ...], Group] = {}
    for scalar in scalars:
        if scalar.text or not scalar.path or scalar.path[-1].isdigit():
            continue
        found = list(numbers(scalar.raw))
        if len(found) != 1:
            continue
        label = scalar.path[-1].replace("_", " ")
        number = with_label_unit(found[0], scalar.path[-1])
        what = fitting(meaning(scalar.path[-1]) or meaning(label), number, scalar.path[-1])
        if what is None:
            continue
        context = " ".join(scalar.path).replace("_", " ")
        quantity = Quantity(
            what.kind,
            what.stat,
            side(context),
            number,
            Span(file, scalar.line, f'"{scalar.path[-1]}": {scalar.raw}'),
            scalar.path[-1],
            context,
            0,
            settings=settings(context),
            named=label,
        )
        out.all.append(quantity)
        group = groups.setdefault(scalar.path[:-1], Group(context=context, shape="object"))
        group.quantities.append(quantity)
    out.groups = list(groups.values())
    return out
