"""The page a chart stands on: banner, title, body and footer, placed in inches from measured text widths.

A chart's words come from users (names of files and outputs, in any script), so every text is measured before it is
placed: what is too long is wrapped or shortened in the middle, and what no font can draw is written as its code point.
DejaVu Sans comes out of matplotlib's own data, Chinese from the font that travels; no system font is asked for.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from npu_deliver.drawing import encoding
from npu_eval.fonts import CJK_FAMILY, cjk_font_path

DPI = 150
WIDTH, HEIGHT = 8.0, 4.67  # inches: 1200 × 700 pixels; a chart with many rows grows in height alone
MARGIN = 0.2

INK, SOFT, GRID, SHADE = "#1f2328", "#59636e", "#d9dee4", "#f1f3f5"
STAMP_PAPER = "#ffc400"
BLUE, VERMILLION, ORANGE, GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"  # of Okabe and Ito's palette

TITLE, BODY, SMALL, STAMP = 12.0, 8.0, 7.0, 13.0  # type sizes in points
LEADING = 1.45  # line distance in type sizes

_FAMILIES = ("DejaVu Sans", CJK_FAMILY)
_MEASURE = 100  # points at which advances are read; they scale


class Page:
    """A figure with banner, title, note and footer drawn; ``bottom`` and ``top`` bound what is left for the chart.

    Args:
        title: set in bold over the chart, wrapped when long.
        stamp: the banner over everything, or None.
        footer: small print under everything.
        body: the height that the chart wants, in inches; the page is never lower than :data:`HEIGHT`.
        note: a remark beside the chart, under the title; empty for none.
    """

    def __init__(self, title: str, stamp: str | None, footer: str, *, body: float, note: str = "") -> None:
        room = WIDTH - 2 * MARGIN
        stamp_lines = wrap(stamp, STAMP, room, bold=True) if stamp else []
        title_lines = wrap(title, TITLE, room, bold=True)
        note_lines = wrap(note, SMALL, room)
        footer_lines = wrap(footer, SMALL, room)
        banner = _height(stamp_lines, STAMP) + (0.16 if stamp_lines else 0)
        header = banner + 0.14 + _height(title_lines, TITLE) + _height(note_lines, SMALL)
        self.bottom = 0.12 + _height(footer_lines, SMALL)
        self.height = max(HEIGHT, header + body + self.bottom)
        self.top = self.height - header
        self.figure = Figure(figsize=(WIDTH, self.height), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        if stamp_lines:
            share = banner / self.height
            paper = Rectangle((0, 1 - share), 1, share, color=STAMP_PAPER, transform=self.figure.transFigure)
            self.figure.add_artist(paper)
        self._lines(stamp_lines, self.height - 0.08, STAMP, WIDTH / 2, ha="center", strong=True)
        below = self._lines(title_lines, self.height - banner - 0.14, TITLE, MARGIN, strong=True)
        self._lines(note_lines, below, SMALL, MARGIN, colour=SOFT)
        self._lines(footer_lines, self.bottom - 0.06, SMALL, MARGIN, colour=SOFT)

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at a place given in inches from the page's lower left corner."""
        return self.figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height))

    def text(self, x: float, y: float, text: str, *, size: float, colour: str, strong: bool = False) -> None:
        """Text with its left edge and baseline at a place in inches."""
        look = bold(text, size, colour) if strong else {}
        self.figure.text(x / WIDTH, y / self.height, drawable(text), fontsize=size, color=colour, **look)

    def png(self, source_sha256: str) -> bytes:
        """The page as PNG with the text chunks ``Software`` and ``Source-SHA256``; no version, no time."""
        buffer = io.BytesIO()
        metadata = {"Software": "npu-deliver", "Source-SHA256": source_sha256}
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata, pil_kwargs=encoding.options())
        return buffer.getvalue()

    def _lines(
        self,
        lines: list[str],
        top: float,
        size: float,
        x: float,
        *,
        ha: str = "left",
        colour: str = INK,
        strong: bool = False,
    ) -> float:
        """Draw lines downwards from ``top``; returns where the next would start."""
        for line in lines:
            middle = top - _height([line], size) / 2
            look = bold(line, size, colour) if strong else {}
            self.figure.text(
                x / WIDTH, middle / self.height, line, ha=ha, va="center_baseline", fontsize=size, color=colour, **look
            )
            top -= _height([line], size)
        return top


def look() -> AbstractContextManager[None]:
    """The style of all charts, independent of any matplotlibrc; build and print a page inside of it."""
    _register_font()
    return style.context(
        [
            "default",
            {
                "font.family": list(_FAMILIES),  # matplotlib takes the second for each glyph that the first lacks
                "font.size": BODY,
                "text.hinting": "no_hinting",  # hinted advances are whole pixels, wider than what `inches` measures
                "text.parse_math": False,  # a dollar sign in a file name is no formula
                "text.color": INK,
                "axes.labelcolor": SOFT,
                "axes.labelsize": BODY,
                "axes.edgecolor": GRID,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "xtick.color": SOFT,
                "ytick.color": SOFT,
                "xtick.labelsize": SMALL,
                "ytick.labelsize": SMALL,
                "xtick.major.size": 2.5,
                "ytick.major.size": 2.5,
            },
        ]
    )


def bold(text: str, size: float, colour: str) -> dict[str, Any]:
    """Arguments that make a text bold. The Chinese font has one weight: mixed text gets a stroke, all of it alike."""
    if all(_font(bold=True).get_char_index(ord(character)) for character in text):
        return {"fontweight": "bold"}
    return {"path_effects": [withStroke(linewidth=size / 18, foreground=colour)]}


def drawable(text: str) -> str:
    """The text on one line, with the code point in place of each character that no font here can draw."""
    plain = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c if _advance(c, bold=False) is not None else f"U+{ord(c):04X}" for c in plain)


def inches(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a drawable text in inches at a type size in points (72 points are an inch)."""
    return sum(_advance(character, bold=bold) or 0.0 for character in text) * size / 72


def wrap(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """A text as drawable lines of at most ``room`` inches, broken at spaces where possible."""
    lines = []
    rest = drawable(text)
    while rest:
        taken = _fitting(rest, size, room, bold=bold)
        if taken < len(rest):
            space = rest.rfind(" ", 0, taken + 1)
            taken = space if space > taken // 2 else taken
        lines.append(rest[:taken].strip())
        rest = rest[taken:].strip()
    return lines


def shorten(text: str, size: float, room: float) -> str:
    """A drawable text of at most ``room`` inches: its start and its end, which tell names apart, around an ellipsis."""
    whole = drawable(text)
    if inches(whole, size) <= room:
        return whole
    half = (room - inches("…", size)) / 2
    head, tail = _fitting(whole, size, half), _fitting(whole[::-1], size, half)
    return f"{whole[:head]}…{whole[len(whole) - tail :]}"


def _fitting(text: str, size: float, room: float, *, bold: bool = False) -> int:
    """How many characters from the start fit; at least one."""
    used = 0.0
    for number, character in enumerate(text):
        used += inches(character, size, bold=bold)
        if used > room:
            return max(1, number)
    return len(text)


def _height(lines: list[str], size: float) -> float:
    return len(lines) * size * LEADING / 72


@functools.cache
def _advance(character: str, *, bold: bool) -> float | None:
    """Width of a character in ems, from the font that will draw it; None when none can or it has no visible form."""
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return None
    for font in (_font(bold=bold), _font(bold=None)):
        if font.get_char_index(ord(character)):
            font.set_size(_MEASURE, 72)
            glyph = font.load_char(ord(character))
            return float(glyph.linearHoriAdvance) / 65536 / _MEASURE  # 16.16 fixed point, free of hinting
    return None


@functools.cache
def _font(*, bold: bool | None) -> FT2Font:
    """DejaVu Sans, or with None the Chinese font, which has one weight."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    path = cjk_font_path() if bold is None else folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return FT2Font(str(path))


@functools.cache
def _register_font() -> None:
    """Make the Chinese font known, as its own bold too: it has one weight, and a search for another would be logged."""
    fontManager.addfont(str(cjk_font_path()))
    fontManager.ttflist.append(dataclasses.replace(fontManager.ttflist[-1], weight=700))


def require(count: int, numbers: Sequence[float]) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ValueError: ``count`` is 0, or a number is negative or not finite.
    """
    if not count:
        raise ValueError("a chart needs at least one value")
    wrong = [n for n in numbers if not (math.isfinite(n) and n >= 0)]
    if wrong:
        raise ValueError(f"a chart takes finite numbers from 0 up, not {wrong[0]}")
