"""Plant, lint, count: the detection matrix and the false alarms, from a seed."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.lint import Finding, Severity, lint_submission
from npu_deliver.lint.reading.folder.files import decode, read_folder
from npu_deliver.lint.reading.folder.submission import Document, Submission, document
from npu_deliver.lint.selftest.foreign import STYLES
from npu_deliver.lint.selftest.mutations import MUTATIONS
from npu_deliver.lint.selftest.numbers import Files, draw

LEAST = 200
"""Mutations that a run plants at least; the command asks for more (`--mutations`)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One planted mutation: in which report, which rules would do, and what was found in addition to before."""

    mutation: str
    report: str
    wanted: frozenset[str]
    found: frozenset[str]

    @property
    def detected(self) -> bool:
        """Whether one of the right rules spoke up in the damaged file."""
        return bool(self.wanted & self.found)


@dataclass(frozen=True, kw_only=True)
class Selftest:
    """Every outcome, and the findings in reports that nothing was planted in."""

    outcomes: tuple[Outcome, ...]
    clean: int
    alarms: tuple[tuple[str, Finding], ...]

    @property
    def missed(self) -> list[Outcome]:
        """Mutations that nothing detected."""
        return [outcome for outcome in self.outcomes if not outcome.detected]


def findings_in(files: Files, names: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """Lint a submission that is in memory; ``names`` are files beside it whose content does not matter."""
    documents = [found for name, text in files.items() if (found := _parsed(name, text))]
    return lint_submission(Submission(root="self-test", documents=documents, names=names | files.keys())).findings


@functools.lru_cache(maxsize=512)
def _parsed(name: str, text: str) -> Document | None:
    """A file's content, parsed once: a mutation changes one file of many."""
    raw, _ = decode(text.encode("utf-8"), name)
    return document(raw, name) if raw else None


def selftest(seed: int, folders: list[Path], least: int = LEAST) -> Selftest:
    """Plant every mutation in every kind of report, again with other numbers until there are enough.

    Args:
        seed: of the numbers and of the choices.
        folders: deliverables that are known to be clean, damaged in memory like the synthetic ones.
        least: how many mutations to plant at least.
    """
    outcomes: list[Outcome] = []
    alarms: list[tuple[str, Finding]] = []
    clean = turn = 0
    while len(outcomes) < least:
        for name, files, others in _reports(seed, turn, folders):
            clean += 1
            before = findings_in(files, others)
            alarms += [(name, finding) for finding in before if finding.severity is not Severity.NOTE]
            outcomes += _damage(name, files, others, before, random.Random(f"{seed} {turn} {name}"))
        turn += 1
    return Selftest(outcomes=tuple(outcomes), clean=clean, alarms=tuple(alarms))


def _reports(seed: int, turn: int, folders: list[Path]) -> Iterator[tuple[str, Files, frozenset[str]]]:
    for style in STYLES:
        rng = random.Random(f"{seed} {turn} {style.__name__}")
        yield style.__name__, style(draw(rng), rng), frozenset()
    for folder in folders if turn == 0 else ():
        content = read_folder(folder, "")
        yield str(folder), {raw.file: raw.text for raw in content.raws}, content.names


def _damage(
    name: str, files: Files, others: frozenset[str], before: tuple[Finding, ...], rng: random.Random
) -> Iterator[Outcome]:
    known = {(finding.rule, finding.file, finding.message.en) for finding in before}
    for mutation in MUTATIONS:
        planted = mutation.plant(files, rng)
        if planted is None:
            continue
        new = [f for f in findings_in(planted.files, others) if (f.rule, f.file, f.message.en) not in known]
        right = {f.rule for f in new if f.file == planted.file or any(s.file == planted.file for s in f.evidence)}
        yield Outcome(mutation=mutation.name, report=name, wanted=planted.rules, found=frozenset(right))


def told(result: Selftest, lang: str) -> Iterator[str]:
    """The detection matrix and the false alarms, as lines."""
    rows: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in result.outcomes:
        rows[outcome.mutation].append(outcome)
    yield f"{'planted':>8} {'found':>6}  mutation (rules)" if lang == "en" else f"{'植入':>6} {'检出':>4}  变异（规则）"
    for name, outcomes in sorted(rows.items()):
        wanted = ", ".join(sorted(outcomes[0].wanted))
        yield f"{len(outcomes):>8} {sum(o.detected for o in outcomes):>6}  {name} ({wanted})"
    found = len(result.outcomes) - len(result.missed)
    share = 100 * found / len(result.outcomes)
    total, alarms, clean = len(result.outcomes), len(result.alarms), result.clean
    if lang == "en":
        yield f"{total} mutations, {found} found ({share:.1f} %); {alarms} false alarms in {clean} clean reports"
    else:
        yield f"{total} 处变异，检出 {found} 处（{share:.1f} %）；{clean} 份无缺陷报告中误报 {alarms} 处"
    for outcome in result.missed:
        yield f"  missed: {outcome.mutation} in {outcome.report}"
    for name, finding in result.alarms:
        yield f"  false alarm: {name}:{finding.line} {finding.rule} {finding.message.said(lang)}"
