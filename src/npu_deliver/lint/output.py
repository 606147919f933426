"""A result as people and machines read it: text, JSON, SARIF 2.1.0. No stranger's text reaches a terminal raw."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import metadata
from typing import Any
from urllib.parse import quote

from npu_deliver.lint import Result, Severity, catalogue
from npu_deliver.lint.finding import Finding, Rule
from npu_deliver.lint.reading.folder.files import shown_text
from npu_eval.notation.sources import cited

_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m", Severity.NOTE: "\x1b[36m"}
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_WORDS = {
    "zh": {
        Severity.ERROR: "错误",
        Severity.WARNING: "警告",
        Severity.NOTE: "提示",
        "expected": "应为",
        "found": "实为",
        "see": "见",
    },
    "en": {
        Severity.ERROR: "error",
        Severity.WARNING: "warning",
        Severity.NOTE: "note",
        "expected": "expected",
        "found": "found",
        "see": "see",
    },
}
_EVIDENCE_SHOWN = 4


def text(result: Result, lang: str, *, colour: bool) -> Iterator[str]:
    """The lines of a result for people."""
    words = _WORDS[lang]
    file = ""
    for finding in result.findings:
        if finding.file != file:
            file = finding.file
            yield _paint(shown_text(file, 300), _BOLD, colour)
        level = _paint(str(words[finding.severity]), _COLOURS[finding.severity], colour)
        yield f"  {finding.line}: {level} {finding.rule} {shown_text(finding.message.said(lang), 300)}"
        for span in finding.evidence[:_EVIDENCE_SHOWN]:
            place = f"{span.line}" if span.file == file else f"{shown_text(span.file, 200)}:{span.line}"
            yield _paint(f"      {place} | {shown_text(span.text)}", _DIM, colour)
        semicolon = "；" if lang == "zh" else "; "
        wanted = f"{words['expected']} {shown_text(finding.expected.said(lang), 300)}"
        yield f"      {wanted}{semicolon}{words['found']} {shown_text(finding.found.said(lang))}"
    yield _total(result, lang)


def _total(result: Result, lang: str) -> str:
    errors, warnings, notes = (result.count(s) for s in (Severity.ERROR, Severity.WARNING, Severity.NOTE))
    waived = len(result.waived)
    if lang == "zh":
        read = f"{result.submissions} 份提交，{result.files} 个文件"
        return f"{read}：{errors} 个错误，{warnings} 个警告，{notes} 个提示，{waived} 个已抑制（均有理由）"
    read = f"{_counted(result.submissions, 'submission')}, {_counted(result.files, 'file')}"
    counts = ((errors, "error"), (warnings, "warning"), (notes, "note"))
    found = ", ".join(_counted(count, noun) for count, noun in counts)
    return f"{read}: {found}, {waived} suppressed, each with a reason"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _paint(words: str, code: str, colour: bool) -> str:
    return f"{code}{words}{_PLAIN}" if colour else words


def as_json(result: Result, lang: str) -> str:
    """The result as one JSON document."""
    return json.dumps(
        {
            "findings": [_finding(finding, lang) for finding in result.findings],
            "suppressed": [_finding(finding, lang) | {"reason": mark.reason} for finding, mark in result.waived],
            "errors": result.count(Severity.ERROR),
            "warnings": result.count(Severity.WARNING),
            "notes": result.count(Severity.NOTE),
            "files": result.files,
            "submissions": result.submissions,
        },
        ensure_ascii=False,
        indent=2,
    )


def _finding(finding: Finding, lang: str) -> dict[str, Any]:
    evidence = [{"file": s.file, "line": s.line, "text": shown_text(s.text, 300)} for s in finding.evidence]
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "file": finding.file,
        "line": finding.line,
        "message": shown_text(finding.message.said(lang), 500),
        "evidence": evidence,
        "expected": shown_text(finding.expected.said(lang), 300),
        "found": shown_text(finding.found.said(lang), 300),
    }


SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(result: Result, lang: str) -> str:
    """The result as SARIF 2.1.0 (OASIS), for code-scanning viewers."""
    rules = [_sarif_rule(rule, lang) for rule in catalogue.RULES]
    index = {rule.id: position for position, rule in enumerate(catalogue.RULES)}
    results = [_sarif_result(f, lang, index) for f in result.findings]
    results += [
        _sarif_result(f, lang, index) | {"suppressions": [{"kind": "inSource", "justification": mark.reason}]}
        for f, mark in result.waived
    ]
    tool = {"driver": {"name": "npu-deliver lint", "version": metadata.version("npu-deliver"), "rules": rules}}
    run = {"tool": tool, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def _sarif_rule(rule: Rule, lang: str) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title.said(lang)},
        "fullDescription": {"text": rule.why.said(lang)},
        "help": {"text": rule.formula},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _sarif_result(finding: Finding, lang: str, index: dict[str, int]) -> dict[str, Any]:
    words = _WORDS[lang]
    compared = f"{words['expected']} {finding.expected.said(lang)}; {words['found']} {finding.found.said(lang)}"
    message = f"{finding.message.said(lang)} [{compared}]"
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": str(finding.severity),
        "message": {"text": shown_text(message, 800)},
        "locations": [_location(finding.file, finding.line)],
        "relatedLocations": [
            _location(s.file, s.line) | {"message": {"text": shown_text(s.text, 300)}} for s in finding.evidence
        ],
    }


def _location(file: str, line: int) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(os.fsencode(file))},
            "region": {"startLine": max(1, line)},
        }
    }


def explanation(rule: Rule, lang: str) -> str:
    """A rule with its reason, its formula, and an example that passes and one that fails."""
    names = ("为什么", "公式", "通过", "不通过") if lang == "zh" else ("why", "formula", "passes", "fails")
    whose = [f"{'出处' if lang == 'zh' else 'source'}: {cited(rule.sources, lang)}"] if rule.sources else []
    examples = [
        f"{name}:\n{_indented(example)}"
        for name, example in zip(names[2:], (rule.good, rule.bad), strict=True)
        if example
    ]
    head = f"{rule.id} ({_WORDS[lang][rule.severity]}): {rule.title.said(lang)}"
    told = [head, f"{names[0]}: {rule.why.said(lang)}", *whose, f"{names[1]}: {rule.formula}", *examples]
    return "\n".join(told)


def _indented(example: str) -> str:
    return "\n".join(f"    {line}" for line in example.rstrip().splitlines())


def listing(lang: str) -> Iterator[str]:
    """One line for each rule."""
    for rule in catalogue.RULES:
        yield f"{rule.id:<8} {_WORDS[lang][rule.severity]:<8} {rule.title.said(lang)}"
