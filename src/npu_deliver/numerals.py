"""Which numerals a page may hold: those of its template's own words, and those of the summary in some unit.

The verifier's own reading of pages, written without the code that renders them. Standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npu_deliver.profiles import templates_folder
from npu_deliver.summary import Summary
from npu_deliver.words import LANGUAGES
from npu_eval.config import SpecFile

NUMERAL = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
SCALES = (1.0, 100.0, 1e3, 1e-6, 2.0**-20, 2.0**-30)
"""Units in which a page may show a stored value: as it is, per cent, ms of seconds, millions, MiB and GiB of bytes."""


@dataclasses.dataclass(frozen=True)
class Allowed:
    """Values and texts from which a page's numerals may come."""

    values: tuple[float, ...]
    words: frozenset[str]


def allowed_numbers(summary: Summary, spec_file: SpecFile, folder: Path) -> Allowed:
    """Every number and every word with a digit in a summary, in its spec and in the deliverable's file names."""
    values: set[float] = set()
    words: set[str] = set()
    for leaf in _leaves(dataclasses.asdict(summary)):
        _collect(leaf, values, words)
    for leaf in _leaves(dataclasses.asdict(spec_file)):
        _collect(leaf, values, words)
    for line in (folder / "requirements.txt").read_text(encoding="utf-8").split():
        words.update(_tokens(line))
    return Allowed(values=tuple(sorted(values)), words=frozenset(words))


def stray_numerals(text: str, page: str, allowed: Allowed, profile: str) -> Iterator[tuple[int, str]]:
    """(line, numeral) for each numeral of a page that comes from nowhere."""
    fixed = _fixed_words(profile, page)
    for number, line in enumerate(text.splitlines(), start=1):
        for token in _tokens(line):
            if token in fixed or token in allowed.words:
                continue
            if not _is_some_value(token, allowed.values):
                yield number, token


_BREAK = r"\s×|`*<>()\[\],;:=!\"'(),。;:、"
_TOKEN = re.compile(rf"[^{_BREAK}]*\d[^{_BREAK}]*")


def _tokens(line: str) -> list[str]:
    """The words of a line that hold a digit, without the punctuation around them."""
    return [token.strip(".=~≈±×%") for token in _TOKEN.findall(line)]


def _collect(leaf: Any, values: set[float], words: set[str]) -> None:
    if isinstance(leaf, bool) or leaf is None:
        return
    if isinstance(leaf, (int, float)):
        values.add(float(leaf))
    else:
        words.update(_tokens(str(leaf)))
        if re.fullmatch(r"[0-9a-f]{64}", str(leaf)):
            words.add(str(leaf)[:12])


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        yield len(value)
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _is_some_value(token: str, values: tuple[float, ...]) -> bool:
    """Whether a numeral is a stored value in some unit, rounded to the digits that are shown."""
    try:
        shown = float(token)
    except ValueError:
        return False
    mantissa, _, exponent = token.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = 0.5000001 * 10.0 ** (int(exponent or 0) - decimals)
    return any(abs(value * scale - shown) <= half for value in values for scale in SCALES)


@functools.cache
def _fixed_words(profile: str, page: str) -> frozenset[str]:
    """The words with digits that stand in a page's templates themselves."""
    stem, dot, suffix = page.partition(".")
    found: set[str] = set()
    for lang in LANGUAGES:
        path = templates_folder(profile) / f"{stem}.{lang}{dot}{suffix}.j2"
        if path.is_file():
            plain = re.sub(r"\{[{%#].*?[}%#]\}", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            for line in plain.splitlines():
                found.update(_tokens(line))
    return frozenset(found)
