"""Bind every numeral of a deliverable's documents to where it comes from, and list those that come from nowhere.

Statistics and verdicts are derived again from the raw records, each page is rendered again from them, and the two are
compared character by character. A numeral of a page is then either a value of summary.json, with its JSON pointer, its
unit filter and the record behind it, or a word of the page's template; on a line that differs it is unbound. What
`verify` finds is part of it. Loads the template engine, but no framework.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from npu_deliver.errors import ConfigError, RecordError
from npu_deliver.experiments.registry import KINDS, read_record
from npu_deliver.report import render
from npu_deliver.report.traced import Shown, numerals
from npu_deliver.review import verify
from npu_deliver.review.matching import matched
from npu_deliver.review.otherwise import Finding, Otherwise, Report
from npu_deliver.review.second_look.holding import differences
from npu_deliver.summary import Summary, summary_sha256
from npu_deliver.words import LANGUAGES
from npu_eval import limits
from npu_eval.asked.layout import LEDGER, SUMMARY
from npu_eval.asked.spec import SpecFile, read_spec_file
from npu_eval.jsonio import dumps
from npu_eval.limits import MAX_RECORD_BYTES, read_text
from npu_eval.records.log import log_text
from npu_eval.records.record import Record

"""Parts of the summary that come from one experiment's record, which has the part's name."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One numeral of a page and its source. ``rounding`` is the unit filter that wrote it, empty for template words."""

    file: str
    line: int
    numeral: str
    pointer: str
    record: str
    rounding: str


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many numerals a document has, and how many come from records, from fixed words, and from nowhere."""

    file: str
    numerals: int
    from_records: int
    from_template: int
    unbound: tuple[tuple[int, str], ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit came to. ``unbound`` numerals of a folder of another version may stand in its own templates."""

    findings: tuple[Finding, ...]
    documents: tuple[Tally, ...]
    bindings: tuple[Binding, ...]
    other: Otherwise

    @property
    def unbound(self) -> int:
        """How many numerals come from nowhere."""
        return sum(len(document.unbound) for document in self.documents)

    @property
    def named(self) -> frozenset[str]:
        """Every file with which something is not as this version would have it."""
        changed = {SUMMARY} if self.other.changed else set()
        other = self.other
        return frozenset({each.file for each in (*self.findings, *other.written, *other.unchecked)} | changed)

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts anything and every numeral has a source."""
        return not self.findings and not self.unbound and self.other.same


def audit(folder: Path) -> Audit:
    """Audit a deliverable; every contradiction and every unbound numeral is found, not only the first."""
    report = verify.verify(folder)
    if limits.look(folder):  # nothing of it is read
        return Audit(findings=report.findings, documents=(), bindings=(), other=report.other)
    documents: list[Tally] = []
    bindings: list[Binding] = []
    other = report.other
    if report.summary is not None:
        for file, (text, shown) in _rendered(folder, report.summary).items():
            tally, bound = _page(folder, file, text, shown, report)
            documents.append(tally)
            bindings += bound
            if not other.told.ours and all(each.file != file for each in (*report.findings, *report.other.written)):
                other = replace(other, unchecked=(*other.unchecked, *_written_otherwise(folder, file, text)))
        ours = other.told.ours
        documents += [_derived(folder, file, text, ours=ours) for file, text in _regenerated(folder, report.summary)]
    return Audit(findings=report.findings, documents=tuple(documents), bindings=tuple(bindings), other=other)


def _written_otherwise(folder: Path, file: str, text: str) -> Iterator[Finding]:
    """Where a page of another version is first not what this one writes."""
    first = next(differences(_read(folder, file), text), None)
    if first is not None:
        yield Finding(file=file, what=first)


def _read(folder: Path, file: str) -> str:
    try:
        path = limits.inside(folder, file)
        return "" if path is None else read_text(path, MAX_RECORD_BYTES)
    except (OSError, UnicodeDecodeError):
        return ""


# Pages


def _rendered(folder: Path, summary: Summary) -> dict[str, tuple[str, list[Shown]]]:
    """The pages again, in the language in which they are nearest to those of the folder."""
    best: dict[str, tuple[str, list[Shown]]] = {}
    most = -1
    for lang in LANGUAGES:
        pages = render.render_traced(summary, lang=lang)
        lines = {file: set(_read(folder, file).splitlines()) for file in pages}
        alike = sum(len(lines[file].intersection(text.splitlines())) for file, (text, _) in pages.items())
        if alike > most:
            best, most = pages, alike
        if all(_read(folder, file) == text for file, (text, _) in pages.items()):
            break
    return best


def _line_for_line(found: list[str], again: list[str], *, ours: bool) -> dict[int, int]:
    """Line of a document → the same line of the one that was made again.

    In a folder of this version it stands at the same place. Another version may write a line more or less.
    """
    if ours:
        return {number: number for number, pair in enumerate(zip(found, again, strict=False)) if pair[0] == pair[1]}
    return matched(found, again)


def _page(folder: Path, file: str, text: str, shown: list[Shown], report: Report) -> tuple[Tally, list[Binding]]:
    found, summary = _read(folder, file).splitlines(), report.summary
    assert summary is not None
    again = _line_for_line(found, text.splitlines(), ours=report.other.told.ours)
    by_line: dict[int, list[Shown]] = {}
    for value in shown:
        by_line.setdefault(value.line, []).append(value)
    bound: list[Binding] = []
    fixed = 0
    unbound: list[tuple[int, str]] = []
    for number, line in enumerate(found, start=1):
        values = by_line.get(again.get(number - 1, -1) + 1, ())
        for match in numerals(line):
            source = next((v for v in values if v.start <= match.start() and match.end() <= v.end), None)
            if number - 1 not in again:
                unbound.append((number, match[0]))
            elif source is None:
                fixed += 1
            else:
                record = record_of(source.pointer, summary)
                bound.append(
                    Binding(
                        file=file,
                        line=number,
                        numeral=match[0],
                        pointer=source.pointer,
                        record=record,
                        rounding=source.filter,
                    )
                )
    tally = Tally(
        file=file,
        numerals=len(bound) + fixed + len(unbound),
        from_records=len(bound),
        from_template=fixed,
        unbound=tuple(unbound),
    )
    return tally, bound


def record_of(pointer: str, summary: Summary) -> str:
    """The file behind a value of the summary: an experiment's record with its hash, or the spec."""
    part, *rest = pointer.strip("/").split("/")
    evidence = {each.experiment: each for each in summary.evidence}
    if part == "evidence" and rest:
        part = summary.evidence[int(rest[0])].experiment
    if part in ("provenance", "code_sha256", "stamps", "hardware", "npu_count", "overall", "verdicts") and evidence:
        part = next(iter(evidence))
    if part == "derived_with":
        return f"{summary.layout.at(SUMMARY)}@{summary_sha256(summary)}"
    if part == "runs" and summary.runs is not None:
        return f"{summary.layout.at(LEDGER)}@{summary.runs.head_sha256}"
    if part in KINDS and part in evidence:
        return f"{evidence[part].record}@{evidence[part].record_sha256}"
    return f"spec.json@{summary.spec_sha256}"


# Logs and JSON


def _regenerated(folder: Path, summary: Summary) -> Iterator[tuple[str, str]]:
    """(file, text) for the documents that are a function of the records alone."""
    yield summary.layout.at(SUMMARY), dumps(summary)
    try:
        spec_file = read_spec_file(folder / "spec.json")
    except ConfigError:
        return
    records = _records(folder, spec_file)
    for evidence in summary.evidence:
        if evidence.experiment in records:
            yield evidence.log, log_text(records[evidence.experiment], spec_file.evaluation.criteria)


def _records(folder: Path, spec_file: SpecFile) -> dict[str, Record]:
    found = {}
    for kind in KINDS:
        try:
            found[kind] = read_record(folder / spec_file.layout.record(kind), spec_sha256=spec_file.evaluation.sha256)
        except RecordError:
            continue
    return found


def _derived(folder: Path, file: str, text: str, *, ours: bool) -> Tally:
    found = _read(folder, file).splitlines()
    again = _line_for_line(found, text.splitlines(), ours=ours)
    bound = 0
    unbound: list[tuple[int, str]] = []
    for number, line in enumerate(found, start=1):
        here = [match[0] for match in numerals(line)]
        if number - 1 in again:
            bound += len(here)
        else:
            unbound += [(number, numeral) for numeral in here]
    return Tally(file=file, numerals=bound + len(unbound), from_records=bound, from_template=0, unbound=tuple(unbound))
