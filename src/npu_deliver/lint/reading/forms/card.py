"""The forms that a submission fills in: front matter, scoring fields, requirements, `deploy.sh`, example code."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document

_ANOTHER_DEVICE = re.compile(r"NO NPU|未使用 NPU|SIMULATED|模拟 NPU|REPLAYED|回放", re.IGNORECASE)
_SCORING = re.compile(r"评分字段|scoring fields")
SCORING_KEYS = ("max_abs_diff", "mean_abs_diff", "cosine_similarity", "match_within_1_percent", "latency_ms")
"""The keys that the contest's grader reads (its report template)."""
_REQUIREMENT = re.compile(r"[A-Za-z_][\w.-]*")
_PIP = re.compile(
    r"(?:git|hg|svn|bzr)\+|(?:https?|file)://|[\w.-]+\s*(?:\[[\w\s,.-]*\])?\s*(?:[(]?\s*(?:[<>!~]=?|===?)|@|;|#|--|$)"
)
"""How pip reads a line: an address, or a name, perhaps extras, then a version, a marker, an option or a remark."""
_CONDAS_OWN = frozenset(
    {"cudatoolkit", "cudnn", "pytorch", "pytorch-cuda", "_libgcc_mutex", "libgcc-ng", "libstdcxx-ng"}
)
"""Packages under these names are conda's alone; pip's stub of ``pytorch`` refuses to be installed."""
_IMPORT = re.compile(r"^\s*from\s+(?P<module>[\w.]+)\s+import\s+(?P<names>[\w, ]+)$")
_DYNAMIC = re.compile(r"import \*|__getattr__|setattr\(|globals\(\)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_DEPLOYS = (("8000", re.compile(r"\b8000\b")), ("$MODEL_PATH", re.compile(r"\$\{?MODEL_PATH")))
LONG_ENOUGH = 8
"""Lines that a report has at least before its being another's copy means anything."""


@dataclass(frozen=True, slots=True)
class Card:
    """A model card's front matter: ``hardware`` None where there is no such key; ``tags`` in lower case."""

    hardware: str | None
    hardware_at: Span
    tags: frozenset[str]
    tags_at: Span
    of_another_device: bool


@dataclass(frozen=True, slots=True)
class Scoring:
    """A section of scoring fields with the keys that it lacks; ``filled`` where it has a table with some of them."""

    at: Span
    missing: tuple[str, ...]
    filled: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """A line of a requirements file; not ``for_pip`` where the file is a list for conda, or for people."""

    name: str
    line: str
    at: Span
    for_pip: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that an example imports from a module."""

    module: str
    name: str
    at: Span


def card(document: Document) -> Card | None:
    """The front matter of a page, None where it has none."""
    return document.facts(_card)


def scorings(document: Document) -> list[Scoring]:
    """The sections of scoring fields."""
    return document.facts(_scorings)


def requirements(document: Document) -> list[Requirement]:
    """The packages that a requirements file names."""
    return document.facts(_requirements)


def missing_of_deploy(document: Document) -> tuple[str, ...]:
    """What a start script lacks of the port and the variable that the platform goes by."""
    return tuple(what for what, pattern in _DEPLOYS if not document.says(pattern))


def imports(document: Document) -> list[Imported]:
    """The names that the code of a page imports."""
    return document.facts(_imports)


def words_of(document: Document) -> frozenset[str] | None:
    """Every word of a module; None for one that makes names while it runs, of which nobody can tell what it defines."""
    return document.facts(_words_of)


def fingerprint(document: Document) -> str | None:
    """What two reports share that are line for line the same; None for one too short to tell."""
    return document.facts(_fingerprint)


def _card(document: Document) -> Card | None:
    front, lines = document.structure.front, document.structure.front_lines
    if not front:
        return None
    hardware = front.get("hardware")
    return Card(
        hardware=None if hardware is None else next(iter(hardware), ""),
        hardware_at=document.span(lines.get("hardware", 1)),
        tags=frozenset(tag.lower() for tag in front.get("tags", [])),
        tags_at=document.span(lines.get("tags", 1)),
        of_another_device=document.says(_ANOTHER_DEVICE),
    )


def _scorings(document: Document) -> list[Scoring]:
    found: list[Scoring] = []
    for index, section in enumerate(document.structure.sections):
        if not _SCORING.search(section.title):
            continue
        text = "\n".join(line.plain for line in document.lines if line.section == index)
        missing = tuple(key for key in SCORING_KEYS if key not in text)
        found.append(Scoring(document.span(section.line), missing, "|" in text and len(missing) < len(SCORING_KEYS)))
    return found


def _requirements(document: Document) -> list[Requirement]:
    found = [
        (match[0], text, line.number)
        for line in document.lines
        if (text := line.plain.strip()) and (match := _REQUIREMENT.match(text))
    ]
    for_pip = all(_PIP.match(text) and name.lower() not in _CONDAS_OWN for name, text, _ in found)
    return [Requirement(name, text[:80], document.span(line), for_pip) for name, text, line in found]


def _imports(document: Document) -> list[Imported]:
    return [
        Imported(match["module"], name, document.span(line.number))
        for line, match in document.search(_IMPORT, ("code",))
        for part in match["names"].split(",")
        if (name := part.strip().split(" as ")[0])
    ]


def _words_of(document: Document) -> frozenset[str] | None:
    return None if document.says(_DYNAMIC) else frozenset(_WORD.findall(document.plain))


def _fingerprint(document: Document) -> str | None:
    body = sorted({line.plain.strip() for line in document.lines if len(line.plain.strip()) > 20})
    if len(body) < LONG_ENOUGH:
        return None
    return hashlib.sha256("\n".join(body).encode("utf-8", "surrogatepass")).hexdigest()
