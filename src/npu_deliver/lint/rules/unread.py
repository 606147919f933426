"""What could not be read is said, never passed over: a report that nobody can read is no clean report."""

from __future__ import annotations

from collections.abc import Iterator

from npu_deliver.lint import expectations as due
from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.folder.submission import Submission

UNREAD = rule("NPU000a")
BROKEN = rule("NPU000b")
SUPPRESSION = rule("NPU000c")
RULES = (UNREAD, BROKEN, SUPPRESSION)

_WHAT = {
    "binary": Text("是二进制文件，没有读取", "is binary and was not read"),
    "cut": Text("过大，只读了开头", "is too large; only its beginning was read"),
    "link": Text("是指向文件夹之外的链接，没有读取", "is a link out of the folder and was not read"),
    "special": Text("不是普通文件，没有读取", "is no plain file and was not read"),
    "unreadable": Text("无法读取", "cannot be read"),
    "budget": Text("超出本次读取总量，没有读取", "is beyond what one run reads"),
    "zip": Text("是压缩包，没有读取其内容", "is an archive; its content was not read"),
    "encoding": Text("不是 UTF-8，已按其他编码读取", "is not UTF-8; it was read in another encoding"),
}


def check(submission: Submission) -> Iterator[Finding]:
    """What stood in the way of reading a submission."""
    for problem in submission.problems:
        text = _WHAT[problem.what]
        at = Span(problem.file, 1, problem.detail)
        yield found(
            UNREAD,
            at,
            Text(f"{problem.file} {text.zh}（{problem.detail}）", f"{problem.file} {text.en} ({problem.detail})"),
            expected=due.READABLE,
            got=problem.detail,
        )
    for document in submission.documents:
        if document.broken is not None:
            yield found(
                BROKEN,
                document.span(document.broken.line),
                Text("JSON 在此处无法继续读取", "the JSON cannot be read beyond this line"),
                expected=due.WELL_FORMED,
                got=document.broken.what,
            )
