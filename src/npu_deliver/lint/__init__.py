"""Lint anybody's report: numbers against each other, claims against evidence. Reads text, never runs anything.

`lint` takes paths and gives a `Result`; `output` shows one as text, JSON or SARIF. The rules are data beside the checks
in `rules`; `catalogue` lists them. No framework, no template engine, no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from npu_deliver.lint import catalogue
from npu_deliver.lint.finding import Finding, Severity
from npu_deliver.lint.reading.submission import Submission, gather
from npu_deliver.lint.rules.form import Copies
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


def lint(paths: list[Path]) -> Result:
    """Every finding in some reports and folders, by file and line.

    Raises:
        ConfigError: a path does not exist.
    """
    findings: list[Finding] = []
    waived: list[tuple[Finding, Suppression]] = []
    files = submissions = 0
    seen = Copies()
    for submission in gather(paths):  # one at a time: of a checkout of thousands, only what was found is kept
        result = lint_submission(submission)
        findings += [*result.findings, *seen.check(submission)]
        waived += result.waived
        files += result.files
        submissions += 1
    return Result(findings=tuple(findings), waived=tuple(waived), files=files, submissions=submissions)


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
