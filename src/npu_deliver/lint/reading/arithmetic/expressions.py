"""Arithmetic that a report writes out: ``1000/21.65 = 46.19 FPS``, with what each side of the equals signs comes to.

Whatever is not wholly made of numbers, operators, brackets and units is no arithmetic: a word beside an operator
silences its side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.arithmetic.terms import Run, Term, runs
from npu_deliver.lint.reading.words.number import Interval

if TYPE_CHECKING:
    from npu_deliver.lint.reading.folder.submission import Document

_ABOUT = 0.02
"""How far "≈" may reach at least: a fiftieth."""
_DEEPEST = 12
"""Brackets within brackets."""
_SIGNS = ("=", "≈", "≃", "≅", "等于", "约为", "equal", "\\approx", "&asymp;")
_CARDS = re.compile(r"卡|芯片?|cards?|[GN]PUs?|chips?", re.IGNORECASE)
_CHIPS = frozenset({310, 610, 710, 910, 950, 1080, 2080, 3090, 4090})
"""Numbers that name a chip: 910/310 is a name."""


@dataclass(frozen=True, slots=True)
class Side:
    """What stands between two equals signs. ``options`` are the intervals it may stand for, ``value`` its middle.

    ``computed`` where an operator stands in it; ``converts`` where it divides or has a unit, so that seconds may turn
    into milliseconds; ``decimals`` as printed in its last number; a percentage is a fraction.
    """

    text: str
    options: tuple[Interval, ...]
    value: float
    computed: bool
    converts: bool
    decimals: int
    percent: bool


@dataclass(frozen=True, slots=True)
class Equation:
    """A written calculation and the line that it stands in; two sides at least, one of them computed."""

    at: Span
    sides: tuple[Side, ...]

    @property
    def percent(self) -> bool:
        """Whether any side is in per cent."""
        return any(side.percent for side in self.sides)


def equations(document: Document) -> list[Equation]:
    """The written calculations of a document's text, tables and logs; code computes for itself."""
    return [
        Equation(document.span(line.number), sides)
        for line in document.lines
        if line.zone in ("text", "table", "log") and any(sign in line.plain for sign in _SIGNS)
        for sides in calculations(line.plain)
    ]


def calculations(plain: str) -> Iterator[tuple[Side, ...]]:
    """The calculations of one narrowed line."""
    for run in runs(plain):
        sides = _sides(run)
        if len(sides) > 1 and any(side.computed for side in sides):
            yield sides


def _sides(run: Run) -> tuple[Side, ...]:
    """The sides of one run that can be read, up to the first behind them that cannot be."""
    parts: list[tuple[Term, ...]] = [()]
    loose = [False]
    for term in run.terms:
        if term.kind == "equals":
            parts.append(())
            loose.append(term.loose)
        else:
            parts[-1] += (term,)
    parts = [_opening(parts[0], run.word), *parts[1:-1], _closing(parts[-1], broken=run.broken)]
    out: list[Side] = []
    for index, part in enumerate(parts):
        if index == 0 and _is_name(part, run.word, parts[1]):
            return ()
        side = _side(run.text, part, loose=loose[index])
        if side is not None and index == 0 and part[0].text == "-" and part[0].start == 0:
            side = _either(side, _side(run.text, part[1:], loose=loose[index]))
        if side is not None:
            out.append(side)
        elif len(out) > 1:
            break
        else:
            out = []
    return tuple(out)


def _either(side: Side, unsigned: Side | None) -> Side:
    """A minus that opens the line may be a bullet."""
    return side if unsigned is None else replace(unsigned, options=(*unsigned.options, *side.options))


# Where a calculation begins and ends


def _opening(part: tuple[Term, ...], word: Term | None) -> tuple[Term, ...]:
    """The first side from where it begins: behind a bracket that stays open, or behind another number."""
    depth, start = 0, 0
    for index in range(len(part) - 1, -1, -1):
        depth += (part[index].kind == "close") - (part[index].kind == "open")
        apart = index and part[index - 1].kind in ("number", "close") and part[index].kind == "number"
        if depth < 0 or (apart and depth == 0):
            start = index + (depth < 0)
            break
    if start:
        return (
            () if start > 1 and part[start - 2].kind == "operator" and part[start - 1].kind == "open" else part[start:]
        )
    if word is not None and part and re.match(r"\w", word.text):
        alone = len([term for term in part if term.kind == "number"]) < 2  # "top 1 = …": it belongs to its word
        return () if alone or part[0].kind == "operator" else part
    return part


def _closing(part: tuple[Term, ...], *, broken: bool) -> tuple[Term, ...]:
    """The last side up to where it ends: before a bracket too many, or the next number without an operator."""
    depth = 0
    for index, term in enumerate(part):
        depth += (term.kind == "open") - (term.kind == "close")
        apart = index and part[index - 1].kind in ("number", "close") and term.kind in ("number", "open")
        if depth < 0 or apart:
            return part[:index]
    return () if broken else part


def _is_name(part: tuple[Term, ...], word: Term | None, then: tuple[Term, ...]) -> bool:
    """``910/310 =``, ``top 1/5 =``, ``2023/5/17 =`` and ``1/5 = 76.1/93.0`` divide nothing; ``3-5 =`` is a range, and
    ``647 -23309=`` two numbers.
    """
    triples = zip(part, part[1:], part[2:], strict=False)
    if any(sign.kind == "operator" and a.end < sign.start and sign.end == b.start for a, sign, b in triples):
        return True
    numbers, signs = part[0::2], {term.text for term in part[1::2]}
    if len(part) < 3 or any(term.kind != "number" for term in numbers):
        return False
    whole = all(re.fullmatch(r"\d+", term.text) for term in numbers)
    tight = whole and all(a.end == b.start for a, b in pairwise(part))
    if signs != {"/"}:
        return signs == {"-"} and tight
    day = tight and len(numbers) == 3 and 1900 < int(numbers[0].text) < 2100
    chips = whole and all(int(term.text) in _CHIPS for term in numbers)
    cards = all(_CARDS.fullmatch(term.unit_text) for term in numbers)
    paired = len(then) > 1 and [term.text for term in then[1::2]] == [term.text for term in part[1::2]]
    labelled = tight and word is not None and re.match(r"[A-Za-z]", word.text)
    return bool(day or chips or cards or paired or labelled)


# What a side comes to


def _side(text: str, part: tuple[Term, ...], *, loose: bool) -> Side | None:
    numbers = [term for term in part if term.kind == "number"]
    values = [found for order in _ORDERS if (found := _value(part, order)) is not None] if numbers else []
    if not values:
        return None
    last = numbers[-1]
    spans = [span for _, span in values]
    if len(numbers) == 1:
        spans = [_stated(last, loose=loose), *spans] if part[0] is last else spans
        if "," in last.text:  # a list may look like a grouped number
            spans.append(_stated(Term("number", last.text.partition(",")[0], 0, 0, last.unit), loose=loose))
    return Side(
        text=text[part[0].start : part[-1].end].strip(),
        options=tuple(dict.fromkeys(spans)),
        value=values[0][0],
        computed=len(numbers) > 1,
        converts=any(term.text == "/" or term.unit == "measure" for term in part),
        decimals=len(last.text.lower().partition("e")[0].partition(".")[2]),
        percent=any(term.unit == "percent" for term in numbers),
    )


def _printed(term: Term) -> tuple[float, float]:
    """(value, unit of the last printed digit)."""
    digits, _, exponent = term.text.replace(",", "").lower().partition("e")
    value, step = float(f"{digits}e{exponent or 0}"), float(f"1e{int(exponent or 0) - len(digits.partition('.')[2])}")
    return (value, step) if math.isfinite(value) else (1e300, 1.0)


def _operand(term: Term) -> tuple[float, Interval]:
    """A number and what it may have been before it was printed; a count is what it is."""
    value, step = _printed(term)
    rounded = "." in term.text or "e" in term.text.lower() or term.unit in ("measure", "percent")
    span = Interval(value - 0.5 * step, value + step) if rounded else Interval(value, value)
    return (value / 100, span.times(0.01)) if term.unit == "percent" else (value, span)


def _stated(term: Term, *, loose: bool) -> Interval:
    """A result as printed: rounded or cut off, and behind "≈" good to its last digit that is no zero."""
    value, step = _printed(term)
    down, up = 0.5 * step, step
    if loose:
        zeros = len(term.text) - len(term.text.rstrip("0")) if term.text.isdigit() else 0
        down = up = max(_ABOUT * value, 0.5 * step * 10.0**zeros)
    span = Interval(value - down, value + up)
    return span.times(0.01) if term.unit == "percent" else span


_ORDERS = ("school", "left to right", "under the line")
"""How people mean ``a - b / c`` and ``a / b * c``: by the rules, as typed, or with all behind the slash under it."""
_Value = tuple[float, Interval]


@dataclass(slots=True)
class _Reader:
    part: tuple[Term, ...]
    order: str
    at: int = 0

    def peek(self) -> str:
        """The kind of the next term, an operator by its sign; empty at the end."""
        if self.at >= len(self.part):
            return ""
        term = self.part[self.at]
        return term.text if term.kind == "operator" else term.kind


def _value(part: tuple[Term, ...], order: str) -> _Value | None:
    reader = _Reader(part, order)
    found = _sum(reader, 0)
    if found is None or reader.at < len(part):
        return None
    return found if all(map(math.isfinite, (found[0], found[1].lo, found[1].hi))) else None


def _sum(reader: _Reader, depth: int) -> _Value | None:
    terms: list[_Value] = []
    signs: list[str] = []
    while True:
        if (atom := _atom(reader, depth)) is None:
            return None
        terms.append(atom)
        if reader.peek() not in ("+", "-", "*", "/"):
            break
        signs.append(reader.peek())
        reader.at += 1
    if reader.order == "left to right":
        return _fold(terms, signs)
    return _by_precedence(terms, signs, under=reader.order == "under the line")


def _by_precedence(terms: list[_Value], signs: list[str], *, under: bool) -> _Value | None:
    sums: list[_Value] = []
    adding: list[str] = []
    start = 0
    for index in range(len(signs) + 1):
        if index < len(signs) and signs[index] in "*/":
            continue
        inner = signs[start:index]
        if under and "/" in inner:
            line = inner.index("/")
            inner = [*inner[:line], *("/" for _ in inner[line:])]
        if (product := _fold(terms[start : index + 1], inner)) is None:
            return None
        sums.append(product)
        adding += signs[index : index + 1]
        start = index + 1
    return _fold(sums, adding)


def _fold(terms: list[_Value], signs: list[str]) -> _Value | None:
    found = terms[0]
    for sign, term in zip(signs, terms[1:], strict=True):
        if sign == "/" and term[1].lo <= 0 <= term[1].hi:
            return None
        found = _apply(sign, found, term)
    return found


def _apply(sign: str, a: _Value, b: _Value) -> _Value:
    if sign == "+":
        return a[0] + b[0], a[1] + b[1]
    if sign == "-":
        return a[0] - b[0], a[1] - b[1]
    return (a[0] * b[0], a[1] * b[1]) if sign == "*" else (a[0] / b[0], a[1] / b[1])


def _atom(reader: _Reader, depth: int) -> _Value | None:
    kind = reader.peek()
    if depth > _DEEPEST or kind not in ("number", "-", "+", "open"):
        return None
    reader.at += 1
    if kind == "number":
        return _operand(reader.part[reader.at - 1])
    if kind == "open":
        inside = _sum(reader, depth + 1)
        closed = reader.peek() == "close"
        reader.at += 1
        return inside if closed else None
    inner = _atom(reader, depth + 1)
    return inner if inner is None or kind == "+" else (-inner[0], Interval(-inner[1].hi, -inner[1].lo))
