"""Numbers as people print them: the interval a rounded decimal stands for, and the unit beside it.

A printed 21.65 may come from anything between 21.645 (rounded) and 21.66 (cut off), so every comparison is one of
intervals: an honest line that was rounded is never a contradiction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from npu_deliver.lint.reading.words.label import unit_of

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF0C} | {
    0x2212: "-",
    0x3000: " ",
    0xA0: " ",
    0x2009: " ",
    0x202F: " ",
    0xFE63: "-",
}
"""Full-width forms and look-alikes → ASCII, one character for one, so that columns stay.

A full-width comma between digits separates a list, while an ASCII one may group thousands: it stays as it is.
"""

_NUMBER = re.compile(
    r"(?:(?<![A-Za-z0-9_.\\$#])|(?<=\d[xX]))(?<![²³]/)"  # nor the 2 of e²/2
    r"(?P<about>[~≈]\s?|约\s?|近\s?|大约\s?)?(?P<bound>[<>≤≥]=?\s?)?(?P<sign>[-+±](?=[\d.]))?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<fraction>\.\d+)?(?P<exponent>[eE][-+]?\d{1,3})?"
    r"(?P<unit>\s?(?:"
    r"ms/(?:img|image|张|帧|次|batch|iter)|ms(?![a-zA-Z])|毫秒|msec\b|[uµμ]s(?![a-zA-Z])|微秒|secs?\b|seconds?\b|秒|"
    r"s(?![a-zA-Z0-9_/])"
    r"|FPS(?![A-Za-z])|fps(?![A-Za-z])|Fps(?![A-Za-z])|帧/秒|帧/s|帧每秒|帧(?!率)|im(?:a)?ge?s?/s(?:ec|"
    r"econd)?(?![a-z])|张/秒|张/s|张每秒"
    r"|samples?/s(?:ec|econd)?(?![a-z])|样本/秒|QPS(?![A-Za-z])|ips(?![a-z])|/s(?:ec)?(?![a-z])"
    r"|%|个百分点|percent\b|(?<!\s)[x×X✕](?!\w|\.\d|\s?[\d.]+\s?[=≈])|(?<=\s)[x×X✕](?!\w|\.\d|\s\d)|倍|-?fold\b"
    r"|[KMGT]i?B(?![a-zA-Z])|dB(?![a-zA-Z])"
    r"))?(?P<more>\+)?"
)
_LETTER = re.compile(r"[A-Za-z_]")
_JOINED = re.compile(r"[A-Za-z\u4e00-\u9fff\d][-_]$")
_DEVICE = re.compile(r"(?i)(?:npu|cuda|cpu|gpu|card|device):$")
_TIMES = re.compile(r"(?:[x×X✕]\d| [x×X✕] \d)(?![\d.x×X✕]{0,60}\s?[=≈]\s?\d)")
_FACTOR = re.compile(r"[xX]\d[\d.xX]{0,60}\s?[=≈]\s?\d")
"""What follows the first number of a written product, as in ``3.5x2=7``."""
_ASIDES = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?P<sep>[-/.])(?:0?[1-9]|1[0-2])(?P=sep)(?:0?[1-9]|[12]\d|3[01])(?!\d|\s?[=≈])"  # a day
    r"|\d{1,9}/\d{1,9}\s?\[\d{1,3}:\d\d(?::\d\d)?<[^\]\n]{0,200}\]"  # a bar of progress
    r"|\d{1,3}%\|[^|\n]{0,200}\|"
    r"|(?<![A-Za-z\d])\d{1,2}:\d{2}(?::\d{2})?(?!\d|\.\d|\s?(?:ms|FPS|fps|%|s\b))"  # a time of day
    r"|(?<![\d.])\d{1,20}(?:\.\d{1,20}){2,}\S{0,80}"  # a version
    # a shape, unless the product stands behind it
    r"|(?<![\d.])\d{1,20}+(?:[x×X*]\d{1,20}+)++(?!\.\d|\s?[=≈]\s?\d)"
    r"|(?<![\d.])\d{1,20}+(?: [x×X*] \d{1,20}+)++(?!\.\d|\s?[=≈]\s?\d)"
)
"""What holds digits and no quantity."""
MEASURES = re.compile(r"\d\s?(?:ms(?![a-z])|fps(?![a-z])|%|毫秒|帧)", re.IGNORECASE)
"""What is in a line that itself gives results: it is no caption of others."""
_SECONDS = {"ms": 1e-3, "毫秒": 1e-3, "msec": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "微秒": 1e-6}
_ABOUT = 0.05
"""How far "about" may reach: a twentieth, which is what rounding to one and a half digits gives."""


@dataclass(frozen=True, slots=True)
class Interval:
    """All values between two ends, both included."""

    lo: float
    hi: float

    def __mul__(self, other: Interval) -> Interval:
        corners = (self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi)
        return Interval(min(corners), max(corners))

    def __truediv__(self, other: Interval) -> Interval:
        if other.lo <= 0 <= other.hi:
            return Interval(-math.inf, math.inf)
        return self * Interval(1 / other.hi, 1 / other.lo)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.lo - other.hi, self.hi - other.lo)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.lo + other.lo, self.hi + other.hi)

    def plus(self, amount: float) -> Interval:
        """Shifted."""
        return Interval(self.lo + amount, self.hi + amount)

    def times(self, factor: float) -> Interval:
        """Scaled by a positive factor."""
        return Interval(self.lo * factor, self.hi * factor)

    def meets(self, other: Interval) -> bool:
        """Whether one true value could have been printed as both."""
        slack = 1e-12 * max(abs(self.lo), abs(self.hi), abs(other.lo), abs(other.hi), 1e-300)
        return self.lo <= other.hi + slack and other.lo <= self.hi + slack

    def wider(self, relative: float) -> Interval:
        """Widened at both ends by a share of the ends themselves."""
        return Interval(self.lo - abs(self.lo) * relative, self.hi + abs(self.hi) * relative)

    def __str__(self) -> str:
        return f"{self.lo:.5g} – {self.hi:.5g}"


@dataclass(frozen=True, slots=True)
class Number:
    """One printed number. ``value`` is as printed; ``span`` the interval it stands for; both in ``unit``.

    ``unit`` is one of s, /s, %, x, B, dB or empty; times are in seconds, rates per second, sizes in bytes.
    ``start`` and ``end`` are columns of the line, ``bound`` the sign before it (``<``, ``>=`` …) or empty.
    """

    text: str
    value: float
    span: Interval
    unit: str
    start: int
    end: int
    bound: str
    exact: bool
    signed: bool = False

    @property
    def integer(self) -> bool:
        """Whether it is printed as a whole number."""
        return self.exact


def narrow(line: str) -> str:
    """A line with full-width forms as ASCII; every column stays where it is."""
    return line if line.isascii() else line.translate(_WIDE)


def numbers(line: str) -> Iterator[Number]:
    """The numbers of a narrowed line, without those in versions, dates, times, shapes, progress bars and names."""
    skip = [match.span() for match in _ASIDES.finditer(line)]
    at = 0
    for match in _NUMBER.finditer(line):
        start, end = match.start("digits"), match.end()
        while at < len(skip) and skip[at][1] <= start:
            at += 1
        if (at < len(skip) and skip[at][0] <= start < skip[at][1]) or _is_part_of_a_word(line, match):
            continue
        yield _number(match, start, end)


def _is_part_of_a_word(line: str, match: re.Match[str]) -> bool:
    """``top-5``, ``910B4``, ``3×224×224``, ``npu:0`` and ``8p`` hold digits that are no quantity."""
    start, end = match.span()
    if not match["unit"] and _LETTER.match(line, end) and not _FACTOR.match(line, end):
        return True
    if _JOINED.search(line, max(0, start - 2), match.start("digits")):
        return True
    if line[start - 1 : start] == ":" and _DEVICE.search(line, max(0, start - 7), start):
        return True
    return bool(_TIMES.match(line, match.end("fraction") if match["fraction"] else match.end("digits")))


def _number(match: re.Match[str], start: int, end: int) -> Number:
    digits, fraction = match["digits"].replace(",", ""), match["fraction"] or ""
    exponent = int((match["exponent"] or "e0")[1:])
    value = _float(f"{digits}{fraction}e{exponent}")
    step = _float(f"1e{exponent - max(0, len(fraction) - 1)}")
    unit, factor = _unit((match["unit"] or "").strip())
    exact = not fraction and not match["exponent"]
    down, up = 0.5 * step, (0.5 if exact and not unit else 1.0) * step
    if match["about"] or match["more"]:
        down, up = max(down, value * _ABOUT), max(up, value * _ABOUT)
    lo, hi = (value - down) * factor, (value + up) * factor
    sign = -1.0 if match["sign"] == "-" else 1.0
    span = Interval(-hi, -lo) if sign < 0 else Interval(lo, hi)
    return Number(
        text=match[0].strip(),
        value=sign * value * factor,
        span=span,
        unit=unit,
        start=start,
        end=end,
        bound=(match["bound"] or "").strip(),
        exact=exact,
        signed=match["sign"] in ("-", "+"),
    )


_LARGEST = 1e120
"""No measurement is larger, and the product of two is still a number."""


def _float(text: str) -> float:
    return min(float(text), _LARGEST)


def _unit(text: str) -> tuple[str, float]:
    """(canonical unit, factor) of a unit as printed; no unit is the empty one."""
    plain = text.partition("/")[0] if text.startswith("ms/") else text
    if plain in _SECONDS:
        return "s", _SECONDS[plain]
    if plain in ("s", "秒") or re.fullmatch(r"secs?|seconds?", plain):
        return "s", 1.0
    if plain in ("%", "个百分点", "percent"):
        return "%", 1.0
    if plain in ("x", "X", "×", "✕", "倍", "fold", "-fold"):
        return "x", 1.0
    if re.fullmatch(r"[KMGT]i?B", plain):
        power = "KMGT".index(plain[0]) + 1
        return "B", float(1024**power if "i" in plain else 1000**power)
    if plain == "dB":
        return "dB", 1.0
    return ("/s", 1.0) if plain else ("", 1.0)


def with_label_unit(number: Number, label: str) -> Number:
    """A number without a unit takes the one that its label states, as in ``latency_ms`` or ``延迟 (ms)``."""
    if number.unit or (stated := unit_of(label)) is None:
        return number
    unit, factor = stated
    whole = number.span if not number.exact else Interval(number.span.lo, number.value + 1.0)
    return replace(number, value=number.value * factor, span=whole.times(factor), unit=unit)
