"""A folder's pages and pictures, made again from a summary: what runs in the second process of `verify`.

It is told the summary that was derived from the records, renders the pages from it and draws the pictures, and holds
the pictures of the folder against them, pixel by pixel. `asking` starts it and speaks with it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npu_deliver.drawing import encoding
from npu_deliver.errors import RenderError
from npu_deliver.experiments.registry import parse_record
from npu_deliver.report import figures, render
from npu_deliver.review.png_chunks import chunks
from npu_deliver.review.second_look.asking import MARK, Answer
from npu_deliver.summary import Summary
from npu_deliver.words import LANGUAGES
from npu_eval.jsonio import from_json, keep, to_json
from npu_eval.limits import MAX_PICTURE_BYTES, MAX_RECORD_BYTES, read_bytes, read_text
from npu_eval.records.record import Record

_DRAWN_WITH = encoding.DRAWN_WITH.encode("latin-1") + b"\0"
_HEADER = 26
"""Bytes of a PNG up to its colour type: signature, length, IHDR, width, height, depth, type (ISO/IEC 15948, 11.2.2)."""


def main(cpu_s: int, memory_bytes: int) -> None:
    """Read one question, answer it, end."""
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_AS, memory_bytes)
    question = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    found = answer(question, pictures=True)
    text = json.dumps(to_json(found), ensure_ascii=False).encode("utf-8")  # one line: JSON escapes those in texts
    sys.stdout.buffer.write(b"\n" + MARK + text + b"\n")


def _limit(what: int, most: int) -> None:
    """Lower a limit of this process, where the system has it."""
    hard = resource.getrlimit(what)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (least, least))


def answer(question: Mapping[str, Any], *, pictures: bool) -> Answer:
    """What a question asks for; ``pictures`` of the folder, too."""
    summary = from_json(Summary, question["summary"], "summary")
    try:
        language, pages = nearest(summary, question["pages"])
    except RenderError as error:
        return Answer(pages={}, refused=str(error), pictures={}, uncompared={})
    if not pictures:
        return Answer(pages=pages, refused="", pictures={}, uncompared={})
    folder = Path(question["folder"])
    records = {kind: _record(folder / told["file"], told["sha256"]) for kind, told in question["records"].items()}
    with encoding.quickly():
        drawn = figures.draw(summary, records, question["logs"], language, summary_hash=question["summary_sha256"])
    wrong, other = _compared(folder, drawn)
    return Answer(pages=pages, refused="", pictures=wrong, uncompared=other)


def _record(path: Path, sha256: str) -> Record:
    """A record of the folder, which whoever asks has read and hashed."""
    record = parse_record(read_text(path, MAX_RECORD_BYTES), path.name)
    keep(record, sha256=sha256)
    return record


def nearest(summary: Summary, found: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """(language, pages) of a summary, in the language in which they are nearest to those that were found."""
    best, most = ("", dict[str, str]()), -1
    han = sum("\u4e00" <= character <= "\u9fff" for text in found.values() for character in text)
    chinese = han * 20 > sum(map(len, found.values()))  # an English page holds a Chinese name at most
    for language in sorted(LANGUAGES, key=lambda each: (each == "zh") is not chinese):
        pages = render.render(summary, lang=language)
        lines = {file: set(text.splitlines()) for file, text in found.items()}
        alike = sum(len(lines.get(file, set()).intersection(text.splitlines())) for file, text in pages.items())
        if alike > most:
            best, most = (language, pages), alike
        if all(found.get(file) == text for file, text in pages.items()):
            break
    return best


def _compared(folder: Path, drawn: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, str]]:
    """What is wrong with each picture, and which ones other libraries may have drawn otherwise."""
    wrong: dict[str, str] = {}
    other: dict[str, str] = {}
    makers = set()
    for name, ours in drawn.items():
        try:
            theirs = read_bytes(folder / name, MAX_PICTURE_BYTES)
        except OSError:
            wrong[name] = "is missing"
            continue
        makers.add(maker := encoding.drawn_with(theirs))
        problem = difference(theirs, ours)
        if problem and maker == encoding.drawn_with(ours):
            wrong[name] = problem
        elif problem:
            other[name] = maker or "libraries that it does not name"
    if len(makers) > 1:
        wrong |= dict.fromkeys(sorted(other)[:1], "was drawn with other libraries than the other pictures")
    return wrong, other


def difference(theirs: bytes, ours: bytes) -> str:
    """What makes a picture another one than that which was drawn here; empty when it shows the same."""
    from PIL import Image

    if theirs[:_HEADER] != ours[:_HEADER]:
        return "has another size or another kind of pixels than what is drawn from its source"
    try:
        told, expected = _told(theirs), _told(ours)
    except ValueError:
        return "is no whole PNG"
    if extra := sorted({kind for kind, _ in told} - {kind for kind, _ in expected}):
        return f"holds {', '.join(repr(kind)[2:-1] for kind in extra)}, which no picture of this tool has"
    if _without_libraries(told) != _without_libraries(expected):
        return "says something else of itself than what is drawn from its source"
    try:
        with Image.open(io.BytesIO(theirs)) as a, Image.open(io.BytesIO(ours)) as b:
            found, again = a.convert("RGBA"), b.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        return f"cannot be decoded ({error})"
    if found.tobytes() == again.tobytes():
        return ""
    return f"shows something else than what is drawn from its source, {_where(found, again)}"


def _told(png: bytes) -> list[tuple[bytes, bytes]]:
    """What a picture holds beside its pixels."""
    return [(kind, content) for kind, content in chunks(png) if kind != b"IDAT"]


def _without_libraries(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(kind, body) for kind, body in chunks if kind != b"tEXt" or not body.startswith(_DRAWN_WITH)]


def _where(found: Any, again: Any) -> str:
    from PIL import ImageChops

    bands = ImageChops.difference(found, again).split()
    apart = functools.reduce(ImageChops.lighter, bands)
    box = apart.getbbox() or (0, 0, *found.size)
    changed = sum(apart.histogram()[1:])
    return f"in {changed} pixels from ({box[0]}, {box[1]}) to ({box[2]}, {box[3]})"
