"""Terminal-style pictures of logs, drawn from the log's text: a reviewer wants to see, and nothing was photographed.

The picture is a grid of cells, one glyph a cell and two for a wide one, because columns must line up whatever mixture
of Latin and Chinese a log holds, and no text engine keeps that promise over two fonts. DejaVu Sans Mono (out of
matplotlib's own data) draws what is narrow, the travelling Noto Sans SC subset what is wide or missing there. What
neither has is drawn as its code point, never as an empty box.

The same arguments give the same bytes with the same Pillow: there is no time stamp and no system font.
"""

from __future__ import annotations

import functools
import io
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from npu_deliver.drawing import encoding
from npu_eval.fonts import cjk_font_path

SOFTWARE = "npu-deliver"

MIN_COLUMNS = 88  # a narrower window would break the caption into many lines
MAX_COLUMNS = 144  # the widest table of a precision log; more would be too small to read on a page
MAX_ROWS = 84  # about 2000 pixels: more does not fit on one page of a report
TAB = 8

BODY_SIZE = 20  # pixels: cells of 12 × 24, sharp when a page shows the picture at half its size
WIDE_SCALE = 1.1  # a wide glyph has two cells, 1.2 em: set a tenth larger, Chinese does not look spaced out
STAMP_SIZE = 30
CAPTION_SIZE = 18
PAD = 24
TITLE_BAR = 44

CONTINUATION = "↪ "

Colour = tuple[int, int, int]
WINDOW: Colour = (24, 27, 34)
BAR: Colour = (40, 44, 54)
STATUS_BAR: Colour = (17, 19, 24)
TEXT: Colour = (214, 218, 226)
DIM: Colour = (150, 159, 174)
BRIGHT: Colour = (255, 255, 255)
GREEN: Colour = (86, 211, 100)
RED: Colour = (255, 123, 114)
YELLOW: Colour = (240, 190, 70)
STAMP_PAPER: Colour = (255, 196, 0)
STAMP_INK: Colour = (20, 20, 20)
BUTTONS: tuple[Colour, ...] = ((255, 95, 87), (254, 188, 46), (40, 200, 64))

_WORDS = re.compile(
    r"(?P<doubt>^!!! .* !!!$|\bPASS \((?:simulated|replayed)[^)]*\)|\b(?:NOT_MEASURED|WARNING)\b)"
    r"|(?P<good>\bPASS\b)"
    r"|(?P<bad>\b(?:FAIL|ERROR)\b)"
)
_WORD_COLOURS = {"doubt": YELLOW, "good": GREEN, "bad": RED}
_RULE = re.compile(r"^[-=─━═ ]*[-=─━═]{3}[-=─━═ ]*$")
_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S")


@dataclass(frozen=True)
class _Style:
    """How a piece of text looks."""

    colour: Colour = TEXT
    bold: bool = False


@dataclass(frozen=True)
class _Cell:
    """One glyph with its marks, ``width`` cells wide. ``face`` is ``mono``, ``wide`` or ``code`` (a code point)."""

    text: str
    width: int
    face: str
    style: _Style


@dataclass(frozen=True)
class _Type:
    """The fonts of one size and the cell they are set in, in pixels."""

    cell: int
    line: int
    baseline: int
    mono: ImageFont.FreeTypeFont
    bold: ImageFont.FreeTypeFont
    wide: ImageFont.FreeTypeFont
    small: ImageFont.FreeTypeFont


Row = list[_Cell]


def terminal_png(
    lines: Sequence[str],
    *,
    title: str,
    caption: str,
    log_sha256: str,
    stamp: str | None = None,
    source_log: str | None = None,
) -> bytes:
    """The log as a picture of a terminal window.

    Args:
        lines: the log without newlines. A line over :data:`MAX_COLUMNS` cells goes on under a marker; over
            :data:`MAX_ROWS` rows the middle is left out, and a line says how many lines that are.
        title: the words in the title bar; cut in the middle when they do not fit.
        caption: the words under the text: what it was rendered from, with the hash.
        log_sha256: sha256 of the log, for the PNG's ``Source-SHA256``.
        stamp: what must not be missed (no NPU, random weights): a banner above the text and a frame around it.
        source_log: the log's path inside the deliverable, for the PNG's ``Source-Log``; without it the title.

    Returns:
        A PNG with the text chunks ``Source-Log``, ``Source-SHA256`` and ``Software``.
    """
    rows = _log_rows(lines)
    columns = max(MIN_COLUMNS, max((_width(row) for row in rows), default=0))
    body, small, large = _type(BODY_SIZE), _type(CAPTION_SIZE), _type(STAMP_SIZE)
    width = columns * body.cell + 2 * PAD
    inner = width - 2 * PAD
    banner = _plain_rows(stamp, inner // large.cell, _Style(STAMP_INK, bold=True)) if stamp else []
    status = _plain_rows(caption, inner // small.cell, _Style(DIM))

    banner_height = len(banner) * large.line + PAD if banner else 0
    body_top = TITLE_BAR + banner_height + PAD // 2
    status_top = body_top + len(rows) * body.line + PAD // 2
    height = status_top + len(status) * small.line + PAD

    image = Image.new("RGB", (width, height), WINDOW)
    draw = ImageDraw.Draw(image)
    _title_bar(draw, title, width)
    draw.rectangle((0, status_top, width, height), fill=STATUS_BAR)
    if banner:
        _banner(draw, banner, large, width, banner_height)
    for number, row in enumerate(rows):
        _draw_row(draw, row, PAD, body_top + number * body.line, body)
    for number, row in enumerate(status):
        _draw_row(draw, row, PAD, status_top + PAD // 2 + number * small.line, small)
    if banner:
        draw.rectangle((0, 0, width - 1, height - 1), outline=STAMP_PAPER, width=6)
    return _png(image, {"Source-Log": source_log or title, "Source-SHA256": log_sha256, "Software": SOFTWARE})


# --- text to rows ----------------------------------------------------------------------------------------------------


def _log_rows(lines: Sequence[str]) -> list[Row]:
    """Every line as styled rows, the middle left out when they are too many."""
    if len(lines) <= MAX_ROWS:
        rows = [row for number in range(len(lines)) for row in _block(lines, number)]
        if len(rows) <= MAX_ROWS:
            return rows
    half = (MAX_ROWS - 1) // 2
    head = _fitting((_block(lines, number) for number in range(len(lines))), half)
    tail = _fitting((_block(lines, number) for number in reversed(range(len(lines)))), half)[::-1]
    left = len(lines) - len(head) - len(tail)
    noun = "line" if left == 1 else "lines"
    notice = f"⋯⋯ {left} {noun} left out · 此处省略 {left} 行 ⋯⋯"
    kept_head, kept_tail = ([row for block in blocks for row in block] for blocks in (head, tail))
    return [*kept_head, *_plain_rows(notice, MAX_COLUMNS, _Style(YELLOW)), *kept_tail]


def _block(lines: Sequence[str], number: int) -> list[Row]:
    """The rows of one line, at least one; whether it is a heading, the line after it tells."""
    text, after = _plain(lines[number]), _plain(lines[number + 1]) if number + 1 < len(lines) else ""
    return _fold(_cells(text, _styles(text, after)), MAX_COLUMNS)


def _fitting(blocks: Iterable[list[Row]], budget: int) -> list[list[Row]]:
    """The first blocks that have at most ``budget`` rows together; none is made that is not asked for."""
    found: list[list[Row]] = []
    for block in blocks:
        budget -= len(block)
        if budget < 0:
            break
        found.append(block)
    return found


def _plain(line: str) -> str:
    """Composed characters (a letter and its accent in one cell) and tabs as spaces."""
    return unicodedata.normalize("NFC", line.rstrip("\r\n")).expandtabs(TAB)


def _styles(text: str, after: str) -> list[_Style]:
    """One style a character: rules dim, headings and the line above a rule bold, verdict words in their colours."""
    if _RULE.match(text):
        return [_Style(DIM)] * len(text)
    heading = bool(text.strip() and _RULE.match(after)) or bool(_MARKDOWN_HEADING.match(text))
    styles = [_Style(BRIGHT, bold=True) if heading else _Style()] * len(text)
    for found in _WORDS.finditer(text):
        style = _Style(_WORD_COLOURS[str(found.lastgroup)], bold=True)
        styles[found.start() : found.end()] = [style] * (found.end() - found.start())
    return styles


def _cells(text: str, styles: Sequence[_Style]) -> Row:
    cells: Row = []
    for character, style in zip(text, styles, strict=True):
        mark = unicodedata.category(character) in ("Mn", "Me")
        if mark and cells and cells[-1].face != "code" and _face_of(character) == cells[-1].face:
            cells[-1] = replace(cells[-1], text=cells[-1].text + character)
        else:
            cells.append(_cell(character, style))
    return cells


def _cell(character: str, style: _Style) -> _Cell:
    face = _face_of(character)
    if face == "code":
        code = f"U+{ord(character):04X}"
        return _Cell(code, math.ceil(len(code) / 2) + 1, face, style)  # small type is half as wide; one more for air
    broad = unicodedata.east_asian_width(character) in "WF" or (face == "wide" and _em_wide(character))
    return _Cell(character, 2 if broad else 1, face, style)


def _face_of(character: str) -> str:
    """Which font draws a character; ``code`` when none can."""
    if character == " ":
        return "mono"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return "code"  # invisible, or able to reorder what is seen: said, not drawn
    order = ("wide", "mono") if unicodedata.east_asian_width(character) in "WF" else ("mono", "wide")
    return next((face for face in order if _charmap(face).get_char_index(ord(character))), "code")


def _fold(cells: Row, columns: int) -> list[Row]:
    """One line as rows of at most ``columns`` cells, broken after a space where one is near; at least one row."""
    marker = _cells(CONTINUATION, [_Style(DIM)] * len(CONTINUATION))
    rows: list[Row] = []
    rest = cells
    while True:
        lead = marker if rows else []
        room = columns - _width(lead)
        taken = _prefix(rest, room)
        if taken == len(rest):
            return [*rows, lead + rest]
        space = max((i + 1 for i in range(taken) if rest[i].text == " "), default=0)
        if space > taken * 2 // 3:
            taken = space
        rows.append(lead + rest[:taken])
        rest = rest[taken:]


def _prefix(cells: Row, room: int) -> int:
    """How many cells from the start fit into ``room``; at least one."""
    used = 0
    for number, cell in enumerate(cells):
        used += cell.width
        if used > room:
            return max(1, number)
    return len(cells)


def _plain_rows(text: str, columns: int, style: _Style) -> list[Row]:
    """Text of one style, folded without a marker at spaces where possible."""
    plain = _plain(" ".join(text.split()))
    rows = []
    rest = _cells(plain, [style] * len(plain))
    while rest:
        taken = _prefix(rest, columns)
        if taken < len(rest):
            space = max((i + 1 for i in range(taken) if rest[i].text == " "), default=0)
            taken = space if space > taken // 2 else taken
        rows.append(rest[:taken])
        rest = rest[taken:]
    return rows


def _shorten(cells: Row, room: int) -> Row:
    """At most ``room`` cells: the start and the end around an ellipsis where they are more."""
    if _width(cells) <= room:
        return cells
    head = _prefix(cells, room // 2)
    tail = _prefix(cells[::-1], room - room // 2 - 1)
    return [*cells[:head], _cell("…", cells[0].style), *cells[len(cells) - tail :]]


def _width(row: Row) -> int:
    return sum(cell.width for cell in row)


# --- rows to pixels --------------------------------------------------------------------------------------------------


def _title_bar(draw: ImageDraw.ImageDraw, title: str, width: int) -> None:
    draw.rectangle((0, 0, width, TITLE_BAR), fill=BAR)
    for number, colour in enumerate(BUTTONS):
        left = PAD + number * 24
        draw.ellipse((left, TITLE_BAR // 2 - 7, left + 14, TITLE_BAR // 2 + 7), fill=colour)
    kind = _type(CAPTION_SIZE)
    buttons = PAD + len(BUTTONS) * 24
    text = _plain(title)
    cells = _shorten(_cells(text, [_Style(TEXT)] * len(text)), (width - 2 * buttons) // kind.cell)
    left = (width - _width(cells) * kind.cell) // 2
    _draw_row(draw, cells, left, (TITLE_BAR - kind.line) // 2, kind)


def _banner(draw: ImageDraw.ImageDraw, rows: list[Row], kind: _Type, width: int, height: int) -> None:
    draw.rectangle((0, TITLE_BAR, width, TITLE_BAR + height - 1), fill=STAMP_PAPER)
    for number, row in enumerate(rows):
        left = (width - _width(row) * kind.cell) // 2
        _draw_row(draw, row, left, TITLE_BAR + PAD // 2 + number * kind.line, kind)


def _draw_row(draw: ImageDraw.ImageDraw, row: Row, left: int, top: int, kind: _Type) -> None:
    for cell in row:
        _draw_cell(draw, cell, left, top, kind)
        left += cell.width * kind.cell


def _draw_cell(draw: ImageDraw.ImageDraw, cell: _Cell, left: int, top: int, kind: _Type) -> None:
    middle, baseline = left + cell.width * kind.cell // 2, top + kind.baseline
    if cell.face == "code":
        right = left + cell.width * kind.cell
        draw.rectangle((left + 1, top + 3, right - 2, top + kind.line - 4), outline=cell.style.colour)
        draw.text((middle, top + kind.line // 2), cell.text, cell.style.colour, kind.small, anchor="mm")
        return
    if cell.text == " ":
        return
    font = kind.wide if cell.face == "wide" else kind.bold if cell.style.bold else kind.mono
    for character in cell.text:  # marks are drawn over their letter, one by one: basic layout would set them beside it
        draw.text((middle, baseline), character, cell.style.colour, font, anchor="ms")
        if cell.face == "wide" and cell.style.bold:  # the subset has no bold: the same glyph one pixel on
            draw.text((middle + 1, baseline), character, cell.style.colour, font, anchor="ms")


def _png(image: Image.Image, texts: dict[str, str]) -> bytes:
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, **encoding.options())
    return buffer.getvalue()


# --- fonts -----------------------------------------------------------------------------------------------------------


@functools.cache
def _type(size: int) -> _Type:
    layout = ImageFont.Layout.BASIC  # the other engine is not in every Pillow and would set the same glyph elsewhere
    mono, bold, wide, small = (
        ImageFont.truetype(str(path), pixels, layout_engine=layout)
        for path, pixels in (
            (_dejavu("DejaVuSansMono.ttf"), size),
            (_dejavu("DejaVuSansMono-Bold.ttf"), size),
            (cjk_font_path(), round(size * WIDE_SCALE)),
            (_dejavu("DejaVuSansMono.ttf"), size // 2),
        )
    )
    ascent, descent = mono.getmetrics()
    return _Type(round(mono.getlength("0")), ascent + descent, ascent, mono, bold, wide, small)


@functools.cache
def _charmap(face: str) -> FT2Font:
    """The font whose character map answers whether it has a glyph; Pillow cannot be asked."""
    return FT2Font(str(_dejavu("DejaVuSansMono.ttf") if face == "mono" else cjk_font_path()))


@functools.cache
def _em_wide(character: str) -> bool:
    """Whether the wide font's glyph does not fit one cell (a cell is 0.6 em)."""
    font = _type(BODY_SIZE).wide
    return font.getlength(character) > 0.7 * BODY_SIZE  # between a cell, 0.6 em, and a full-width glyph, 1.1 em


def _dejavu(name: str) -> Path:
    return Path(mpl.get_data_path()) / "fonts" / "ttf" / name
