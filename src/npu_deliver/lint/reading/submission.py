"""What is linted together: the files of one stranger's submission, each parsed once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast

from npu_deliver.errors import ConfigError
from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.files import Budget, Folder, Problem, Raw, read_file, read_folder, walk
from npu_deliver.lint.reading.jsontext import Broken, Scalar, scan
from npu_deliver.lint.reading.label import batches, meaning, side
from npu_deliver.lint.reading.markdown import Line, Structure, parse
from npu_deliver.lint.reading.number import narrow, numbers, with_label_unit
from npu_deliver.lint.reading.quantity import Group, Quantities, Quantity, fitting, quantities

Facts = TypeVar("Facts")


@dataclass(slots=True)
class Document:
    """One file. ``kind`` is report, log, json, python, shell, requirements or other."""

    file: str
    name: str
    kind: str
    structure: Structure
    quantities: Quantities
    scalars: list[Scalar] = field(default_factory=list)
    broken: Broken | None = None
    _facts: dict[Callable[[Document], object], object] = field(default_factory=dict)

    def facts(self, reader: Callable[[Document], Facts]) -> Facts:
        """What a reader finds in this file; read once, however many rules ask."""
        if reader not in self._facts:
            self._facts[reader] = reader(self)
        return cast("Facts", self._facts[reader])

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
        for line in self.lines:
            if line.zone in zones and (match := pattern.search(line.plain)):
                yield line, match

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Whether any line at all, front matter and code too, says something."""
        return any(pattern.search(line.plain) for line in self.lines)


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


def gather(paths: list[Path]) -> Iterator[Submission]:
    """The submissions that some paths hold.

    Raises:
        ConfigError: a path does not exist.
    """
    budget = Budget()
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise ConfigError("there is no such file or folder", where=str(path), fix="name a report or a folder")
        if path.is_dir():
            for folder in submission_folders(path):
                yield from _of_folder(folder, budget)
        else:
            raw, problem = read_file(path, str(path), budget, inside=path.parent)
            documents = [document(raw, path.name)] if raw else []
            yield Submission(root=str(path), documents=documents, names=None, problems=(problem,) if problem else ())


def submission_folders(root: Path) -> list[Path]:
    """A folder with a README is one submission; a folder of such folders, or of loose reports, is many."""
    own = [name.lower() for name in _names(root)]
    if any(re.match(r"readme[\w.-]*$", name) for name in own) or "npu_deliverables" in own or "summary.json" in own:
        return [root]
    inner = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink() and not p.name.startswith("."))
    with_readme = [
        p
        for p in inner
        if any(n.lower().startswith("readme") for n in _names(p))
        or any("/" in name and "readme" in name.lower() for name, _ in walk(p))
    ]
    loose = any(name.endswith((".md", ".markdown")) for name in own)
    if not with_readme:
        return [root]
    return [*with_readme, *([root / "."] if loose else [])]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _of_folder(folder: Path, budget: Budget) -> Iterator[Submission]:
    content = read_folder(folder, budget, str(folder))
    offset = len(str(folder)) + 1
    documents = [document(raw, raw.file[offset:]) for raw in content.raws]
    reports = [d for d in documents if d.kind == "report" and "/" not in d.name]
    has_readme = any(PurePosixPath(d.name).name.lower().startswith("readme") for d in documents if d.kind == "report")
    if not has_readme and len(reports) > 1:
        yield from _loose(content, documents)
        return
    yield Submission(root=str(folder), documents=documents, names=content.names, problems=content.problems)


def _loose(content: Folder, documents: list[Document]) -> Iterator[Submission]:
    """A folder of reports without a README: each report stands alone."""
    for position, found in enumerate(documents):
        problems = content.problems if position == 0 else ()
        yield Submission(root=found.file, documents=[found], names=None, problems=problems)


def document(raw: Raw, name: str) -> Document:
    """A file, parsed as what its name says it is."""
    kind = _kind(name, raw)
    if kind == "json":
        scalars, broken = scan(raw.text)
        lines = [Line(i + 1, text, narrow(text), "json", 0) for i, text in enumerate(raw.lines)]
        structure = Structure(lines=lines)
        structure.sections = parse((), log=True).sections
        return Document(raw.file, name, kind, structure, _json_quantities(raw.file, scalars), scalars, broken)
    structure = parse(raw.lines, log=kind != "report")
    if kind in ("report", "log"):
        return Document(raw.file, name, kind, structure, quantities(raw.file, structure))
    for line in structure.lines:
        line.zone = "code"
    return Document(raw.file, name, kind, structure, Quantities())


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
    if path.suffix == ".txt":
        marked = sum(bool(re.match(r"^#{1,5} |^\||^\s*[-*•] ", line)) for line in raw.lines[:200])
        return "report" if marked >= 2 else "log"
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
        )
        out.all.append(quantity)
        group = groups.setdefault(scalar.path[:-1], Group(context=context, shape="object"))
        group.quantities.append(quantity)
    out.groups = list(groups.values())
    return out
