"""What sets a section of a page apart from the rest: a stage of the work, a device, a machine, a way of several.

Two statements in sections that are set apart differently speak of two things; a contradiction needs one.
"""

from __future__ import annotations

import re
from collections import Counter

from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.pages.genre import Genre, genre

_WORDS = (
    ("training", r"训练|train"),
    ("export", r"导出|export|转换|convert|onnx"),
    ("build", r"编译|构建|compil|build"),
    ("evaluation", r"评测|评估|eval"),
    ("inference", r"推理|infer"),
    ("deployment", r"部署|deploy|服务|serv"),
    ("gpu", r"(?<![a-z])(?:gpu|cuda|nvidia|a100|v100|t4)(?![a-z])|竞品|显卡"),
    ("cpu", r"(?<![a-z])cpu(?![a-z])"),
    ("x86", r"x86"),
    ("arm", r"(?<![a-z])arm(?![a-z])|aarch64"),
    ("container", r"容器|镜像|docker|container|image"),
    ("host", r"宿主|物理机|\bhost\b"),
    ("baseline", r"基线|baseline|优化前|旧版|参考(?:端|环境)|reference"),
    ("310", r"310[pb]?(?!\d)"),
    ("910", r"910[abc]?(?!\d)"),
)
_STAGES = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _WORDS)
_NUMBERED = re.compile(
    r"(?:方式|方法|场景|方案|案例|步骤|阶段|环境|配置|选项|option|method|case|scenario|environment)\s*"
    r"(?P<n>[一二三四五六七八九十\d]{1,2}|[A-Fa-f](?![a-z]))",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}(?:\.\w{1,8})*")
_ASIDE = re.compile(
    r"faq|常见问题|问题|排查|变更|更新|版本说明|发布|历史|changelog|change log|release|history|news|troubleshoot|"
    r"known issue|升级|upgrade|引用|citation|参考文献|issue|附注|compatib|兼容",
    re.IGNORECASE,
)


def stage(document: Document, line: int) -> frozenset[str]:
    """The words that set a line's section apart: of every heading above it but the page's title.

    What the whole page is about, training on a training page, sets nothing apart; a heading that comes again
    (``## Environments`` of each result) does.
    """
    return document.facts(_stages).get(document.lines[line - 1].section, frozenset())


_TROUBLE = re.compile(
    r"faq|常见问题|问题|故障|排查|报错|案例|troubleshoot|known issue|unsupported|不支持|error|fallback|回退",
    re.IGNORECASE,
)
_OF_CHIPS = frozenset({"310", "910"})


def apart(words: str) -> frozenset[str]:
    """What the words beside a statement, a caption, a key or a column's name, set apart.

    A chip's name is left out: an environment is often introduced with it, and is no other one for that.
    """
    return frozenset(word for word in _of((words,)) if word not in _OF_CHIPS and not word[0].isdigit())


def aside(document: Document, line: int) -> bool:
    """Whether a line stands where a page speaks of other times: questions, changes, releases."""
    return document.lines[line - 1].section in document.facts(_asides)


def on_trouble(document: Document) -> bool:
    """Whether a whole page, by its title, is about questions and errors."""
    title = next((section.title for section in document.structure.sections if section.title), "")
    return bool(_TROUBLE.search(title))


def _stages(document: Document) -> dict[int, frozenset[str]]:
    own = {Genre.TRAINING: "training", Genre.INFERENCE: "inference"}.get(genre(document))
    found = _titles(document)
    last = Counter(titles[-1].lower() for titles in found.values() if titles)
    return {
        number: _of(titles) - {own} | ({f"section {number}"} if titles and last[titles[-1].lower()] > 1 else set())
        for number, titles in found.items()
    }


def _asides(document: Document) -> frozenset[int]:
    return frozenset(n for n, titles in _titles(document).items() if any(_ASIDE.search(title) for title in titles))


def _titles(document: Document) -> dict[int, tuple[str, ...]]:
    """The headings above each section, without the page's own title: a first heading above all the others."""
    sections = document.structure.sections
    first = next((section for section in sections if section.titles), None)
    out = {}
    for number, section in enumerate(sections):
        titles = section.titles
        own = first is not None and titles[:1] == first.titles[:1] and first.level == 1
        out[number] = titles[1:] if own else titles
    return out


def _of(titles: tuple[str, ...]) -> frozenset[str]:
    text = " ".join(titles)
    words = {name for name, pattern in _STAGES if pattern.search(text)}
    words |= {f"#{match['n'].lower()}" for match in _NUMBERED.finditer(text)}
    words |= set(_VERSION.findall(text))
    return frozenset(words)
