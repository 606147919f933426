"""Lint anybody's report: numbers against each other, claims against evidence. Reads text, never runs anything.

`lint` takes paths and gives a `Result`; `output` shows one as text, JSON or SARIF. The rules are data beside the checks
in `rules`; `catalogue` lists them. No framework, no template engine, no network.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from npu_deliver.lint import catalogue
from npu_deliver.lint.finding import Finding, Severity, Span
from npu_deliver.lint.reading.folder.submission import Planned, Submission, planned
from npu_deliver.lint.rules.form import Copies, print_of
from npu_deliver.lint.suppress import Suppression, split, suppressions

__all__ = ["Finding", "Result", "Severity", "lint", "lint_submission"]

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run found. ``files`` were read; ``waived`` findings have a suppression with a reason."""

    findings: tuple[Finding, ...]
    waived: tuple[tuple[Finding, Suppression], ...]
    files: int
    submissions: int

    def count(self, severity: Severity) -> int:
        """How many findings have a severity."""
        return sum(finding.severity is severity for finding in self.findings)


def lint(paths: list[Path], *, processes: int | None = None) -> Result:
    """Every finding in some reports and folders, by file and line.

    Args:
        paths: reports, folders of them, whole checkouts.
        processes: how many read at once; as many as there are processors where there are hundreds of submissions.

    Raises:
        ConfigError: a path does not exist.
    """
    findings: list[Finding] = []
    waived: list[tuple[Finding, Suppression]] = []
    files = submissions = 0
    seen = Copies()
    for result, printed in _read(planned(paths), processes):
        findings += [*result.findings, *seen.check(printed)]
        waived += result.waived
        files += result.files
        submissions += 1
    return Result(findings=tuple(findings), waived=tuple(waived), files=files, submissions=submissions)


_MANY = 100
"""Submissions from which on further processes are worth their start."""
_AT_ONCE = 8
_Read = tuple[Result, tuple[str, Span] | None]


def _read(plan: list[Planned], processes: int | None) -> Iterator[_Read]:
    """Each submission's findings and what its report is known by, in order; its text is dropped at once."""
    wanted = processes or (len(os.sched_getaffinity(0)) if len(plan) >= _MANY else 1)
    if wanted == 1:
        yield from map(_one, plan)
        return
    with ProcessPoolExecutor(wanted, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_one, plan, chunksize=_AT_ONCE)


def _one(work: Planned) -> _Read:
    submission = work.read()
    return lint_submission(submission), print_of(submission)


def lint_submission(submission: Submission) -> Result:
    """The findings of one submission; one finding a rule and line."""
    findings = [finding for check in catalogue.CHECKS for finding in check(submission)]
    marks: list[Suppression] = []
    for document in submission.documents:
        valid, refused = suppressions(document)
        marks += valid
        findings += refused
    unique = {(f.rule, f.file, f.line): f for f in reversed(findings)}
    order = {document.file: position for position, document in enumerate(submission.documents)}
    ordered = sorted(unique.values(), key=lambda f: (order.get(f.file, -1), f.line, _RANK[f.severity], f.rule))
    stand, waived = split(ordered, marks)
    return Result(findings=tuple(stand), waived=tuple(waived), files=len(submission.documents), submissions=1)
