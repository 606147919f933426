"""What the linter says: a finding with its evidence, and the rule behind it. All plain data."""

from __future__ import annotations

import enum
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_eval.notation import sources
from npu_eval.notation.sources import Source


class Severity(enum.StrEnum):
    """How bad a finding is; the names are SARIF's levels."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    zh: str
    en: str

    def said(self, lang: str) -> str:
        """The sentence in ``zh`` or ``en``."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a file: ``line`` from 1, ``text`` as it stands there."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """The telling words of a page, and where they stand."""

    at: Span
    words: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One check. ``good`` and ``bad`` are Markdown reports, run through the rule by a test.

    ``sources`` are those of a ``why`` that says something of the world: their names in `npu_eval.notation.sources`.
    """

    id: str
    severity: Severity
    title: Text
    why: Text
    formula: str
    good: str
    bad: str
    sources: tuple[Source, ...] = ()


@functools.cache
def _data() -> dict[str, Any]:
    with (Path(__file__).with_name("rules.toml")).open("rb") as stream:
        return tomllib.load(stream)


def rule(name: str) -> Rule:
    """The rule of an id, from ``rules.toml``."""
    entry = _data()[name]
    return Rule(
        id=name,
        severity=Severity(entry["severity"]),
        title=Text(**entry["title"]),
        why=Text(**entry["why"]),
        formula=entry["formula"],
        good=entry["good"],
        bad=entry["bad"],
        sources=tuple(getattr(sources, each) for each in entry.get("sources", ())),
    )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect: where it stands, what was compared, what would have been right, and what is there."""

    rule: str
    severity: Severity
    file: str
    line: int
    message: Text
    evidence: tuple[Span, ...]
    expected: Text
    found: Text


def found(
    broken: Rule, at: Span, message: Text, *, expected: str | Text, got: str | Text, evidence: tuple[Span, ...] = ()
) -> Finding:
    """A finding of a rule at a place; the place itself is always part of the evidence.

    Args:
        expected, got: what would have been right, and what is there: a plain ``str`` is the same in every language, a
            number, an interval, a name or what the report itself says; words of ours are `Text`, see `expectations`.
    """
    spans = tuple(dict.fromkeys((at, *evidence)))
    return Finding(
        rule=broken.id,
        severity=broken.severity,
        file=at.file,
        line=at.line,
        message=message,
        evidence=spans,
        expected=expected if isinstance(expected, Text) else Text(expected, expected),
        found=got if isinstance(got, Text) else Text(got, got),
    )
