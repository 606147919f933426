"""Signs that work was not done on the NPU: operators that fell back, devices taken silently, mocked extensions."""

from __future__ import annotations

import re

from npu_deliver.lint.finding import Quote
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.pages.stages import aside, on_trouble

_FELL = re.compile(
    r"fall(?:ing|s)? back to (?:run on )?(?:the )?cpu|not (?:currently )?supported on the npu backend", re.IGNORECASE
)
_DENIED = re.compile(
    r"没有|未出现|无|不存在|不会|禁止|已修复|已解决|如果|若|失败|no |not found|without|absent|0 |\bif\b|\bfails?\b",
    re.IGNORECASE,
)
_CHOSEN = re.compile(r"""['"]npu(?::\d)?['"]\s?if\s.{0,60}?is_available\(\)\s?else\s?['"]cpu['"]""")
_MOCK = re.compile(
    r"占位模块|mock\w{0,8}\s+(?:module|extension)[^.|]{0,30}|伪造.{0,6}模块|(?:创建|新建|写)\S{0,4}(?:空|假)的?\s?_C|"
    r"stub (?:module|extension)",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"_C|扩展|extension|cuda", re.IGNORECASE)


def fallback(document: Document) -> Quote | None:
    """The first line of a page or a log that says that an operator ran on the CPU; none that denies or explains it."""
    if document.kind not in ("log", "report"):
        return None
    if on_trouble(document):
        return None
    for line, match in document.search(_FELL, ("text", "log", "table")):
        told = line.zone != "log" and (_DENIED.search(line.plain) or aside(document, line.number))
        if not told:
            return Quote(document.span(line.number), match[0])
    return None


def silent_choice(document: Document) -> Quote | None:
    """The first expression that takes the CPU where there is no NPU, and says nothing."""
    if document.kind not in ("python", "report", "shell"):
        return None
    found = document.search(_CHOSEN, ("code", "log", "text"))
    return next((Quote(document.span(line.number), match[0]) for line, match in found), None)


def mocked_extension(document: Document) -> Quote | None:
    """The first line that puts a mock in the place of an extension module."""
    if document.kind not in ("python", "report", "shell"):
        return None
    found = document.search(_MOCK, ("code", "log", "text", "table"))
    return next((Quote(document.span(line.number), m[0]) for line, m in found if _EXTENSION.search(line.plain)), None)
