"""One version for each component of one environment (check 3)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.environment.versions import Use, Version, versions
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.pages.genre import foreign

VERSIONS_DIFFER = rule("NPU003c")
RULES = (VERSIONS_DIFFER,)


def check(submission: Submission) -> Iterator[Finding]:
    """Components that are stated with two versions in one environment."""
    for document in (page for page in submission.reports if not foreign(submission, page)):
        first: dict[tuple[str, frozenset[str]], Version] = {}
        for version in versions(document):
            if version.use is not Use.STATED:
                continue
            known = first.setdefault((version.component, version.stage), version)
            if not known.agrees(version):
                first[version.component, version.stage] = version
                yield _differ(known, version)


def _differ(known: Version, version: Version) -> Finding:
    name, line = version.component, known.at.line
    said = Text(
        f"{name} 在此为 {version.text}，在第 {line} 行为 {known.text}",
        f"{name} is {version.text} here and {known.text} in line {line}",
    )
    return found(VERSIONS_DIFFER, version.at, said, expected=known.text, got=version.text, evidence=(known.at,))
