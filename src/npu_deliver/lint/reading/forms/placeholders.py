"""Which spans are placeholders that somebody forgot to fill in, and which only show where a reader puts his own value.

The same signs serve both: ``${bs}`` in a file name is a documented variable, ``| accuracy | ${acc} |`` a template that
was never expanded. What tells them apart is the place: a placeholder stands where a value is due, and nothing in the
page gives the name a meaning.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.folder.submission import Document
from npu_deliver.lint.reading.forms.slots import Slot, slots
from npu_deliver.lint.reading.markup.markdown import Line
from npu_deliver.lint.reading.pages.genre import Genre, genre


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder that stands for a value, or a ``task`` that was left undone: the line, and the sign itself."""

    at: Span
    sign: str
    task: bool = False


_UNIT = r"(?:\s?(?:%|ms|us|fps|qps|img/s|imgs/s|images/s|it/s|[gm]i?b|张/秒|帧/秒|张每秒|倍|毫秒|秒)|\s[sx])(?![\w/$])"
_SHELL = r"\$\{(?P<in>[A-Za-z_]\w*+)\}|\$(?P<bare>[A-Za-z_]\w*+)(?!\$)"
_FORMAT = r"\{(?P<field>(?-i:[a-z_])\w*)(?:[:!][^{}]{0,12})?\}|%\((?P<old>\w+)\)[.\d]*[sdfge]|@(?P<cmake>[A-Za-z_]\w+)@"
_TEMPLATE = r"(?<![\\\w^}])\{\{-?\s?[A-Za-z_一-鿿][^{}]*\}\}|\{%[^{}]*%\}|<%[^<>]*%>"
_CROSSES = r"(?:[xX]{2,5}|[xX]{1,4}(?:\.[xX]{1,5})+|\?{2,})(?![xX.])"
_WORD = r"(?:TODO|TBD|TBA|FIXME|todo|tbd)(?![\w-])(?:\s?[:(,\-].*)?"
_ZH = (
    r"(?:[^\s|]{0,8}?)待(?:补充|填写?|完善|更新|添加|补全|确认|定)(?:[^\s|]{0,4})|"
    r"(?:此处|这里|请|需)(?:请|需|自行)?(?:填写|填入|补充|替换)[^\s|。,]{0,16}|填写[^\s|。,]{0,12}|占位符?|暂缺|"
    r"to be (?:filled(?: in)?|added|determined|completed|updated|provided)|fill (?:me )?in|placeholder|"
    r"insert [\w ]{1,20} here"
)
_ANGLE = r"<\s*(?!/|!|br|p>|img|https?:|[\w.+-]+@)[^<>|=/\"@:]{2,40}>"
_SIGN = rf"(?:{_TEMPLATE}|{_CROSSES}|{_WORD}|{_ZH}|{_ANGLE})"
_NUMBERS_SIGN = re.compile(
    rf"[~约±<>≥≤]?\s*{_CROSSES}(?:{_UNIT})?(?:\s*[/~、,±]\s*{_CROSSES}(?:{_UNIT})?)*", re.IGNORECASE
)
_WHOLE = re.compile(rf"[~约±<>≥≤]?\s*(?P<sign>{_SIGN})(?:{_UNIT})?", re.IGNORECASE)
_WHOLE_NAMED = re.compile(
    rf"[~约±]?\s*(?:{_SHELL}|{_FORMAT})(?:{_UNIT})?(?:\s*[/,、]\s*\$\{{?\w+\}}?(?:{_UNIT})?)*", re.IGNORECASE
)
_LEADS = re.compile(rf"(?P<sign>{_SHELL})(?=\s|[(,;。])")
"""A value that begins with a variable and goes on with a remark."""
_AROUND = " \t*_`~()[]【】「」\"'。.;,"
_ABOUT = re.compile(r"占位|placeholder|未展开|unexpanded|模板|template|jinja|vue|mustache|prompt|字段名", re.IGNORECASE)
_EXAMPLE = re.compile(
    r"例如|如下|示例|举例|形如|比如|格式|类似|假设|替换|打印|回显|日志|报错|错误|命令|e\.g|such as|for example|format|"
    r"replace|suppose|assume|\blike\b|error|表示|代表|指代|其中|stands for",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"为|是|表示|指|代表|替换|设置|设为|记为|记作|即|根据|自行|通过|查看|replace|means?\b|\bis\b|\bare\b|refers?|"
    r"stands for|called|set to|should be|your\b|[::=]",
    re.IGNORECASE,
)
_CODE_SPAN = re.compile(r"`[^`]*`")
_LATEX = re.compile(r"\\(?:mathop|mathrm|mathbf|frac|text|left|right|tilde|nolimits|begin|sum|cdot)\b")
_MATH = re.compile(r"\$[A-Za-z]\w{0,40}\$|" + r"\$\$.{0,400}?\$\$|\$[^$]{0,200}[\\^_={}+*/<>][^$]{0,200}\$")
_IN_TEXT = re.compile(
    rf"(?P<template>{_TEMPLATE})|(?<![\w$\\./=-])(?P<number>{_CROSSES}{_UNIT})|"
    rf"(?<![\w$\\./=_-])(?P<measured>(?:{_SHELL}|\{{(?P<braced>[a-z_]\w*)(?::[^{{}}]{{0,12}})?\}}){_UNIT})|"
    r"(?P<fill><\s*(?:TODO|TBD|FIXME|填写[^<>]{0,20}|待[^<>]{1,8}|请[^<>]{1,12})\s*>|"
    r"[\[【(]\s*(?:待补充|待填写?|请填写[^\]】)]{0,12}|此处填写[^\]】)]{0,12})\s*[\]】)])|"
    r"(?P<wait>待(?:补充|填写|补全)(?=\s*(?:[。.;,)!|]|$)))|(?P<here>(?:此处|这里)(?:请|需|待)?(?:填写|填入|补充|插入))|"
    r"(?P<lorem>lorem ipsum)",
    re.IGNORECASE,
)
_TITLE = re.compile(
    rf"(?<![\w/$\\])(?P<named>{_SHELL})(?![\w/.])|"
    r"<\s?(?:模型名称?|网络名称?|model[ _-]?name|your [\w ]{1,20}|x{2,5})\s?>|"
    r"(?<![A-Za-z0-9_.\-])x{2,5}(?![A-Za-z0-9_.\-])",
    re.IGNORECASE,
)
_SITE = re.compile(r"^\s*:{3,}\s*\{|^\s*`{3,}\{|\{% (?:for|if|include|set|endif|endfor)\b|include_code\(", re.MULTILINE)
_TASK = re.compile(r"^\s*(?P<bullet>(?:[-*+]|\d{1,2}[.)])\s+)?[*_>\s]*(?P<word>TODO|FIXME)[*_]*\s?[:：]\s*\S")
_TASK_WORD = re.compile(r"(?<![\w/.#-])(?:TODO|FIXME|TBD)(?![\w/.-])")
_PLANS = re.compile(r"\bto-?\s?do\b|roadmap|计划|待办|后续|未来|future", re.IGNORECASE)


def placeholders(document: Document) -> tuple[Placeholder, ...]:
    """The placeholders of a page that stand where a value is due, one a line."""
    return document.facts(_placeholders)


def _placeholders(document: Document) -> tuple[Placeholder, ...]:
    names = _Names(document)
    signs: dict[int, str] = {}
    tasks: set[int] = set()
    for slot in slots(document):
        if slot.line not in signs and (sign := _unfilled(slot, names)):
            signs[slot.line] = sign
    for line in document.lines:
        if line.zone in ("text", "table") and line.number not in signs and (sign := _in_text(line, document, names)):
            signs[line.number] = sign
            if _TASK_WORD.fullmatch(sign):
                tasks.add(line.number)
    return tuple(Placeholder(document.span(n), sign, task=n in tasks) for n, sign in sorted(signs.items()))


class _Names:
    """Which names a page explains: those that its code uses or defines, and those that a sentence speaks about."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.report = genre(document) is Genre.REPORT
        self.code = "\n".join(line.plain for line in document.lines if line.zone in ("code", "log"))

    @functools.cached_property
    def fills_in(self) -> bool:
        """Whether the page is the source of a site that fills its templates in: its code has them, too."""
        return bool(re.search(_TEMPLATE, self.code) or _SITE.search(self.document.plain))

    def shows(self, number: int) -> bool:
        """Whether the lines above say that a form of output is shown, rather than a result."""
        above = [line.plain for line in self.document.lines[max(number - 5, 0) : number - 1] if line.zone == "text"]
        return any(_EXAMPLE.search(plain) for plain in above[-2:])

    def explained(self, name: str, line: int) -> bool:
        """Whether the page, other than in a line, says what a name stands for."""
        plain = re.escape(name)
        used = rf"\$\{{?{plain}\b|\{{{plain}\}}|<{plain}>"
        if re.search(rf"{used}|(?<!\w){plain}\s*=|--{plain}\b", self.code):
            return True
        return any(
            other.number != line
            and other.zone == "text"
            and re.search(used, other.plain)
            and _DEFINES.search(other.plain)
            for other in self.document.lines
        )


def _unfilled(slot: Slot, names: _Names) -> str:
    """The sign of a slot that holds a placeholder and nothing else; empty for a value."""
    if _ABOUT.search(f"{slot.name} {slot.row}"):
        return ""
    value = slot.value.strip(_AROUND)
    if slot.asked and (leads := _LEADS.match(value)) and not _is_known(leads, slot, names):
        return leads["sign"]
    if not value or len(value) > 80:
        return ""
    if named := _WHOLE_NAMED.fullmatch(value):
        kind = bool(named["field"]) and not (slot.asked and names.report)  # {object} is how some pages write a type
        return "" if kind or _is_known(named, slot, names) else value
    if _NUMBERS_SIGN.fullmatch(value):
        due = slot.asked and (slot.form == "field" or slot.counted) and not names.shows(slot.line)
        return value if due else ""
    whole = _WHOLE.fullmatch(value)
    if whole is None or _LATEX.search(value) or (re.match(_TEMPLATE, whole["sign"]) and names.fills_in):
        return ""
    if whole["sign"].startswith("<") and not _fills(whole["sign"]):
        return value if slot.asked and names.report else ""
    return value


def _fills(sign: str) -> bool:
    return bool(re.search(r"TODO|TBD|填|待|请|your|here", sign, re.IGNORECASE))


def _is_known(match: re.Match[str], slot: Slot, names: _Names) -> bool:
    """Whether a variable that is all of a value is one that the page, or the system, gives a meaning."""
    name = next(name for key, name in match.groupdict().items() if name and key != "sign")
    if name.isupper() or not re.search(r"[a-z]", name):
        return True
    if any(name.lower() in other.lower() for other in (slot.name, *slot.others) if len(name) > 3 and "$" not in other):
        return slot.form == "cell" and len(slot.others) > 1
    return names.explained(name, slot.line)


def _in_text(line: Line, document: Document, names: _Names) -> str:
    """The placeholder in a sentence, where its place says that a value is due there."""
    plain = line.plain
    if (
        plain.startswith("[//]:")
        or _LATEX.search(plain)
        or not re.search(r"[{$%<xX待此这]|TODO|FIXME|TBD|[Ll]orem", plain)
    ):
        return ""
    plain = _MATH.sub(_blank, _CODE_SPAN.sub(_blank, plain))
    if line.number == document.facts(_title_line):
        return _in_title(line.number, plain, names)
    if task := _left_task(line, plain, document):
        return task
    if _ABOUT.search(plain):
        return ""
    report = genre(document) is Genre.REPORT
    for match in _IN_TEXT.finditer(plain):
        if match["template"] and report and not names.fills_in:
            return match[0]
        if match["measured"] and not names.explained(match["in"] or match["bare"] or match["braced"], line.number):
            return match[0]
        if match["number"] and not _EXAMPLE.search(plain) and not names.shows(line.number):
            return match[0]
        if match["fill"] or match["wait"] or match["here"] or match["lorem"]:
            return match[0]
    return ""


def _title_line(document: Document) -> int:
    """The line of a page's title, its first heading where that is of the first level; 0 for none."""
    first = next((section for section in document.structure.sections if section.title), None)
    return first.line if first and first.level == 1 else 0


def _in_title(number: int, plain: str, names: _Names) -> str:
    """The placeholder in a page's title, where the name of the model is due."""
    match = None if _ABOUT.search(plain) else _TITLE.search(plain)
    if match is None:
        template = re.search(_TEMPLATE, plain)
        return template[0] if template and not _ABOUT.search(plain) else ""
    name = match["in"] or match["bare"]
    return "" if name and (name.isupper() or names.explained(name, number)) else match[0]


def _left_task(line: Line, plain: str, document: Document) -> str:
    """A note to oneself that was left behind; a section of plans is none, nor are an upstream page's bullets.

    A guide that says what of it is still to be written is honest about it: no value is due there.
    """
    kind = genre(document)
    if not _TASK_WORD.search(plain) or plain.lstrip().startswith("#") or kind is Genre.GUIDE:
        return ""
    section = document.structure.sections[line.section]
    if any(_PLANS.search(title) for title in section.titles):
        return ""
    report = kind is Genre.REPORT
    task = _TASK.match(plain)
    if task and (report or not task["bullet"]):
        return task["word"]
    word = _TASK_WORD.search(plain)
    return word[0] if report and word and not _ABOUT.search(plain) else ""


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
