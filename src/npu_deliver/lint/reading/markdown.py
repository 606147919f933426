"""The lines of a report and what they are: headings, tables, pairs, log text, code. Any text gives a structure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from npu_deliver.lint.reading.number import narrow

_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_NUMBERED = re.compile(
    r"^\s*(?:[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,2}[.、]?\s)\s*(?P<title>[^:：|=]{2,40})$"
)
_FENCE = re.compile(r"^\s*(?P<mark>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_SEPARATOR = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+•·●▪◦]|\d{1,2}[.)、])\s+")
_COMMAND = re.compile(
    r"^\s*(?:\$|>>>|#|\(\w+\)|python\d?|pip\d?|git|docker|export|source|bash|sh|cd|conda|import|from|npu-smi|wget|"
    r"curl|sudo|def|class|atc|nerdctl"
    r"|torchrun|msprof|mkdir|cp|mv|apt|yum|FROM|RUN|[A-Z_]{3,}=\S+ )\b"
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
    """Everything a text is made of."""

    lines: list[Line] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    front: dict[str, list[str]] = field(default_factory=dict)
    front_lines: dict[str, int] = field(default_factory=dict)


def cells_of(plain: str) -> tuple[str, ...]:
    """The cells of a table's row."""
    inner = plain.strip()
    inner = inner[1:] if inner.startswith("|") else inner
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return tuple(cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner))


def bare(text: str) -> str:
    """A key or cell without Markdown's emphasis and the marks in front of it."""
    return re.sub(r"[*`]|^\s*[-•·●▪◦+]\s+|✅|❌|⚠️?|🎯|📊", "", text).strip()


def parse(raw_lines: tuple[str, ...], *, log: bool = False) -> Structure:
    """The structure of a text; ``log`` for a file that is no Markdown."""
    out = Structure(sections=[Section(line=1, level=0, titles=())])
    start = 0 if log else _front_matter(raw_lines, out)
    fence, language_zone, comment = "", "log", False
    for number in range(start, len(raw_lines)):
        text = raw_lines[number]
        plain = narrow(text)
        mark = None if log else _FENCE.match(plain)
        if mark and (not fence or (plain.strip().startswith(fence) and not mark["language"])):
            fence = "" if fence else mark["mark"]
            language_zone = _zone_of_fence(mark["language"], raw_lines[number + 1 : number + 4]) if fence else "log"
            zone = "code"
        elif fence:
            zone = language_zone if language_zone != "mixed" else ("code" if _COMMAND.match(plain) else "log")
        elif not plain.strip():
            zone = "blank"
        elif not log and (comment or plain.lstrip().startswith("<!--")):
            zone, comment = "comment", "-->" not in plain
        else:
            zone = "log" if log else "text"
            _note_heading(plain, number + 1, out, log=log)
        out.lines.append(Line(number + 1, text, plain, zone, len(out.sections) - 1))
    _find_tables(out)
    _find_pairs(out)
    return out


def _zone_of_fence(language: str, first: tuple[str, ...]) -> str:
    if language.lower() in _CODE_LANGUAGES:
        return "code"
    if language:
        return "log"
    return "mixed" if any(line.strip() for line in first) else "log"


def _note_heading(plain: str, number: int, out: Structure, *, log: bool) -> None:
    heading = None if log else _HEADING.match(plain)
    if heading:
        level, title = len(heading[1]), heading[2]
    else:
        plain_heading = None if log else _NUMBERED.match(plain)
        if not plain_heading or re.search(r"[,;。,]", plain):
            return
        level, title = 5, plain_heading["title"]
    parents = [s for s in out.sections if s.level < level]
    titles: list[str] = []
    depth = level
    for section in reversed(parents):
        if section.level < depth:
            titles.insert(0, section.title)
            depth = section.level
    path = tuple(t for t in titles if t)
    out.sections.append(Section(line=number, level=level, titles=(*path, bare(title))))


def _front_matter(raw_lines: tuple[str, ...], out: Structure) -> int:
    """Scalars and lists of a leading ``---`` block; no anchors, no nesting: whatever else is there is left alone."""
    if not raw_lines or raw_lines[0].strip() != "---":
        return 0
    end = next((i for i in range(1, min(len(raw_lines), 400)) if raw_lines[i].strip() in ("---", "...")), 0)
    key = ""
    for number in range(1, end):
        plain = narrow(raw_lines[number])
        if match := re.match(r"^([\w-]+)\s*:\s*(.*)$", plain):
            key, value = match[1], match[2].strip().strip("'\"")
            inline = re.fullmatch(r"\[(.*)\]", value)
            values = [v.strip().strip("'\"") for v in inline[1].split(",")] if inline else [value] if value else []
            out.front[key] = values
            out.front_lines[key] = number + 1
        elif key and (match := re.match(r"^\s*-\s+(.*)$", plain)):
            out.front[key].append(match[1].strip().strip("'\""))
    for number in range(end + 1 if end else 0):
        out.lines.append(Line(number + 1, raw_lines[number], narrow(raw_lines[number]), "front", 0))
    return end + 1 if end else 0


def _find_tables(out: Structure) -> None:
    index, lines = 0, out.lines
    while index + 1 < len(lines):
        head, rule = lines[index], lines[index + 1]
        if "|" in head.plain and _SEPARATOR.match(rule.plain) and head.zone in ("text", "log") and "-" in rule.plain:
            header = tuple(bare(cell) for cell in cells_of(head.plain))
            table = Table(head.number, header, [], head.section)
            head.zone = rule.zone = "table"
            index += 2
            while index < len(lines) and "|" in lines[index].plain and lines[index].zone in ("text", "log"):
                lines[index].zone = "table"
                table.rows.append((lines[index].number, cells_of(lines[index].plain)))
                index += 1
            if len(header) > 1:
                out.tables.append(table)
            continue
        index += 1


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
