"""Kinds of forgery, each drawn with a seed: what somebody would do to a finished folder who has this program."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from npu_deliver.experiments.registry import OPTIONAL, asked, read_record
from npu_deliver.report import render
from npu_deliver.review.tampering import seal_anew
from npu_deliver.seal import manifest, statement
from npu_deliver.summary import Summary, summary_sha256
from npu_deliver.words import LANGUAGES
from npu_eval.asked.layout import SUMMARY
from npu_eval.asked.spec import read_spec_file
from npu_eval.jsonio import dumps, from_json
from npu_eval.records.record import Record
from npu_eval.records.stamps import Stamp, stamp_words

PICTURES = "evaluation/screenshots/"


class Copy:
    """A copy of a deliverable made of hard links, and what a forger does with this program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec_file = read_spec_file(folder / "spec.json")
        self.layout = self.spec_file.layout
        self.pages = sorted(path.name for path in folder.glob("*.md"))
        self.whole = False
        """Whether everything that follows was made anew, the statement too."""

    def read(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode("utf-8")

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # the other end of the link is the original
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)

    def names(self, below: str, ending: str = "") -> list[str]:
        place = self.layout.at(below)
        return [name for name in manifest.files_of(self.folder) if name.startswith(place) and name.endswith(ending)]

    def summary(self) -> Any:
        return json.loads(self.read(self.layout.at(SUMMARY)))

    def record(self, kind: str) -> Record:
        return read_record(self.folder / self.layout.record(kind))

    def kinds(self) -> list[str]:
        every = (*asked(self.spec_file.evaluation), *OPTIONAL)
        return [kind for kind in every if (self.folder / self.layout.record(kind)).is_file()]

    def rebuild(self, value: Any) -> bool:
        """Make everything that follows from a summary: pages, what pictures say of their source, statement, seal."""
        old, new = (from_json(Summary, each, SUMMARY) for each in (self.summary(), value))
        page = max(self.pages, key=lambda name: len(self.read(name)))
        language = "zh" if re.search("[\u4e00-\u9fff]{8}", self.read(page)) else "en"
        self.write(self.layout.at(SUMMARY), dumps(new))
        for name, text in render.render(new, lang=language).items():
            self.write(name, text)
        hashes = {summary_sha256(old): summary_sha256(new)}
        for then, now in zip(old.evidence, new.evidence, strict=True):
            hashes |= {then.log_sha256: now.log_sha256, then.record_sha256: now.record_sha256}
        for name in self.names(PICTURES, ".png"):
            self.write(name, retold((self.folder / name).read_bytes(), hashes))
        manifest.seal(self.folder)
        statement.write(self.folder, new)
        self.whole = True
        return True

    def repaint(self, name: str, edit: Callable[[Image.Image], Image.Image]) -> None:
        """Other pixels between the chunks of the picture that was there."""
        data, buffer = (self.folder / name).read_bytes(), io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            edit(image.copy()).save(buffer, "PNG")
        drawn = chunks(buffer.getvalue())
        head = [chunk for kind, chunk in drawn if kind == b"IHDR"]
        rest = [chunk for kind, chunk in chunks(data) if kind not in (b"IHDR", b"IDAT", b"IEND")]
        pixels = [chunk for kind, chunk in drawn if kind in (b"IDAT", b"IEND")]
        self.write(name, data[:8] + b"".join([*head, *rest, *pixels]))

    def seal(self) -> None:
        """Manifest and statement's digests, unless the statement was made anew or is itself what was forged."""
        if not self.whole:
            self.write(manifest.STATEMENT, self.read(manifest.STATEMENT))  # what follows writes it in place
            seal_anew(self.folder)


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, whole chunk) of a PNG."""
    found, position = [], 8
    while position < len(png):
        end = position + 12 + int.from_bytes(png[position : position + 4], "big")
        found.append((png[position + 4 : position + 8], png[position:end]))
        position = end
    return found


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def retold(png: bytes, hashes: dict[str, str]) -> bytes:
    """A picture that names other hashes."""
    new = [png[:8]]
    for kind, whole in chunks(png):
        key, _, value = whole[8:-4].partition(b"\0")
        told = hashes.get(value.decode("latin-1")) if kind == b"tEXt" else None
        new.append(whole if told is None else chunk(kind, key + b"\0" + told.encode("ascii")))
    return b"".join(new)


Change = Callable[[Copy, random.Random], bool]


@dataclass(frozen=True)
class Kind:
    """A way to forge. ``believed``: a reader would believe something else; ``consistent``: everything follows from it,
    be it from records that were written anew or from what only the author can know. ``pictures`` must be drawn again.
    """

    name: str
    change: Change
    believed: bool = True
    consistent: bool = False
    pictures: bool = False


# --- pages -----------------------------------------------------------------------------------------------------------

CLAIMS = (
    "Certified by Huawei.", "Verified by an independent laboratory.", "经华为认证。", "本报告已由第三方机构复核。",
    "Measured on a real Ascend 910B NPU.", "All criteria passed on the first run.", "**PASS**", "hardware: NPU",
    "Faster than every other submission.", "[Certificate](https://hiascend.com/cert)", "<b>Official result</b>",
)  # fmt: skip
LOOKALIKES = {
    "A": "\u0410",
    "a": "\u0430",
    "e": "\u0435",
    "o": "\u043e",
    "P": "\u0420",
    "S": "\u0405",
    "p": "\u0440",
    "c": "\u0441",
}
HIDDEN = ("\u200b", "\u200d", "\u2060", "\u00ad", "\u202e", "\u2066", "\ufeff", "\u034f", "\U000e0041")
DIGITS = {
    "full-width": "０１２３４５６７８９", "Arabic-Indic": "٠١٢٣٤٥٦٧٨٩", "superscript": "⁰¹²³⁴⁵⁶⁷⁸⁹", "Devanagari": "०१२३४५६७८९",
    "Chinese": "零一二三四五六七八九", "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "circled": "⓪①②③④⑤⑥⑦⑧⑨",
}  # fmt: skip
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def page_kind(edit: Callable[[str, random.Random], str]) -> Change:
    """An edit of the text of one page."""

    def change(copy: Copy, rng: random.Random) -> bool:
        name = rng.choice(copy.pages)
        text = copy.read(name)
        edited = edit(text, rng)
        copy.write(name, edited)
        return edited != text

    return change


def in_line(choose: str, edit: Callable[[str, random.Random], str]) -> Change:
    """An edit of one line of those that a pattern finds."""

    def of_text(text: str, rng: random.Random) -> str:
        lines = text.split("\n")
        places = [i for i, line in enumerate(lines) if re.search(choose, line)]
        if not places:
            return text
        at = rng.choice(places)
        return "\n".join([*lines[:at], edit(lines[at], rng), *lines[at + 1 :]])

    return page_kind(of_text)


def at_match(pattern: str, new: Callable[[re.Match[str], random.Random], str]) -> Change:
    """What a pattern finds at one place becomes something else."""

    def of_text(text: str, rng: random.Random) -> str:
        found = list(re.finditer(pattern, text))
        if not found:
            return text
        match = rng.choice(found)
        return text[: match.start()] + new(match, rng) + text[match.end() :]

    return page_kind(of_text)


def hide_stamp(text: str, rng: random.Random) -> str:
    words = [words for stamp in Stamp for lang in LANGUAGES if (words := stamp_words(stamp, lang)) in text]
    if not words:
        return text
    how = rng.choice(
        ("<!-- {} -->", '<p style="display:none">{}</p>', "<details>{}</details>", "[//]: # ({})", "~~{}~~")
    )
    return text.replace(words[0], how.format(words[0]))


def swap_cells(line: str, rng: random.Random) -> str:
    cells = line.split("|")
    places = [i for i, cell in enumerate(cells) if cell.strip()]
    if len(places) < 2:
        return line
    a, b = rng.sample(places, 2)
    cells[a], cells[b] = cells[b], cells[a]
    return "|".join(cells)


def rows(edit: Callable[[list[str], list[int], random.Random], list[str]]) -> Change:
    """An edit of two neighbouring rows of a table."""

    def of_text(text: str, rng: random.Random) -> str:
        lines = text.split("\n")
        table = [i for i in range(1, len(lines) - 1) if lines[i].startswith("| ") and lines[i + 1].startswith("| ")]
        table = [i for i in table if "---" not in lines[i] + lines[i + 1]]
        return "\n".join(edit(lines, [at := rng.choice(table), at + 1], rng)) if table else text

    return page_kind(of_text)


def sections(text: str, rng: random.Random, *, drop: bool) -> str:
    head, *parts = re.split(r"(?m)^(?=## )", text)
    if len(parts) < 2:
        return text
    moved = parts.pop(rng.randrange(len(parts)))
    return "".join([head, *parts] if drop else [head, *(p for p in parts), moved])


def insert_claim(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines)), rng.choice(CLAIMS))
    return "\n".join(lines)


_NUMBER = r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]\d+)?"
PAGE_KINDS = (
    Kind("page: stamp hidden", page_kind(hide_stamp)),
    Kind("page: claim added", page_kind(insert_claim)),
    Kind("page: claim in a row", in_line(r"^\| ", lambda line, rng: f"{line[:-1]}{rng.choice(CLAIMS)} |")),
    Kind("page: letter that looks the same", at_match(f"[{''.join(LOOKALIKES)}]", lambda m, rng: LOOKALIKES[m[0]])),
    Kind("page: hidden character", at_match(r"\w(?=\w)", lambda m, rng: m[0] + rng.choice(HIDDEN))),
    Kind("page: other digits", at_match(r"\d", lambda m, rng: rng.choice(list(DIGITS.values()))[int(m[0])])),
    Kind("page: number in words", at_match(r"(?<![\w.])\d(?![\w.])", lambda m, rng: WORDS[int(m[0])])),
    Kind("page: digit changed", at_match(r"\d", lambda m, rng: str((int(m[0]) + rng.randint(1, 9)) % 10))),
    Kind("page: digit added", at_match(_NUMBER, lambda m, rng: f"{rng.randint(1, 9)}{m[0]}")),
    Kind("page: point moved", at_match(r"(\d)\.(\d)", lambda m, rng: f".{m[1]}{m[2]}")),
    Kind("page: exponent changed", at_match(r"e-(\d\d)", lambda m, rng: f"e-{int(m[1]) + rng.randint(1, 6):02d}")),
    Kind("page: unit changed", at_match(r"(?<=\d )(ms|s|MiB|GiB|M|%)(?!\w)", lambda m, rng: {"ms": "µs", "s": "ms"}.get(m[0], "k"))),
    Kind("page: comparison turned", at_match(r"<=|>=|≤|≥", lambda m, rng: {"<=": ">=", ">=": "<="}.get(m[0], "≠"))),
    Kind("page: verdict turned", at_match("PASS|FAIL|NOT_MEASURED", lambda m, rng: "FAIL" if m[0] == "PASS" else "PASS")),
    Kind("page: cells swapped", in_line(r"^\| (?!-)", swap_cells)),
    Kind("page: rows swapped", rows(lambda lines, at, rng: [*lines[: at[0]], lines[at[1]], lines[at[0]], *lines[at[1] + 1 :]])),
    Kind("page: row removed", rows(lambda lines, at, rng: [*lines[: at[0]], *lines[at[1] :]])),
    Kind("page: row twice", rows(lambda lines, at, rng: [*lines[: at[1]], *lines[at[0] :]])),
    Kind("page: line removed", in_line(r"\w{4}", lambda line, rng: "")),
    Kind("page: address changed", at_match(r"https://[\w.]+", lambda m, rng: f"{m[0]}.example.com")),
    Kind("page: picture exchanged", at_match(r"(\w+)\.png", lambda m, rng: rng.choice(("precision_report.png", "certified.png")))),
    Kind("page: alt text changed", at_match(r"!\[[^\]]*\]|alt=\"[^\"]*\"", lambda m, rng: f"![{rng.choice(CLAIMS)}]")),
    Kind("page: section moved", page_kind(lambda text, rng: sections(text, rng, drop=False))),
    Kind("page: section removed", page_kind(lambda text, rng: sections(text, rng, drop=True))),
    Kind("page: part commented out", in_line(r"^> |^## ", lambda line, rng: f"<!-- {line}")),
    Kind("page: heading changed", in_line(r"^#+ ", lambda line, rng: f"{line} {rng.choice(CLAIMS)}")),
    Kind("page: front matter", page_kind(lambda text, rng: f"---\nhardware: NPU\nverified: true\n---\n{text}")),
    Kind("page: device renamed", at_match(r"Ascend\w+|npu:0|cpu", lambda m, rng: "Ascend910C")),
    Kind("page: line ends", page_kind(lambda text, rng: text.replace("\n", "\r\n")), believed=False),
    Kind("page: spaces", at_match(r" ", lambda m, rng: "  "), believed=False),
)  # fmt: skip

# --- what follows from the summary -----------------------------------------------------------------------------------


def numbers_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in numbers_of(inner, (*path, key))]
    if isinstance(value, list):
        return [found for i, inner in enumerate(value) for found in numbers_of(inner, (*path, i))]
    return [path] if isinstance(value, float) and value else []


def put(value: Any, path: tuple[Any, ...], new: Callable[[Any], Any]) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new(value[path[-1]])


def summary_kind(edit: Callable[[Any, random.Random], bool]) -> Change:
    """A summary that says otherwise, with pages, pictures' texts, statement and seal made from it."""

    def change(copy: Copy, rng: random.Random) -> bool:
        value = copy.summary()
        return edit(value, rng) and copy.rebuild(value)

    return change


def scale(parts: tuple[str, ...]) -> Callable[[Any, random.Random], bool]:
    def edit(value: Any, rng: random.Random) -> bool:
        places = [path for path in numbers_of(value) if path[0] in parts]
        if places:
            put(value, rng.choice(places), lambda old: old * rng.choice((0.5, 0.9, 0.999, 1.5)))
        return bool(places)

    return edit


def flip(value: Any, rng: random.Random) -> bool:
    verdict = rng.choice(value["verdicts"])
    verdict["status"] = "FAIL" if verdict["status"] == "PASS" else "PASS"
    return True


def assign(path: tuple[Any, ...], new: Any) -> Callable[[Any, random.Random], bool]:
    def edit(value: Any, rng: random.Random) -> bool:
        before = value
        for key in path[:-1]:
            before = before[key]
        changed = before[path[-1]] != new
        before[path[-1]] = new
        return bool(changed)

    return edit


def counted(value: Any, rng: random.Random) -> bool:
    value["runs"][rng.choice(("started", "failed", "discarded", "elsewhere", "entries", "finished"))] += rng.randint(
        1, 3
    )
    return True


SUMMARY_KINDS = (
    Kind("summary: precision scaled", summary_kind(scale(("precision",)))),
    Kind("summary: performance scaled", summary_kind(scale(("performance",)))),
    Kind("summary: other number scaled", summary_kind(scale(("optimisation", "inference", "localisation", "verdicts")))),
    Kind("summary: threshold moved", summary_kind(scale(("criteria",)))),
    Kind("summary: verdict turned", summary_kind(flip)),
    Kind("summary: verdict left out", summary_kind(lambda v, rng: bool(v["verdicts"].pop(rng.randrange(len(v["verdicts"])))))),
    Kind("summary: runs counted otherwise", summary_kind(counted)),
    Kind("summary: stamps taken off", summary_kind(assign(("stamps",), []))),
    Kind("summary: hardware", summary_kind(assign(("hardware",), "NPU"))),
    Kind("summary: device", summary_kind(assign(("provenance", "device", "description"), "Ascend910C"))),
    Kind("summary: dtype", summary_kind(assign(("candidate", "dtype"), "float16"))),
    Kind("summary: exit code", summary_kind(assign(("evidence", 0, "exit_code"), 1))),
    Kind("summary: command", summary_kind(assign(("evidence", 0, "command"), "python inference.py --device npu:0"))),
    Kind("summary: time of a run", summary_kind(assign(("evidence", 0, "finished_at"), "2026-01-01T00:00:00+00:00"))),
)  # fmt: skip
