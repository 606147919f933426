"""Hold the pages and pictures of a folder against those that a second process makes again from the same summary.

A page of this version is what the templates of this version give, byte for byte: whatever differs was written by
somebody else, be it a claim, a character that looks like another, or a stamp that no longer shows.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.otherwise import Finding
from npu_deliver.profiles import pages
from npu_deliver.second_look import Answer, Look, Unanswered
from npu_deliver.summary import Summary
from npu_eval.jsonio import to_json
from npu_eval.limits import MAX_PAGE_BYTES, read_bytes
from npu_eval.records import Record, record_text
from npu_eval.stamps import Stamp, stamped_name

_DRAWN_FROM = ("performance", "localisation")
"""Records that are drawn themselves, and not only what the summary derives from them."""
_PLACES = 8
"""So many places of one page are told; the last one says how many more there are."""
_ALIGNED = 2000
"""Lines that differ at most for which it is looked up which line became which: that takes the square of the time."""
_WINDOW = 40
"""Characters that are shown on each side of the first one that differs."""


@dataclass(frozen=True, kw_only=True)
class Remade:
    """What came of it: contradictions, what could not be made again, and pictures that other libraries drew.

    ``answered`` says whether pages were made, so that what they hold needs no other reading.
    """

    answered: bool = False
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Finding, ...] = ()
    uncompared: tuple[Finding, ...] = ()


def check(
    folder: Path, summary: Summary, records: Mapping[str, Record], logs: Mapping[str, str], look: Look,
    known: Sequence[Finding],
) -> Remade:  # fmt: skip
    """Hold pages and pictures against what is made again.

    Args:
        logs: path of each log → the text that its record gives.
        known: what other checks found of pictures; one that they name is not named again.
    """
    simulated = Stamp.SIMULATED in summary.stamps
    names = [stamped_name(page, simulated=simulated) for page in pages(summary.layout)]
    found = {name: text for name in names if (text := _text(folder / name)) is not None}
    question = {
        "folder": str(folder.resolve()),
        "summary": to_json(summary),
        "records": {kind: record_text(record) for kind, record in records.items() if kind in _DRAWN_FROM},
        "logs": dict(logs),
        "pages": found,
    }
    try:
        answer = look.ask(question)
    except Unanswered as why:
        return Remade(unchecked=(Finding(file=names[0], what=f"no page or picture could be made again: {why}"),))
    if answer.refused:
        what = f"cannot have been made from these records, of which no page can be made ({answer.refused})"
        return Remade(answered=True, findings=(Finding(file=names[0], what=what),))
    differing = [*_pages(found, answer), *_pictures(answer, known)]
    other = (Finding(file=name, what=f"differs from what is drawn here, but was drawn with {with_}")
             for name, with_ in sorted(answer.uncompared.items()))  # fmt: skip
    return Remade(answered=True, findings=tuple(differing), uncompared=tuple(other))


def _text(path: Path) -> str | None:
    """A page, with its line ends as they are; None where other checks say that it cannot be read."""
    try:
        return read_bytes(path, MAX_PAGE_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _pages(found: Mapping[str, str], answer: Answer) -> Iterator[Finding]:
    for name, expected in answer.pages.items():
        text = found.get(name)
        if text is None or text == expected:
            continue
        places = list(differences(text, expected))
        for what in places[:_PLACES]:
            yield Finding(file=name, what=what)
        if len(places) > _PLACES:
            yield Finding(file=name, what=f"and in {len(places) - _PLACES} more places")


def _pictures(answer: Answer, known: Sequence[Finding]) -> Iterator[Finding]:
    named = {finding.file for finding in known}
    yield from (Finding(file=name, what=what) for name, what in sorted(answer.pictures.items()) if name not in named)


def differences(found: str, expected: str) -> Iterator[str]:
    """What is wrong at every place where a page is not what it should be, with the line."""
    theirs, ours = found.split("\n"), expected.split("\n")  # not splitlines: other line ends are part of what differs
    head = next((i for i, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]),
                min(len(theirs), len(ours)))  # fmt: skip
    rest = min(len(theirs), len(ours)) - head
    tail = next((i for i in range(rest) if theirs[-1 - i] != ours[-1 - i]), rest)
    theirs, ours = theirs[head : len(theirs) - tail], ours[head : len(ours) - tail]
    if len(theirs) + len(ours) > _ALIGNED:
        yield f"line {head + 1} is {_shown(_first(theirs), _first(ours))}"
        yield f"and up to {max(len(theirs), len(ours)) - 1} lines after it"
        return
    for tag, a, b, c, d in difflib.SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for step in range(max(b - a, d - c)):
            line = head + a + min(step, b - a) + 1
            if step >= b - a:
                yield f"line {line}: before it, {_quoted(ours[c + step])} is missing"
            elif step >= d - c:
                yield f"line {line} is {_quoted(theirs[a + step])}, which its records do not give"
            else:
                yield f"line {line} is {_shown(theirs[a + step], ours[c + step])}"


def _first(lines: Sequence[str]) -> str:
    return lines[0] if lines else ""


def _shown(found: str, expected: str) -> str:
    """What stands in a line and what should, around the first character that differs."""
    at = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]),
              min(len(found), len(expected)))  # fmt: skip
    start = max(0, at - _WINDOW)
    is_, gives = found[start : at + _WINDOW], expected[start : at + _WINDOW]
    told = f"{_quoted(is_)}, rendering its records gives {_quoted(gives)}"
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
