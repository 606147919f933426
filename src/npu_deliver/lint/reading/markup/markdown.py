"""The lines of a report and what they are: headings, tables, pairs, log text, code. Any text gives a structure.

`blocks` says what Markdown makes of a text. Here stands what a Markdown parser cannot give: front matter, headings that
are only numbered, commands among log text, tables in log text, and keys with their values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from npu_deliver.lint.reading.markup.blocks import Blocks, blocks, loose_tables
from npu_deliver.lint.reading.words.number import narrow

_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_NUMBERED = re.compile(
    r"^\s*(?:[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,2}[.、]?\s)\s*(?P<title>[^:：|=]{2,40})$"
)
_BULLET = re.compile(r"^\s*(?:[-*+•·●▪◦]|\d{1,2}[.)、])\s+")
_COMMAND = re.compile(
    r"^\s*(?:(?:\$|>>>)\s|(?:#|\(\w+\)|python\d?|pip\d?|git|docker|export|source|bash|sh|cd|conda|import|from|npu-smi|wget|"
    r"curl|sudo|def|class|atc|nerdctl"
    r"|torchrun|msprof|mkdir|cp|mv|apt|yum|FROM|RUN|[A-Z_]{3,}=\S+ )\b)"
)
_CODE_LANGUAGES = {
    "bash",
    "sh",
    "shell",
    "python",
    "py",
    "yaml",
    "json",
    "dockerfile",
    "c",
    "cpp",
    "toml",
    "ini",
    "diff",
    "console",
    "zsh",
    "powershell",
    "makefile",
    "sql",
    "html",
    "xml",
    "mermaid",
}
_PAIR = re.compile(r"^(?P<key>[^:=]{1,60}?)\s*(?P<sign>[:=])(?![/=])\s*(?P<value>.*)$")


@dataclass(slots=True)
class Section:
    """A heading and everything up to the next one of its level. ``titles`` from the outermost in."""

    line: int
    level: int
    titles: tuple[str, ...]

    @property
    def title(self) -> str:
        """The section's own heading."""
        return self.titles[-1] if self.titles else ""


@dataclass(slots=True)
class Line:
    """One line. ``zone`` is text, log, code, table, front, comment or blank; ``plain`` is the line with ASCII forms."""

    number: int
    text: str
    plain: str
    zone: str
    section: int


@dataclass(slots=True)
class Table:
    """A table: the header's cells and each row's line and cells, as printed without the markup around them."""

    line: int
    header: tuple[str, ...]
    rows: list[tuple[int, tuple[str, ...]]]
    section: int


@dataclass(slots=True)
class Pair:
    """A key and a value: a bullet, a line of a log, or a row of a table with two columns."""

    line: int
    key: str
    value: str
    section: int
    table: bool
    nested: bool


@dataclass(slots=True)
class Structure:
    """Everything a text is made of. ``titled``: one heading stands above all others, the title of the page."""

    lines: list[Line] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    front: dict[str, list[str]] = field(default_factory=dict)
    front_lines: dict[str, int] = field(default_factory=dict)
    titled: bool = False


def bare(text: str) -> str:
    """A key or cell without Markdown's emphasis and the marks in front of it."""
    # an asterisk between two words multiplies: ``320*8``
    return re.sub(r"\*\*|(?<![\w)])\*|\*(?![\w(])|`|^\s*[-•·●▪◦+]\s+|✅|❌|⚠️?|🎯|📊", "", text).strip()


def parse(raw_lines: tuple[str, ...], *, log: bool = False, plain: str | None = None) -> Structure:
    """The structure of a text; ``log`` for a file that is no Markdown, ``plain`` the text if narrowed already."""
    out = Structure(sections=[Section(line=1, level=0, titles=())])
    plains = (narrow("\n".join(raw_lines)) if plain is None else plain).split("\n") if raw_lines else []
    start = 0 if log else _front_matter(raw_lines, plains, out)
    read = Blocks(["log" if plain.strip() else "blank" for plain in plains]) if log else blocks(plains, start)
    zones = _zones(read, plains)
    loose = loose_tables(plains, [start <= index and zone in ("text", "log") for index, zone in enumerate(zones)])
    for table in loose:
        for line in (table.line, table.line + 1, *(line for line, _ in table.rows)):
            zones[line - 1] = "table"
    above = out.sections[:]
    for index in range(start, len(plains)):
        if zones[index] == "text":
            _note_heading(index, plains[index], read, out, above)
        out.lines.append(Line(index + 1, raw_lines[index], plains[index], zones[index], len(out.sections) - 1))
    for table in sorted((*read.tables, *loose), key=lambda table: table.line):
        if len(table.header) > 1:
            header = tuple(bare(cell) for cell in table.header)
            out.tables.append(Table(table.line, header, list(table.rows), out.lines[table.line - 1].section))
    _find_pairs(out)
    first = out.sections[1:2]
    out.titled = len(out.sections) > 2 and sum(section.level == first[0].level for section in out.sections) == 1
    return out


def _zones(read: Blocks, plains: list[str]) -> list[str]:
    """What the reader of a line makes of it: text, log, code, table, comment or blank."""
    zones: list[str] = []
    first, prose = 0, False
    for index, kind in enumerate(read.kinds):
        if index and kind != "blank" and kind != read.kinds[first]:
            first = index
        if kind == "indented" and first == index:
            prose = _has_prose(read.kinds, plains, index)
        on = index and zones[index - 1] == "code" and plains[index - 1].rstrip().endswith("\\")
        if kind == "mark":
            zones.append("code")
        elif kind == "indented":
            zones.append("text" if prose else "code" if on or _COMMAND.match(plains[index]) else "log")
        elif kind.startswith("fence:"):
            zones.append(_fenced(kind[len("fence:") :], plains[index], on=bool(on)))
        else:
            zones.append(kind)
    return zones


def _has_prose(kinds: list[str], plains: list[str], first: int) -> bool:
    """Whether an indented block is a paragraph that somebody moved to the right: it has Chinese sentences."""
    end = next((i for i in range(first, len(kinds)) if kinds[i] not in ("indented", "blank")), len(kinds))
    return any(re.search(r"[\u4e00-\u9fff]{6}|[\u4e00-\u9fff][,，。:：、]", plains[i]) for i in range(first, end))


def _fenced(language: str, plain: str, *, on: bool) -> str:
    if language:
        return "code" if language in _CODE_LANGUAGES else "log"
    return "code" if on or _COMMAND.match(plain) else "log"


def _note_heading(index: int, plain: str, read: Blocks, out: Structure, above: list[Section]) -> None:
    """Begins a section where a line is a heading; ``above`` are the sections it may lie in, the outermost first."""
    if index in read.headings:
        level, title = read.headings[index]
    else:
        numbered = _NUMBERED.match(plain)
        if not numbered or re.search(r"[,;。,]", plain):
            return
        level, title = 5, numbered["title"]
    while above[-1].level >= level:
        above.pop()
    path = tuple(section.title for section in above if section.title)
    above.append(Section(line=index + 1, level=level, titles=(*path, bare(title))))
    out.sections.append(above[-1])


def _front_matter(raw_lines: tuple[str, ...], plains: list[str], out: Structure) -> int:
    """Scalars and lists of a leading ``---`` block; no anchors, no nesting: whatever else is there is left alone."""
    if not raw_lines or raw_lines[0].strip() != "---":
        return 0
    end = next((i for i in range(1, min(len(raw_lines), 400)) if raw_lines[i].strip() in ("---", "...")), 0)
    key = ""
    for number in range(1, end):
        if match := re.match(r"^([\w-]+)\s*:\s*(.*)$", plains[number]):
            key, value = match[1], match[2].strip().strip("'\"")
            inline = re.fullmatch(r"\[(.*)\]", value)
            values = [v.strip().strip("'\"") for v in inline[1].split(",")] if inline else [value] if value else []
            out.front[key] = values
            out.front_lines[key] = number + 1
        elif key and (match := re.match(r"^\s*-\s+(.*)$", plains[number])):
            out.front[key].append(match[1].strip().strip("'\""))
    for number in range(end + 1 if end else 0):
        out.lines.append(Line(number + 1, raw_lines[number], plains[number], "front", 0))
    return end + 1 if end else 0


def _find_pairs(out: Structure) -> None:
    for table in out.tables:
        for number, cells in table.rows:
            if len(table.header) == 2 and len(cells) >= 2:
                out.pairs.append(Pair(number, bare(cells[0]), cells[1], table.section, table=True, nested=False))
    for index, line in enumerate(out.lines):
        if line.zone not in ("text", "log"):
            continue
        content = _BULLET.sub("", line.plain)
        match = _PAIR.match(content)
        if not match or _HEADING.match(line.plain) or re.match(r"^\s*https?$", match["key"]):
            continue
        value = match["value"]
        if not value.strip():
            value, nested = _value_below(out.lines, index)
        else:
            nested = False
        out.pairs.append(Pair(line.number, bare(match["key"]), value, line.section, table=False, nested=nested))


def _value_below(lines: list[Line], index: int) -> tuple[str, bool]:
    """A key without a value may introduce the next lines, or have its value alone on the next one."""
    here = lines[index]
    indent = len(here.text) - len(here.text.lstrip())
    for line in lines[index + 1 : index + 3]:
        if line.zone == "blank":
            continue
        deeper = len(line.text) - len(line.text.lstrip()) > indent
        introduces = line.zone in ("table", "code", "log") or (deeper and line.zone == "text")
        if introduces or (_BULLET.match(line.plain) and not _BULLET.match(here.plain)):
            return "", True
        if not _BULLET.match(line.plain) and not _HEADING.match(line.plain) and not _PAIR.match(line.plain):
            return line.plain.strip(), True
        return "", False
    return "", False
