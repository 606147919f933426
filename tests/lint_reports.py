"""Reports for the linter's tests, as texts and as folders."""

from __future__ import annotations

from pathlib import Path

from npu_deliver.lint import Finding, catalogue, lint, lint_submission
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import Submission, document

DATA = Path(__file__).parent / "unit/npu_deliver/lint/data"
NEED_FILES = ("NPU000a", "NPU000b", "NPU024c", "NPU025e", "NPU025f", "NPU025g", "NPU025h", "NPU025i")
"""Rules that no page breaks by itself: files beside it do, or what is no page. Their tests make files."""
EXAMPLES = [rule for rule in catalogue.RULES if rule.id not in NEED_FILES]
"""Rules whose examples are whole pages."""


def linted(text: str, name: str = "README.md") -> tuple[Finding, ...]:
    """The findings in one report that stands alone."""
    raw, _ = decode(text.encode("utf-8"), name)
    documents = [document(raw, name)] if raw else []
    return lint_submission(Submission(root=name, documents=documents, names=None)).findings


def rules_at(findings: tuple[Finding, ...], line: int) -> set[str]:
    """The rules that found something at a line."""
    return {finding.rule for finding in findings if finding.line == line}


def folder_findings(folder: Path, **files: str) -> tuple[Finding, ...]:
    """The findings in a folder with some files; ``__`` in a name is a slash, ``_dot_`` a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return lint([folder]).findings
