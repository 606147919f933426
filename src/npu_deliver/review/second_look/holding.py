"""Hold the pages and pictures of a folder against those that a second process makes again from the same summary.

A page of this version is what the templates of this version give, byte for byte: whatever differs was written by
somebody else, be it a claim, a character that looks like another, or a stamp that no longer shows. Pages of another
version are made again from what their own summary says; what differs may then be a template's or anybody's, so that it
is told and nobody is accused.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npu_deliver.experiments.registry import PARTS
from npu_deliver.release import versions
from npu_deliver.review import otherwise
from npu_deliver.review.otherwise import Finding
from npu_deliver.review.second_look.asking import Answer, Look, Unanswered
from npu_deliver.spec.profiles import pages
from npu_deliver.summary import Summary, summary_sha256
from npu_eval import limits
from npu_eval.asked.layout import REPORT, SUMMARY
from npu_eval.errors import RecordError
from npu_eval.jsonio import canonical_sha256, dumps, from_json, to_json
from npu_eval.limits import MAX_PAGE_BYTES, MAX_TEXT_BYTES, read_bytes
from npu_eval.records.record import Record, record_sha256
from npu_eval.records.stamps import Stamp, stamped_name

_TIMES, _MORE_BYTES = 2, 2**18
"""A summary of another version may have so many times the bytes of ours, and so many more. One that a stranger filled
up would take minutes to render, and its pages are none of these records anyway."""
_DRAWN_FROM = tuple(name for name, part in PARTS.items() if part.draws_record)
"""Records that are drawn themselves, and not only what the summary derives from them."""
_PLACES = 8
"""So many places of one page of this version are told; the last one says how many more there are."""
_PLACES_OF_ANOTHER = 1000
"""So many of a page of another version, of which a terminal shows `otherwise.SHOWN_OF_A_FILE`: an added line must not
hide among those that are written otherwise today."""
_ALIGNED = 2000
"""Lines that differ at most for which it is looked up which line became which: that takes the square of the time."""
_WINDOW = 40
"""Characters that are shown on each side of the first one that differs."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a difference is told: what stands in the place of a line, a line too many, and one that is missing."""

    instead: str
    alone: str
    missing: str


OF_RECORDS = Words(
    instead="rendering its records gives {}", alone="which its records do not give", missing="{} is missing"
)
OF_THIS_VERSION = Words(
    instead="this version writes {}", alone="which this version does not write", missing="this version writes {}"
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What pages and pictures are made again from: a summary, the hash that pictures drawn from it carry, and logs.

    ``ours`` says whether it is what this version derives; else it is what the folder says. ``problem`` says why the
    folder's cannot be taken, in which case the summary is the derived one and nothing can be made again.
    """

    summary: Summary
    sha256: str
    logs: Mapping[str, str]
    ours: bool
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Remade:
    """What came of it: what differs, what could not be made again, and pictures that other libraries drew.

    ``findings`` are contradictions in a folder of this version, differences in one of another. ``answered`` says
    whether pages were made, so that what they hold needs no other reading.
    """

    answered: bool = False
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Finding, ...] = ()
    uncompared: tuple[Finding, ...] = ()


def derived(summary: Summary, logs: Mapping[str, str]) -> Said:
    """What a folder of this version must have been made from. ``logs``: path → the text that its record gives."""
    return Said(summary=summary, sha256=summary_sha256(summary), logs=logs, ours=True)


def said_by(folder: Path, summary: Summary, logs: Mapping[str, str]) -> Said:
    """What a folder of another version says of itself, in the form of this one: its summary, its logs.

    Args:
        summary: what this version derives of the same records; it gives what the folder's lacks.
        logs: path → the text that its record gives, for a log that the folder does not have.
    """
    found = versions.said(folder)
    path = folder / summary.layout.at(SUMMARY)
    size_bytes, ours_bytes = path.stat().st_size if path.is_file() else 0, len(dumps(summary).encode("utf-8"))
    if size_bytes > _TIMES * ours_bytes + _MORE_BYTES:
        problem = f"summary.json has {size_bytes} bytes, what this version derives of the records {ours_bytes}"
        return Said(summary=summary, sha256="", logs=logs, ours=False, problem=problem)
    try:
        theirs = from_json(Summary, otherwise.completed(found, to_json(summary)), SUMMARY)
        theirs = replace(
            theirs,
            profile=summary.profile,
            measured_with=summary.measured_with,  # spec.json's to say
            derived_with=versions.told(folder).derived,
            schema=summary.schema,
        )
        sha256 = canonical_sha256(found)
    except (RecordError, ArithmeticError, ValueError, LookupError) as error:
        problem = f"this version cannot read what summary.json says ({str(error)[:200]})"
        return Said(summary=summary, sha256="", logs=logs, ours=False, problem=problem)
    own = {each.log: _text(folder, each.log, MAX_TEXT_BYTES) for each in theirs.evidence}
    return Said(
        summary=theirs, sha256=sha256, logs={**logs, **{n: t for n, t in own.items() if t is not None}}, ours=False
    )


def check(folder: Path, said: Said, records: Mapping[str, Record], look: Look, known: Sequence[Finding]) -> Remade:
    """Hold pages and pictures against what is made again.

    Args:
        said: what they are made from.
        known: what other checks found of pictures; one that they name is not named again.
    """
    summary = said.summary
    simulated = Stamp.SIMULATED in summary.stamps
    names = [stamped_name(page, simulated=simulated) for page in pages(summary.layout)]
    first = stamped_name(summary.layout.at(REPORT), simulated=simulated)
    if said.problem:
        return _not_made(first, said.problem)
    found = {name: text for name in names if (text := _text(folder, name, MAX_PAGE_BYTES)) is not None}
    question = {
        "folder": str(folder.resolve()),
        "summary": to_json(summary),
        "summary_sha256": said.sha256,
        "records": {
            kind: {"file": summary.layout.record(kind), "sha256": record_sha256(record)}
            for kind, record in records.items()
            if kind in _DRAWN_FROM
        },
        "logs": dict(said.logs),
        "pages": found,
    }
    try:
        answer = look.ask(question)
    except Unanswered as why:
        return _not_made(first, str(why))
    if answer.refused and said.ours:
        what = f"cannot have been made from these records, of which no page can be made ({answer.refused})"
        return Remade(answered=True, findings=(Finding(file=first, what=what),))
    if answer.refused:
        return _not_made(first, f"this version cannot render what summary.json says ({answer.refused[:200]})")
    differing = [*_pages(found, answer, ours=said.ours), *_pictures(answer, known)]
    other = (
        Finding(file=name, what=f"differs from what is drawn here, but was drawn with {with_}")
        for name, with_ in sorted(answer.uncompared.items())
    )
    return Remade(answered=True, findings=tuple(differing), uncompared=tuple(other))


def _not_made(page: str, why: str) -> Remade:
    return Remade(unchecked=(Finding(file=page, what=f"no page or picture could be made again: {why}"),))


def _text(folder: Path, name: str, most_bytes: int) -> str | None:
    """A page or a log, with its line ends as they are; None where other checks say that it cannot be read."""
    try:
        path = limits.inside(folder, name)
        return None if path is None else read_bytes(path, most_bytes).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _pages(found: Mapping[str, str], answer: Answer, *, ours: bool) -> Iterator[Finding]:
    words, most = (OF_RECORDS, _PLACES) if ours else (OF_THIS_VERSION, _PLACES_OF_ANOTHER)
    for name, expected in answer.pages.items():
        text = found.get(name)
        if text is None or text == expected:
            continue
        places = list(differences(text, expected, words))
        for what in places[:most]:
            yield Finding(file=name, what=what)
        if len(places) > most:
            yield Finding(file=name, what=f"and in {len(places) - most} more places")


def _pictures(answer: Answer, known: Sequence[Finding]) -> Iterator[Finding]:
    named = {finding.file for finding in known}
    yield from (Finding(file=name, what=what) for name, what in sorted(answer.pictures.items()) if name not in named)


def differences(found: str, expected: str, words: Words = OF_RECORDS) -> Iterator[str]:
    """What is wrong at every place where a page is not what it should be, with the line."""
    theirs, ours = found.split("\n"), expected.split("\n")  # not splitlines: other line ends are part of what differs
    head = next(
        (i for i, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]), min(len(theirs), len(ours))
    )
    rest = min(len(theirs), len(ours)) - head
    tail = next((i for i in range(rest) if theirs[-1 - i] != ours[-1 - i]), rest)
    theirs, ours = theirs[head : len(theirs) - tail], ours[head : len(ours) - tail]
    if len(theirs) + len(ours) > _ALIGNED:
        yield f"line {head + 1} is {_shown(_first(theirs), _first(ours), words)}"
        yield f"and up to {max(len(theirs), len(ours)) - 1} lines after it"
        return
    for tag, a, b, c, d in difflib.SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for step in range(max(b - a, d - c)):
            line = head + a + min(step, b - a) + 1
            if step >= b - a:
                yield f"line {line}: before it, {words.missing.format(_quoted(ours[c + step]))}"
            elif step >= d - c:
                yield f"line {line} is {_quoted(theirs[a + step])}, {words.alone}"
            else:
                yield f"line {line} is {_shown(theirs[a + step], ours[c + step], words)}"


def _first(lines: Sequence[str]) -> str:
    return lines[0] if lines else ""


def _shown(found: str, expected: str, words: Words) -> str:
    """What stands in a line and what should, around the first character that differs."""
    at = next(
        (i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(expected)),
    )
    start = max(0, at - _WINDOW)
    is_, gives = found[start : at + _WINDOW], expected[start : at + _WINDOW]
    told = f"{_quoted(is_)}, {words.instead.format(_quoted(gives))}"
    character = found[at : at + 1]
    hidden = character and (not character.isprintable() or (ord(character) > 0x7F and not _han(character)))
    if not hidden:
        return told
    return f"{told}: character {at + 1} is U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def _quoted(text: str) -> str:
    """Text for a terminal, with what cannot be seen spelled out."""
    shown = text if len(text) <= 2 * _WINDOW else f"{text[: 2 * _WINDOW]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in repr(shown))


def _han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"
