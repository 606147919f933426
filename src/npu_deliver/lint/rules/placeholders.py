"""No value left as a placeholder, none empty (checks 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Submission
from npu_deliver.lint.reading.forms.fields import empty_fields
from npu_deliver.lint.reading.forms.placeholders import placeholders
from npu_deliver.lint.reading.pages.genre import foreign

PLACEHOLDER = rule("NPU001")
EMPTY = rule("NPU002")
RULES = (PLACEHOLDER, EMPTY)


def check(submission: Submission) -> Iterator[Finding]:
    """Placeholders and empty fields of one submission."""
    for document in (page for page in submission.reports if not foreign(submission, page)):
        for left in placeholders(document):
            said = Text(f"“{left.sign}”没有被替换成值", f"'{left.sign}' was never replaced by a value")
            if left.task:
                said = Text(f"正文里留着“{left.sign}”", f"a '{left.sign}' was left in the text")
            yield found(PLACEHOLDER, left.at, said, expected=due.A_VALUE, got=left.sign)
        for field in empty_fields(document):
            said = Text(f"字段“{field.name}”没有值", f"the field '{field.name}' has no value")
            wanted = due.A_VALUE_OR_WHY_NOT
            yield found(EMPTY, field.at, said, expected=wanted, got=field.value or due.EMPTY)
