"""What a deliverable says and another version of this tool would say otherwise of the same records.

Whoever changed the rules between two versions did not forge anything, and whoever forged a folder can write any version
into it. So the differences are told one by one, the verdicts first, as differences: neither as contradictions nor as
nothing. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npu_deliver.release import versions
from npu_deliver.release.versions import Told
from npu_deliver.summary import Summary
from npu_eval.asked.layout import SUMMARY
from npu_eval.asked.spec import ToolVersion
from npu_eval.errors import RecordError
from npu_eval.jsonio import from_json, to_json
from npu_eval.notation.phrases import Phrase

SHOWN = 20
"""So many differences of values are printed, and so many places that cannot be checked; JSON has all."""

SHOWN_OF_A_FILE = 8
"""So many places of one page are printed, so that none hides what another one says otherwise."""

_VERDICT = "verdict "
_DECISIONS = ("overall", "hardware", "outcome", "accepted", "level")
_OF_THE_TOOL = ("schema", "measured_with", "derived_with")
_CHANGED = "-dirty"
"""How git ends the name of a checkout that holds changes."""
_LOG = "log_sha256"
"""Of a log, which is compared line by line itself."""
_NAMES = ("criterion", "name", "id", "experiment", "switches", "output", "input", "batch_size", "stage")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One contradiction, or one place that cannot be checked: the file, and what is wrong with it."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One thing of the summary: what the folder says, and what this version says of the same records."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.now} now"

    @property
    def decides(self) -> bool:
        """Whether it is a verdict: of a criterion, of a switch that was tried, or of an output."""
        return self.what.startswith(_VERDICT) or self.what.rpartition(".")[2] in _DECISIONS


@dataclass(frozen=True, kw_only=True)
class Otherwise:
    """How what a folder says looks to this version: what it derives otherwise, what it writes and draws otherwise of
    what the folder says, and what only the other could check.

    All are empty for a folder of this version, where every difference is a contradiction; only a page that could not be
    made again is unchecked there, too.
    """

    told: Told
    changed: tuple[Changed, ...] = ()
    written: tuple[Finding, ...] = ()
    unchecked: tuple[Finding, ...] = ()

    @property
    def same(self) -> bool:
        """Whether this version says all of it, too."""
        return not (self.changed or self.written or self.unchecked)

    @property
    def verdicts(self) -> tuple[Changed, ...]:
        """The verdicts that this version derives otherwise."""
        return tuple(each for each in self.changed if each.decides)

    @property
    def lines(self) -> list[str]:
        """The differences for a terminal: every verdict, of each page some lines, and no more than `SHOWN` others."""
        by_file: dict[str, list[Finding]] = {}
        for each in self.written:
            by_file.setdefault(each.file, []).append(each)
        told = _some("~", self.changed, max(SHOWN, len(self.verdicts)))
        for file, places in by_file.items():
            told += _some("~", places, SHOWN_OF_A_FILE, f" of {file}")
        return told + _some("?", self.unchecked, SHOWN)

    @property
    def outcome(self) -> str:
        """What came of looking at a folder of another version that does not contradict itself, in one line."""
        if self.same:
            return f"{said(self.told)}, which derives the same"
        counts = []
        if self.changed:
            verdicts = f" ({_many(self.verdicts, 'verdict')})" if self.verdicts else ""
            counts.append(f"derives {_many(self.changed, 'value')} otherwise{verdicts}")
        if self.written:
            counts.append(f"writes or draws {_many(self.written, 'place')} of its pages and pictures otherwise")
        if self.unchecked:
            counts.append(f"cannot check {_many(self.unchecked, 'place')}")
        found = " and ".join((", ".join(counts[:-1]), counts[-1])) if counts[1:] else counts[0]
        return f"{said(self.told)}, which {found}; not verified: {_advice(self.told.derived)}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a verification came to. ``summary`` is the one derived again, where the records allow it.

    ``findings`` are contradictions: of a folder of another version only what is one whatever the version.
    ``uncompared`` are pictures that differ from those that are drawn here with other libraries, which may be why.
    ``doubts`` are hard to believe and can be so (see `plausibility`), ``remarks`` say of a signature that no key was
    given for what can be said of it: both fail nothing.
    """

    findings: tuple[Finding, ...]
    summary: Summary | None
    files: int
    other: Otherwise
    uncompared: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything was derived again and is the same."""
        return not self.findings and self.other.same


def compare(theirs: Mapping[str, Any], ours: Summary) -> tuple[tuple[Changed, ...], tuple[Finding, ...]]:
    """What differs between the summary of a folder and the one that is derived now, the verdicts first.

    What only the new one says is no difference: the folder does not speak of it.

    Returns:
        (what both say, and otherwise; what only the folder says).
    """
    mine = to_json(ours)
    verdicts = list(_verdicts(theirs.get("verdicts"), mine["verdicts"]))
    told = (*_OF_THE_TOOL, "verdicts") if verdicts else _OF_THE_TOOL  # of verdicts that agree there may be more, or two
    rest = {key: value for key, value in theirs.items() if key not in told}
    alone: list[Finding] = []
    others = sorted(_differences("", rest, mine, alone), key=lambda each: not each.decides)
    alone = [Finding(file=ours.layout.at(SUMMARY), what=each.what) for each in alone]
    return (*verdicts, *others), tuple(alone)


def completed(theirs: Any, ours: Any) -> Any:
    """What the folder says, in the form in which this version says it: its values wherever both have one."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {key: completed(theirs[key], value) if key in theirs else value for key, value in ours.items()}
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [completed(old, new) for old, new in zip(theirs, ours, strict=True)]
    return theirs


def _some(mark: str, found: Sequence[object], most: int, of: str = "") -> list[str]:
    more = [f"  and {len(found) - most} more{of}; --json lists all"] if len(found) > most else []
    return [f"{mark} {each}" for each in found[:most]] + more


def _verdicts(theirs: Any, ours: list[dict[str, Any]]) -> Iterator[Changed]:
    listed = theirs if isinstance(theirs, list) else []
    then = {str(v.get("criterion")): _verdict(v) for v in listed if isinstance(v, dict)}
    now = {str(v["criterion"]): _verdict(v) for v in ours}
    for criterion in dict.fromkeys((*then, *now)):
        if (old := then.get(criterion, "none")) != (new := now.get(criterion, "none")):
            yield Changed(what=f"{_VERDICT}{criterion}", then=old, now=new)


def _verdict(verdict: Mapping[str, Any]) -> str:
    value = verdict.get("value")
    about = _sentence(verdict.get("reason" if value is None else "evidence"))
    return f"{verdict.get('status')} ({_shown(str(about) if value is None else f'{value} {about}')[1:-1]})"


def _sentence(value: Any) -> Any:
    """What is said, as its sentence, whether a version stored that or a code; anything else as it is."""
    if not isinstance(value, dict) or "code" not in value or set(value) - {"code", "args", "more"}:
        return value
    try:
        return str(from_json(Phrase, value))
    except RecordError:  # a code that this version does not know
        return str(value["code"])


def _differences(place: str, theirs: Any, ours: Any, alone: list[Finding]) -> Iterator[Changed]:
    theirs, ours = _sentence(theirs), _sentence(ours)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key, value in theirs.items():
            if key == _LOG:
                continue
            inner = f"{place}.{key}".lstrip(".")
            if key in ours:
                yield from _differences(inner, value, ours[key], alone)
            elif value not in (None, [], {}):
                alone.append(Finding(file=SUMMARY, what=f"says {inner}, which this version does not derive"))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, (old, new) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(f"{place}[{_name(new, number)}]", old, new, alone)
    elif theirs != ours or isinstance(theirs, bool) is not isinstance(ours, bool):
        yield Changed(what=place, then=_shown(theirs), now=_shown(ours))


def _name(value: Any, number: int) -> str:
    names = [value[key] for key in _NAMES if value.get(key)] if isinstance(value, dict) else []
    name = names[0] if names else number
    return "+".join(map(str, name)) if isinstance(name, list) else str(name)


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"{len(value)} entries"
    return repr(value)[:80] if isinstance(value, str) else str(value)


def _many(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def said(told: Told) -> str:
    """Which version made a folder and which one looks at it, in one line."""
    made = f"made with {versions.named(told.derived)}"
    if told.measured is not None and (told.derived is None or told.measured.rules_sha256 != told.derived.rules_sha256):
        made += f", measured with {versions.named(told.measured)}"
    return f"{made}; this is {versions.named(versions.current())}"


def _advice(version: ToolVersion | None) -> str:
    if version is None:
        return "check it with the version that made it"
    if version.commit.endswith(_CHANGED):
        return f"ask its maker, whose checkout of {version.commit.removesuffix(_CHANGED)} was changed"
    if version.commit:
        return f"check it with npu-deliver at commit {version.commit}"
    return f"check it with that version (pip install npu-deliver=={version.version})"


def report_lines(told: Told, changed: Sequence[Changed]) -> list[str]:
    """What is said when a folder of another version is rendered anew."""
    head = f"{said(told)}: the records stay, everything else is derived anew by its rules"
    return [head, *(f"~ {each}" for each in changed)]
