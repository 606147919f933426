"""The tokens of written arithmetic: numbers with their units, operators, brackets and equals signs of one line.

Elsewhere a slash or an ``x`` between digits belongs to a date or a shape; beside an equals sign it is an operator, so
these tokens are cut anew. A number that is glued to letters (``310P``, ``8p``, ``1.8.0``) is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 60
"""Tokens of one calculation; longer runs of numbers are tables that lost their bars."""

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<link>https?://\S+|\]\([^)\s]*\))"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3}(?![\w.]))?|\.\d+)"
    r"|(?P<unequal>[!<>:+*/-]=|=[>~]|->|[<>≤≥≠])"
    r"|(?P<equals>~=|==?|[≈≃≅]|约等于|等于|约为|\bequals?\b)"
    r"|(?P<operator>\*\*|//|[-+*/÷×✕∗⋅·−–]|乘以|除以)"
    r"|(?P<bracket>[()])"
    r"|(?P<word>[A-Za-z_]\w*(?:[-.']\w+)*|[\u4e00-\u9fff]+)"
    r"|(?P<other>.)"
)
_ABOUT = re.compile(r"\s*(?:约|大约|about\b|[~≈])")
_OPERATORS = dict.fromkeys("÷", "/") | dict.fromkeys("×✕∗⋅·", "*") | dict.fromkeys("−–", "-")
_SPOKEN = {"除以": "/", "乘以": "*"}
_MEASURES = (
    r"ms|毫秒|[uµμ]s|微秒|s(?:ec|econds?)?|秒|fps|FPS|Fps|QPS|qps|(?:帧|张|次|句|条|样本)/(?:s|秒)"
    r"|(?:im(?:a)?ge?s?|samples?|frames?|sequences?|tokens?|videos?|clips?|iters?|it|steps?)/(?:s(?:ec|econd)?|秒)"
    r"|/s(?:ec)?|dB|[KMGT]i?B"
)
_COUNTS = (
    r"(?:im(?:a)?ge?s?|samples?|videos?)/(?:[gn]pu|[GN]PU|card)"
    r"|张|帧|个|卡|芯片?|片|核|次|轮|步|条|幅|路|台|机|句|字|图|批|倍|[x×X](?!\s*[\d(.])|min|分钟|h|小时|hours?|epochs?"
    r"|images?|imgs?|samples?|cards?|[GN]PUs?|cores?|chips?|steps?|iters?|frames?|tokens?"
)
_UNIT = re.compile(rf"\s?(?:(?P<percent>%)|(?P<measure>{_MEASURES})|(?P<count>{_COUNTS}))(?![A-Za-z0-9_])")
_TIMES = re.compile(r"[xX](?=\s*[\d(.])")
_GLUED = re.compile(r"[\w.]*")
_BULLET = re.compile(r"^\s*(?:>\s*)*(?:(?:[-*+•·●▪◦]|\d{1,2}[.)、])\s+)?")
_LATEX = (
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\times\b|&times;"), "×"),
    (re.compile(r"\\cdot\b"), "*"),
    (re.compile(r"\\div\b|&divide;"), "/"),
    (re.compile(r"\\approx\b|&asymp;"), "≈"),
    (re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\[,;! ]|\\left|\\right"), " "),
)
_MARKUP = re.compile(r"(?<![\d)])\*\*|\*\*(?![\d(])|[`$]")


@dataclass(frozen=True, slots=True)
class Term:
    """A token. ``kind`` is number, operator, open, close, equals or word; ``unit`` is percent, measure, count or empty.

    ``loose`` marks an equals sign that only says "about".
    """

    kind: str
    text: str
    start: int
    end: int
    unit: str = ""
    unit_text: str = ""
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Terms without a word among them, the ``word`` in front, and whether an operation goes on behind them."""

    text: str
    terms: tuple[Term, ...]
    word: Term | None
    broken: bool


def runs(plain: str) -> Iterator[Run]:
    """The stretches of a line that hold numbers, an operator and an equals sign, in one piece."""
    text = _without_markup(_BULLET.sub("", plain, count=1))
    terms = [] if "^" in text else _terms(text)  # powers are not computed, so nothing is said of what holds one
    start = 0
    for index in range(len(terms) + 1):
        if index < len(terms) and terms[index].kind != "word":
            continue
        inner = tuple(terms[start:index])
        if {"equals", "number", "operator"} <= {term.kind for term in inner} and len(inner) <= LONGEST:
            behind = terms[index + 1] if index + 1 < len(terms) else None
            yield Run(
                text,
                inner,
                terms[start - 1] if start else None,
                broken=behind is not None and behind.kind == "operator",
            )
        start = index + 1


def _without_markup(text: str) -> str:
    if "\\" in text or "&" in text:
        for pattern, new in _LATEX:
            text = pattern.sub(new, text)
    return _MARKUP.sub(" ", text)


def _terms(text: str) -> list[Term]:
    out: list[Term] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # a line break inside a line: nothing can be read there
            at += 1
            continue
        if match["space"]:
            at = match.end()
            continue
        term = (
            _number(text, match, out[-1] if out else None)
            if match["number"]
            else _sign(text, match, out[-1].kind if out else "")
        )
        at = term.end
        out.append(term)
    return out


def _sign(text: str, match: re.Match[str], before: str) -> Term:
    start, end = match.span()
    if match["word"] and before in ("number", "close") and (times := _TIMES.match(text, start)):
        return Term("operator", "*", start, times.end())
    if match["equals"]:
        about = _ABOUT.match(text, end)
        loose = match[0][0] in "~≈≃≅约" or about is not None
        return Term("equals", match[0], start, about.end() if about else end, loose=loose)
    if match["operator"]:
        return Term("operator", _SPOKEN.get(match[0]) or _OPERATORS.get(match[0], match[0]), start, end)
    if match["bracket"]:
        return Term("open" if match[0] == "(" else "close", match[0], start, end)
    return Term("word", match[0], start, end)


def _number(text: str, match: re.Match[str], last: Term | None) -> Term:
    start, end = match.span()
    times = last is not None and last.kind == "operator" and last.end == start  # the x of 4x2 is no letter
    before, behind = "" if times else text[max(0, start - 2) : start], text[end : end + 2]
    part_of_a_name = (
        re.match(r"\.\d|:\d", behind)
        or re.search(r"[A-Za-z_.\\#@&]$|\d:$", before)
        or re.match(r"0\d", match[0])
        or (re.match(r"[A-Za-z_]", behind) and not _TIMES.match(text, end) and not _UNIT.match(text, end))
    )
    if part_of_a_name:
        glued = _GLUED.match(text, end)
        return Term("word", match[0], start, glued.end() if glued else end)
    unit = _UNIT.match(text, end)
    if unit:
        return Term("number", match[0], start, unit.end(), unit.lastgroup or "", unit[0].strip())
    return Term("number", match[0], start, end)
