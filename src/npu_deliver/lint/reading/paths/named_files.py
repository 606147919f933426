"""The files that a page names, as what it names them: the record behind its numbers, what a run will write, a tool.

A page that says where a run *will* keep its log promises no file; one that points to the log of its numbers does.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.markup.markdown import Line

_LOG_NAME = re.compile(r"(?<![\w./-])[\w./-]+\.(?:log|json|txt|csv)\b|```|日志", re.IGNORECASE)
_PICTURE = re.compile(r"!\[[^\[\]]*\]\((?P<path>[^)\s]{1,400})[^)]{0,400}\)|<img[^<>]+src=[\"'](?P<src>[^\"']+)")
_PICTURE_FILE = re.compile(r"\.png\b")
_RESULT_WORDS = re.compile(
    r"性能|精度|延迟|报告|结果|performance|precision|accuracy|latency|report|benchmark|dual|batch|双卡|对比",
    re.IGNORECASE,
)
_GALLERY = re.compile(
    r"展示|可视化|样例|示例|效果图|生成图|visuali[sz]|gallery|example|demo|architecture|结构图|流程图|overview",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?<![A-Za-z0-9_./@$}{<>-])(?P<path>(?:\./)?(?:[A-Za-z0-9_.-]{1,80}/){1,8}[A-Za-z0-9_.-]{1,80}"
    r"\.(?:log|json|csv|py|png|jpg|md|txt|sh))(?![A-Za-z0-9_/*{])"
)
_FOLDERS = re.compile(r"(?:logs?|results?|evaluation|eval|scripts?|screenshots?|npu_deliverables|assets)/")
_ADDRESS = re.compile(r"https?://")
_WRITES = re.compile(
    r"保存|生成|写入|输出(?:到|在|至|路径|文件|目录)|落盘|产生|得到|存放|存储|存在|会|将|运行后|执行后|"
    r"\bsav(?:ed?|ing)\b|\bwill\b|generat|\bwrit(?:e|ten)\b|output|produc|--\w|>\s|\btee\b|dump",
    re.IGNORECASE,
)
_RECORD = re.compile(r"日志|原始|记录|证据|结果|截图|\blogs?\b|record|evidence|results?\b|raw", re.IGNORECASE)
_RUNS = re.compile(r"(?:^|[`'\"“：:\s])(?:source|bash|sh|python3?(?:\.\d+)?|\.)\s+(?:\./)?[\w./-]+\.(?:sh|py)")
_ELSEWHERE = re.compile(
    r"git clone|(?:^|[\s`])cd\s|git am|git apply|patch|下载源码|获取源码|源码(?:包|下载)|unzip|tar -", re.IGNORECASE
)


_RECORDS = (".log", ".json", ".txt", ".csv", ".png", ".jpg")


class Role(enum.Enum):
    """The record of what the page reports, what a run writes, a script that the page has the reader run, or none."""

    RECORD = "record"
    OUTPUT = "output"
    TOOL = "tool"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a page names, by a path below one of the folders of results, logs or scripts."""

    path: str
    role: Role
    at: Span


@dataclass(frozen=True, slots=True)
class PicturedSection:
    """A section with a picture: whether figures stand beside it as text, a log is named, and what it is about."""

    title: str
    heading: Span
    picture: str
    at: Span
    shown: bool
    numbers: bool
    log: bool
    results: bool
    measured: bool


def names_a_log(document: Document) -> bool:
    """Whether a page names or shows any log."""
    return document.says(_LOG_NAME)


def named_files(document: Document) -> list[NamedFile]:
    """The files that a page names in its text and tables, each once."""
    return document.facts(_named_files)


def pictured_sections(document: Document) -> list[PicturedSection]:
    """The sections that hold a picture."""
    return document.facts(_pictured)


def _named_files(document: Document) -> list[NamedFile]:
    found: dict[str, NamedFile] = {}
    elsewhere = document.says(_ELSEWHERE)
    for line, _ in document.search(_NAMED, ("text", "table")):
        if _ADDRESS.search(line.plain):
            continue
        for match in _NAMED.finditer(line.plain):
            path = str(PurePosixPath(match["path"].removeprefix("./")))
            if _FOLDERS.match(path) and "xxx" not in path.lower():
                role = _role(document, line, match, elsewhere=elsewhere)
                found.setdefault(path, NamedFile(path, role, document.span(line.number)))
    return list(found.values())


def _role(document: Document, line: Line, match: re.Match[str], *, elsewhere: bool) -> Role:
    if _RUNS.search(line.plain) and match["path"].endswith((".sh", ".py")):
        return Role.OTHER if elsewhere else Role.TOOL
    if _WRITES.search(line.plain):
        return Role.OUTPUT
    if not match["path"].endswith(_RECORDS):
        return Role.OTHER
    titles = " ".join(document.structure.sections[line.section].titles[-1:])
    return Role.RECORD if _RECORD.search(f"{line.plain} {titles}") else Role.OTHER


def _pictured(document: Document) -> list[PicturedSection]:
    return list(_sections_with_pictures(document))


def _sections_with_pictures(document: Document) -> Iterator[PicturedSection]:
    by_section: dict[int, list[Line]] = {}
    for line, _ in (*document.search(_PICTURE), *document.search(_PICTURE_FILE)):
        by_section.setdefault(line.section, [])
    for line in document.lines if by_section else ():
        if line.section in by_section and line.zone != "blank":
            by_section[line.section].append(line)
    for index, lines in sorted(by_section.items()):
        yield _pictured_section(document, index, lines)


def _pictured_section(document: Document, index: int, lines: list[Line]) -> PicturedSection:
    sections = document.structure.sections
    section = sections[index]
    shown = [(line, match) for line in lines if (match := _PICTURE.search(line.text))]
    first = shown[0][0] if shown else lines[0]
    words = [_PICTURE.sub("", line.text) for line in lines if line.number != section.line]
    leaf = not any(s.titles[: len(section.titles)] == section.titles for s in sections[index + 1 :])
    about = f"{section.title} {first.text}"
    return PicturedSection(
        title=section.title,
        heading=document.span(section.line),
        picture=(shown[0][1]["path"] or shown[0][1]["src"] or "")[:80] if shown else "",
        at=document.span(first.number),
        shown=bool(shown) and leaf and section.level > 1,
        numbers=any(re.search(r"\d", text) for text in words),
        log=any(_LOG_NAME.search(line.plain) or line.zone == "log" for line in lines),
        results=bool(_RESULT_WORDS.search(about)) and not _GALLERY.search(section.title),
        measured=any(q.section == index and q.kind in ("latency", "throughput") for q in document.quantities.all),
    )
