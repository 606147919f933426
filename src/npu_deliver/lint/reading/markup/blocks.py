"""What a Markdown parser says of each line: markdown-it-py reads fences, lists, headings, comments and tables.

Only its block rules run; no text inside a block is parsed. Two things are read as their authors meant them, not as
a web page would show them: a fence whose lines stand further left than its mark, and one that was never closed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from npu_deliver.lint.reading.markup.htmltable import html_rows

_FENCE = re.compile(r"^(?P<indent>[ \t]*(?:[-*+>][ \t]+)*)(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_TITLE_LINE = re.compile(r"^ {0,3}#{2,6}\s+\S|^#\s+.{0,20}[\u4e00-\u9fff]")
_SEPARATOR = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_WRITTEN_ON = re.compile(r"^ {0,3}(?P<marks>#{1,6})(?P<title>[\u4e00-\u9fff（【「].*)$")
_TITLE_LIMIT = 80
"""An underlined line longer than this is a paragraph with a rule below it, not a heading."""

Row = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table's header and rows as printed, with their lines from 1."""

    line: int
    header: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Blocks:
    """The kind of every line, from index 0; the headings and tables by index.

    A kind is text, blank, comment, table, indented, mark (of a fence), or ``fence:`` and its language.
    """

    kinds: list[str]
    headings: dict[int, tuple[int, str]] = field(default_factory=dict)
    tables: list[RawTable] = field(default_factory=list)


def blocks(plains: list[str], start: int) -> Blocks:
    """What the lines from ``start`` on are; the lines before it are front matter and stay text."""
    out = Blocks(["text" if plain.strip() else "blank" for plain in plains])
    text = "\n".join(_as_meant(plains, start)).replace("\r", " ")
    tokens = _parser().parse(text)
    for position, token in enumerate(tokens):
        if token.map is None:
            continue
        first, last = token.map[0], min(token.map[1], len(plains))
        if token.type == "heading_open":
            _heading(out, tokens[position + 1], token, first, plains)
        elif token.type == "fence":
            _fence(out, token, first, last, plains)
        elif token.type == "code_block":
            _mark(out, first, last, "indented")
        elif token.type == "comment":
            _mark(out, first, last, "comment")
        elif token.type == "html_table":
            _html_table(out, token, first, last)
        elif token.type == "table_open":
            _table(out, (tokens[at] for at in range(position, len(tokens))), plains)
        elif token.type == "paragraph_open":
            _headings_written_on(out, first, last, plains)
    return out


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero")
    parser.enable(["table", "fence", "code", "list", "blockquote", "heading", "lheading", "hr"])
    parser.core.ruler.enableOnly(["normalize", "block"])
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("heading", "comment", _comment_rule, ends)
    parser.block.ruler.before("heading", "html_table", _html_table_rule, ends)
    parser.block.ruler.enable(["comment", "html_table"])
    return parser


def _comment_rule(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    return _until(state, (first, last), silent, ("comment", "<!--", "-->"))


def _html_table_rule(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    return _until(state, (first, last), silent, ("html_table", "<table", "</table>"))


def _until(state: StateBlock, lines: tuple[int, int], silent: bool, what: tuple[str, str, str]) -> bool:
    """A block from a line that begins with a mark to the one that holds the closing mark, blank lines included."""
    (first, last), (name, opening, closing) = lines, what
    begin = state.bMarks[first] + state.tShift[first]
    if not state.src.startswith(opening, begin):
        return False
    end = -1 if closing in state.env else state.src.find(closing, begin)
    if end < 0:
        state.env[closing] = "none from here on"
        if name != "comment":
            return False
    if silent:
        return True
    follow = first + 1
    while follow < last and (end < 0 or state.bMarks[follow] <= end):
        follow += 1
    state.line = follow
    token = state.push(name, "", 0)
    token.map = [first, follow]
    token.content = state.src[begin : state.eMarks[follow - 1]]
    return True


# Fences as they are meant


def _as_meant(plains: list[str], start: int) -> list[str]:
    """The lines with every fence's content at least as deep as its mark, and with the marks that were forgotten.

    Where the marks of a text do not pair up, a heading inside a fence tells that the fence should have ended above it;
    a fence that begins with a heading is a mark too many.
    """
    out = ["" if index < start else plain for index, plain in enumerate(plains)]
    marks = [(index, match) for index in range(start, len(plains)) if (match := _FENCE.match(plains[index]))]
    whole = _all_closed(marks)
    at = 0
    while at < len(marks):
        first, opening = marks[at]
        follow, closes = _next_mark(marks, at)
        end = marks[follow][0] if follow < len(marks) else len(plains)
        title = _first_title(plains, first, end)
        at += 1
        if title is not None and not opening["info"].strip() and not any(map(str.strip, plains[first + 1 : title])):
            out[first] = ""
            continue
        if title is not None and not (whole and closes):
            end, closes = title - 1, False
            out[end] = opening["indent"] + opening["mark"]
        elif not closes and end < len(plains) and not plains[end - 1].strip():
            end -= 1
            out[end] = opening["indent"] + opening["mark"]
        if end < len(plains):
            out[first + 1 : end + 1] = [_at_least(plain, opening["indent"]) for plain in out[first + 1 : end + 1]]
        while at < len(marks) and marks[at][0] < end + closes:
            at += 1
    return out


def _next_mark(marks: list[tuple[int, re.Match[str]]], at: int) -> tuple[int, bool]:
    """(the mark that ends a fence, whether it closes it): another that opens one ends a fence that was not closed."""
    mark = marks[at][1]["mark"]
    for follow in range(at + 1, len(marks)):
        other = marks[follow][1]
        if other["mark"].startswith(mark) and not other["info"].strip():
            return follow, True
        if other["mark"][0] == mark[0] and other["info"].strip():
            return follow, False
    return len(marks), False


def _all_closed(marks: list[tuple[int, re.Match[str]]]) -> bool:
    at = 0
    while at < len(marks):
        follow, closes = _next_mark(marks, at)
        if not closes:
            return False
        at = follow + 1
    return True


def _first_title(plains: list[str], first: int, end: int) -> int | None:
    below_blank = (line for line in range(first + 2, end) if not plains[line - 1].strip())
    return next((line for line in below_blank if _TITLE_LINE.match(plains[line])), None)


def _at_least(plain: str, indent: str) -> str:
    depth, own = len(indent.expandtabs(4)), len(plain) - len(plain.lstrip())
    if not plain.strip() or len(plain[:own].expandtabs(4)) >= depth:
        return plain
    return " " * depth + plain.lstrip()


def _fence(out: Blocks, token: Token, first: int, last: int, plains: list[str]) -> None:
    language = re.match(r"[\w+-]*", token.info.strip())
    _mark(out, first, last, f"fence:{language[0].lower() if language else ''}")
    out.kinds[first] = "mark"
    if last - 1 > first and (closing := _FENCE.match(plains[last - 1])) and not closing["info"].strip():
        out.kinds[last - 1] = "mark"


def _mark(out: Blocks, first: int, last: int, kind: str) -> None:
    for line in range(first, last):
        if out.kinds[line] != "blank" or kind != "indented":
            out.kinds[line] = kind


# Headings


def _heading(out: Blocks, inline: Token, token: Token, first: int, plains: list[str]) -> None:
    underlined = token.markup in ("=", "-")
    if underlined and (len(inline.content) > _TITLE_LIMIT or "\n" in inline.content or "|" in plains[first]):
        return
    if title := re.sub(r"</?\w[^<>]*>|\s*#+\s*$", "", inline.content).strip():
        out.headings[first] = (int(token.tag[1]), title)


def _headings_written_on(out: Blocks, first: int, last: int, plains: list[str]) -> None:
    """``##结果`` without the space is a heading to its author."""
    for line in range(first, last):
        if (match := _WRITTEN_ON.match(plains[line])) and len(match["title"]) <= _TITLE_LIMIT:
            out.headings[line] = (len(match["marks"]), match["title"].rstrip("# "))


# Tables


def cells_of(plain: str) -> tuple[str, ...]:
    """The cells of a table's row."""
    inner = plain.strip()
    inner = inner[1:] if inner.startswith("|") else inner
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return tuple(cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner))


def _table(out: Blocks, tokens: Iterable[Token], plains: list[str]) -> None:
    """A table's rows; a line without a bar is text that follows it, and a row has as many cells as it shows."""
    rows: list[tuple[int, list[str]]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open" and token.map:
            rows.append((token.map[0], []))
        elif token.type == "inline" and rows:
            rows[-1][1].append(token.content)
    (top, header), *body = rows
    body = [(line, cells) for line, cells in body if "|" in plains[line]]
    shown = tuple((line + 1, tuple(cells[: len(cells_of(plains[line].lstrip(" \t>")))])) for line, cells in body)
    out.tables.append(RawTable(top + 1, tuple(header), shown))
    for line in (top, top + 1, *(line for line, _ in body)):
        out.kinds[line] = "table"


def loose_tables(plains: list[str], may: list[bool]) -> list[RawTable]:
    """Tables in log text, and those whose header has another number of cells than the line below it."""
    out: list[RawTable] = []
    index = 0
    while index + 1 < len(plains):
        if not (
            may[index] and "|" in plains[index] and "|" in plains[index + 1] and _SEPARATOR.match(plains[index + 1])
        ):
            index += 1
            continue
        head, rows = index, []
        index += 2
        while index < len(plains) and may[index] and "|" in plains[index]:
            rows.append((index + 1, cells_of(plains[index])))
            index += 1
        out.append(RawTable(head + 1, cells_of(plains[head]), tuple(rows)))
    return out


def _html_table(out: Blocks, token: Token, first: int, last: int) -> None:
    _mark(out, first, last, "table")
    rows = html_rows(token.content)
    if rows:
        numbered = tuple((first + 1 + line, cells) for line, cells in rows)
        out.tables.append(RawTable(numbered[0][0], numbered[0][1], numbered[1:]))
