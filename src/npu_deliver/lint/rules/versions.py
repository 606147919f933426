"""One version for each component (check 3), and where a document states the versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Finding, Span, Text, found, rule
from npu_deliver.lint.reading.submission import Document, Submission

VERSIONS_DIFFER = rule("NPU003c")
RULES = (VERSIONS_DIFFER,)


def check(submission: Submission) -> Iterator[Finding]:
    """Components that have two versions in one submission."""
    yield from _versions(submission)


_COMPONENT = re.compile(
    r"(?<![\w-])(?P<name>torch[_-]npu|torchvision|torch|pytorch|cann|python|timm|transformers|mindspore)(?![\w-])"
    r"[\s:=|*`(]{0,6}(?:版本|version)?[\s:=|*`v]{0,4}(?P<version>\d+\.\d+(?:\.\w+)*(?:\+\w+)?)",
    re.IGNORECASE,
)


_NAME = r"torch[_-]npu|torchvision|torch|pytorch|cann|python"
_VERSION = r"\d+\.\d+(?:\.\w+)*(?:\+\w+)?"
_PAIRED = re.compile(
    rf"(?P<a>{_NAME})\s*[/、&]\s*(?P<b>{_NAME})[\s:=|*`]+(?P<x>{_VERSION})\s*[/、&]\s*(?P<y>{_VERSION})", re.IGNORECASE
)
"""``torch / torch_npu | 2.8.0 / 2.8.0.post2`` names two components and then two versions."""


def _component(name: str) -> str:
    return name.lower().replace("-", "_").replace("pytorch", "torch")


def components(
    document: Document, zones: tuple[str, ...] = ("text", "table", "log")
) -> Iterator[tuple[str, str, Span]]:
    """(component, version, place) for every version that a document states."""
    for line in document.lines:
        if line.zone in zones and not re.search(r"https?://\S*$|docker pull|image:", line.plain[:200]):
            if pair := _PAIRED.search(line.plain):
                for name, version in ((pair["a"], pair["x"]), (pair["b"], pair["y"])):
                    yield _component(name), version, document.span(line.number)
                continue
            for match in _COMPONENT.finditer(line.plain):
                yield _component(match["name"]), match["version"].rstrip("."), document.span(line.number)


def _versions(submission: Submission) -> Iterator[Finding]:
    for document in submission.reports:
        seen: dict[str, tuple[str, Span]] = {}
        for name, version, at in components(document, ("text", "table")):
            if re.search(
                r"支持|兼容|要求|需要|或|以上|及|/|support|compatib|require|or later|升级|upgrade|issue|对应|"
                r"配套关系|not |不",
                at.text,
            ):
                continue
            plain = version.split("+")[0].lower()
            first = seen.setdefault(name, (plain, at))
            if not (plain.startswith(first[0]) or first[0].startswith(plain)):
                yield found(
                    VERSIONS_DIFFER,
                    at,
                    Text(
                        f"{name} 在此为 {version}，在第 {first[1].line} 行为 {first[0]}",
                        f"{name} is {version} here and {first[0]} in line {first[1].line}",
                    ),
                    expected=first[0],
                    got=version,
                    evidence=(first[1],),
                )
                seen[name] = (plain, at)
