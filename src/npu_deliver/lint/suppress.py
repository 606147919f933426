"""Suppressions: a comment in the report that waives one rule for the next line, with its reason, and is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npu_deliver.lint.finding import Finding, Text, found
from npu_deliver.lint.reading.folder.submission import ZONES, Document
from npu_deliver.lint.rules.unread import SUPPRESSION

_MARK = re.compile(
    r"npu-lint:\s*ignore\s+(?P<rules>NPU\d{3}[a-z]?(?:\s*,\s*NPU\d{3}[a-z]?)*)(?P<rest>.*)", re.IGNORECASE
)
_REASON = re.compile(
    r"(?:because|reason:|因为|原因[:：]|理由[:：])\s*(?P<reason>.{3,300}?)\s*(?:-->|\*/|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One waived rule at one line of one file."""

    file: str
    line: int
    rule: str
    reason: str


def suppressions(document: Document) -> tuple[list[Suppression], list[Finding]]:
    """The suppressions of a document, and a finding for each that gives no reason."""
    valid: list[Suppression] = []
    refused: list[Finding] = []
    for line, match in document.search(_MARK, ZONES):
        reason = _REASON.search(match["rest"])
        names = [name.strip() for name in match["rules"].split(",")]
        if reason is None:
            refused.append(
                found(
                    SUPPRESSION,
                    document.span(line.number),
                    Text("抑制没有写理由，不生效", "the suppression gives no reason and has no effect"),
                    expected="because …",
                    got=", ".join(names),
                )
            )
            continue
        valid += [Suppression(document.file, line.number, name.lower(), reason["reason"]) for name in names]
    return valid, refused


def split(findings: list[Finding], marks: list[Suppression]) -> tuple[list[Finding], list[tuple[Finding, Suppression]]]:
    """(findings that stand, findings that a suppression of their line or the line above waives)."""
    stand: list[Finding] = []
    waived: list[tuple[Finding, Suppression]] = []
    for finding in findings:
        mark = next(_matching(finding, marks), None)
        if mark is None:
            stand.append(finding)
        else:
            waived.append((finding, mark))
    return stand, waived


def _matching(finding: Finding, marks: list[Suppression]) -> Iterator[Suppression]:
    for mark in marks:
        same_rule = finding.rule.lower() == mark.rule or (
            len(mark.rule) == 6 and finding.rule.lower().startswith(mark.rule)
        )
        if mark.file == finding.file and finding.line in (mark.line, mark.line + 1) and same_rule:
            yield mark
