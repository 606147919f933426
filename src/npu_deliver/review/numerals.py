"""Which numerals a page may hold, and where: the verifier's own reading of pages, without the code that renders.

A line of the template that has no blank stands as it is. In every other line a numeral must be a number of the summary
in the unit beside it. A table row may hold only the numbers of the thing that its first cells name: the row of batch 8
those of batch 8, the row ``max_abs_diff`` that one number. Standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from npu_deliver.experiments.localisation.words import located
from npu_deliver.experiments.registry import PARTS, SECTIONS
from npu_deliver.spec.profiles import templates
from npu_deliver.summary import Summary
from npu_deliver.words import COMPONENTS, LANGUAGES, phrase_words
from npu_eval.agreement.detections import MATCH_IOU, SCORE_MARGIN
from npu_eval.agreement.levels import FP32_EQUAL
from npu_eval.asked.criteria import CONTEST_ERROR, origin
from npu_eval.asked.layout import Layout
from npu_eval.asked.metrics import METRICS
from npu_eval.notation import units
from npu_eval.notation.phrases import Phrase
from npu_eval.notation.sources import SAID_BY, SWITCHES
from npu_eval.process.visible import unescaped, visible

_BREAK = r"\s×|`*<>()\[\],;=!\"'\\\u3001-\u301f\u4e00-\u9fff\uff01-\uff0f\uff1a-\uff20‖“”…"
_WORD = re.compile(rf"(?:[^{_BREAK}:]|(?<=\d):(?=\d))+")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_UNIT = re.compile(r" (ms|s|/s|dB|MiB|GiB|M|%)(?![\w/])")
_STATE = re.compile(r"\*\*(PASS|FAIL|NOT_MEASURED)\b|(?<![\w.])(true|false)(?![\w.])")
_ASIDE = ".~≈±%"  # signs that may stand at either end of a word and are no part of it

_IN_UNITS = (
    units.ms,
    units.seconds,
    units.rate,
    units.ratio,
    units.iou,
    units.cosine,
    units.sci,
    units.percent,
    units.db,
)
_WHOLE_IN_UNITS = (units.mib, units.gib, units.millions)
_BEYOND = 2**63  # no count and no size of a measurement is larger; a stranger's might not even fit into a float


@dataclasses.dataclass(frozen=True)
class Scope:
    """What a line may hold: numbers as they are written with their unit, words with a digit, and verdicts."""

    numbers: frozenset[str]
    words: frozenset[str]
    states: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What the pages of one deliverable may hold: in any line, and in a table row by its first cells."""

    anywhere: Scope
    rows: dict[tuple[str, ...], Scope]


def allowed_numbers(summary: Summary) -> Allowed:
    """The numbers of a summary, and the table rows in which they may stand."""
    things: dict[tuple[str, ...], list[Any]] = {}
    for key, *found in _rows(summary):
        things.setdefault(key, []).extend(found)
    protocol = summary.performance.protocol if summary.performance else None
    derived: list[Any] = [protocol.min_samples, protocol.min_duration_s] if protocol else []
    if summary.localisation is not None:  # the names of formats hold digits
        derived += [located(cause, lang) for cause in summary.localisation.counts for lang in LANGUAGES]
    bounds = [f"{bound:g}" for bound in (MATCH_IOU, SCORE_MARGIN, FP32_EQUAL)]  # of the page's own words
    derived += [units.bound(CONTEST_ERROR), *bounds]
    quoted = [*SWITCHES, *filter(None, (SAID_BY.get(origin(c).code) for c in summary.criteria))]
    derived += [source.cited(lang) for source in quoted for lang in LANGUAGES]  # versions and dates
    return Allowed(
        anywhere=dataclasses.replace(
            _scope([summary, derived]), states=frozenset({str(summary.overall), "true", "false"})
        ),
        rows={key: _scope(found) for key, found in things.items()},
    )


def _rows(summary: Summary) -> Iterator[tuple[Any, ...]]:
    """(first cells of a row, the things whose numbers it shows …)."""
    ran = summary.provenance
    for name, value in [*ran.versions.items(), *ran.numeric_modes.items(), *ran.environment.items()]:
        yield (COMPONENTS.get(name, name),), value
    for verdict in summary.verdicts:
        yield (verdict.criterion,), dataclasses.replace(verdict, value=None)
        if verdict.value is not None:  # in the unit of its metric, and in no other
            yield (verdict.criterion,), units.written(verdict.value, METRICS[verdict.metric].unit)
    for evidence in summary.evidence:
        yield (evidence.experiment,), evidence
    device = "NPU" if summary.hardware == "NPU" else summary.provenance.device.name
    for name, part in PARTS.items():
        if found := getattr(summary, name):
            yield from part.rows(found, device)


_INCLUDE = re.compile(r'\{% include "([^"]+)" %\}')

_ADDRESS = re.compile(r'(?<=src=")[^"]*')
"""A picture's address spells out what means something in one; its file's name is meant."""


def stray_numerals(text: str, page: str, allowed: Allowed, layout: Layout) -> Iterator[tuple[int, str]]:
    """(line, numeral or verdict) for each of a page that comes from nowhere, or stands where another belongs."""
    literal, fixed = _template(layout, page)
    for number, line in enumerate(text.splitlines(), start=1):
        if line in literal:
            continue
        if line.startswith("##"):
            yield number, f"the heading '{line.strip('# ')}'"
            continue
        scope = _scope_of(line, allowed)
        plain = unescaped(_ADDRESS.sub(lambda found: unquote(found[0]), line))
        for token in _tokens(plain):
            if token not in scope.numbers and token not in scope.words and token not in fixed:
                yield number, token
        for match in _STATE.finditer(plain):
            if (match[1] or match[2]) not in scope.states:
                yield number, match[1] or match[2]


def rows_of(text: str) -> frozenset[tuple[str, ...]]:
    """The first one, two and three cells of every table row of a page."""
    cells = [_cells(line) for line in text.splitlines()]
    return frozenset(row[:n] for row in cells for n in range(1, 4) if len(row) >= n)


def _cells(line: str) -> tuple[str, ...]:
    if not line.startswith("|"):
        return ()
    inner = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return tuple(unescaped(re.sub(r"\\(.)", r"\1", cell.strip())).strip("`* ") for cell in inner)


def _scope_of(line: str, allowed: Allowed) -> Scope:
    """The scope of a line: the one of the longest known key that its row begins with."""
    cells = _cells(line)
    for length in (3, 2, 1):
        if (scope := allowed.rows.get(cells[:length])) is not None and len(cells) > length:
            return _with_key(scope, cells[:length])
    return allowed.anywhere


def _with_key(scope: Scope, key: tuple[str, ...]) -> Scope:
    """A row may also hold its own key."""
    return dataclasses.replace(scope, words=scope.words.union(*map(_tokens, key)))


def _tokens(line: str) -> Iterator[str]:
    """The words of a line that hold a digit, a number with the unit after it, without the punctuation around them."""
    line = visible(line)  # as a page spells out what is hidden in somebody's text
    for match in _WORD.finditer(line):  # a word that ends in no digit is gone over once, not once for each letter
        if not _DIGIT.search(match[0]):
            continue
        token = match[0].strip(_ASIDE)
        unit = _UNIT.match(line, match.end()) if _NUMBER.fullmatch(token) else None
        yield token + (unit[0] if unit else "")


def _scope(things: list[Any]) -> Scope:
    numbers: set[str] = set()
    words: set[str] = set()
    states: set[str] = set()
    for leaf in (leaf for thing in things for leaf in _leaves(thing)):
        if leaf is None:
            continue
        if isinstance(leaf, bool):
            states.add("true" if leaf else "false")
        elif isinstance(leaf, int):
            numbers.add(units.count(leaf))
            if abs(leaf) < _BEYOND:
                numbers.update(written(leaf) for written in (*_IN_UNITS, *_WHOLE_IN_UNITS))
        elif isinstance(leaf, float):
            numbers.add(f"{leaf:g}")
            numbers.update(written(leaf) for written in _IN_UNITS)
        else:
            states.add(str(leaf))
            words.update(_tokens(str(leaf)))
            if re.fullmatch(r"[0-9a-f]{64}", str(leaf)):
                words.add(units.short_hash(str(leaf)))
    return Scope(numbers=frozenset(numbers), words=frozenset(words), states=frozenset(states))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Phrase):  # as it is said, in either language
        value = tuple(phrase_words(value, lang) for lang in LANGUAGES) + tuple(value.args.values())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        yield len(value)
        for item in value:
            yield from _leaves(item)
    else:
        yield value


@functools.cache
def _template(layout: Layout, page: str) -> tuple[frozenset[str], frozenset[str]]:
    """(the lines of a page's templates that have no blank, the words with a digit of those that have one)."""
    stem, dot, suffix = page.partition(".")
    literal: set[str] = set()
    fixed: set[str] = set()
    every = templates(layout)
    for lang in LANGUAGES:
        path = every.get(f"{stem}.{lang}{dot}{suffix}.j2")
        for line in _lines(path) if path else ():
            if "{{" not in line and "{%" not in line:
                literal.add(line)
                continue
            fixed.update(_tokens(re.sub(r"\{[{%#].*?[}%#]\}", " ", line)))
    return frozenset(literal), frozenset(fixed)


def _lines(template: Path) -> Iterator[str]:
    """The lines of a template and of the sections that it includes."""
    for line in template.read_text(encoding="utf-8").splitlines():
        included = _INCLUDE.fullmatch(line)
        yield from _lines(SECTIONS / included[1]) if included else (line,)
