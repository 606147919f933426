"""Kinds of forgery beside the pages: records, logs, ledger, times, statement, spec, requirements, code, pictures, files."""

from __future__ import annotations

import io
import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from forgery_kinds import CLAIMS, PICTURES, Change, Copy, Kind, chunk, numbers_of, put
from PIL import Image, ImageDraw

from npu_deliver import ledger
from npu_deliver.experiments.registry import parse_record
from npu_deliver.ledger import Entry
from npu_deliver.seal import manifest
from npu_deliver.summary import Summary, summarize
from npu_eval.asked.layout import LEDGER, SUMMARY
from npu_eval.jsonio import dumps, file_sha256, from_json, to_json
from npu_eval.records.codehash import code_sha256
from npu_eval.records.log import exit_code, log_name, log_text, verdicts_of
from npu_eval.records.record import Record, record_sha256, record_text

# --- records, logs, times --------------------------------------------------------------------------------------------


def rechained(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with numbers and hashes that follow from each other."""
    found: list[Entry] = []
    for number, entry in enumerate(entries):
        found.append(replace(entry, number=number, previous=found[-1].sha256 if found else None))
    return found


def write_ledger(copy: Copy, entries: Sequence[Entry]) -> None:
    copy.write(copy.layout.at(LEDGER), "".join(f"{entry.line}\n" for entry in entries))


def entries_of(copy: Copy) -> list[Entry]:
    return list(ledger.read(copy.folder / copy.layout.at(LEDGER)))


def write_records(copy: Copy, records: dict[str, Record], depth: str) -> bool:
    """Write records and what follows from them: ``record``, its ``log``, the ``summary``, or the ``ledger``, too."""
    criteria = copy.spec_file.evaluation.criteria
    before = {kind: record_sha256(copy.record(kind)) for kind in records}
    for kind, record in records.items():
        copy.write(copy.layout.record(kind), record_text(record))
        if depth != "record":
            copy.write(copy.layout.log(log_name(record)), log_text(record, criteria))
    if depth in ("record", "log"):
        return True
    every = {kind: copy.record(kind) for kind in copy.kinds()}
    if depth == "ledger":
        renamed = {before[kind]: record_sha256(record) for kind, record in records.items()}
        codes = {kind: exit_code(record, verdicts_of(record, criteria)) for kind, record in every.items()}
        new = [replace(e, record_sha256=renamed.get(e.record_sha256 or "", e.record_sha256)) for e in entries_of(copy)]
        new = [
            e if e.exit_code is None or e.experiment not in codes else replace(e, exit_code=codes[e.experiment])
            for e in new
        ]
        write_ledger(copy, rechained(new))
    told = from_json(Summary, copy.summary(), SUMMARY)
    runs = ledger.runs(entries_of(copy))
    return copy.rebuild(to_json(summarize(copy.spec_file, every, runs, told.derived_with)))


def record_kind(edit: Callable[[Any, random.Random], bool], depth: str, *, every: bool) -> Change:
    """An edit of the JSON of one record, or the same one of every record, with what follows from it up to a depth."""

    def change(copy: Copy, rng: random.Random) -> bool:
        records, seed = {}, rng.random()
        for kind in copy.kinds() if every else [rng.choice(copy.kinds())]:
            value = json.loads(record_text(copy.record(kind)))
            if edit(value, random.Random(seed)):
                records[kind] = parse_record(json.dumps(value, ensure_ascii=False), kind)
        return bool(records) and write_records(copy, records, depth)

    return change


def sample(value: Any, rng: random.Random) -> bool:
    """One measured number of a record."""
    places = [
        path
        for path in numbers_of(value["data"])
        if "samples_s" in path or "windows_s" in path or "sum" in str(path[-1])
    ]
    if places:
        put(value["data"], rng.choice(places), lambda old: old * rng.choice((0.9, 0.97, 1.01)))
    return bool(places)


def device(value: Any, rng: random.Random) -> bool:
    value["provenance"]["device"]["description"] = rng.choice(("Ascend910C", "Ascend 910B4 (certified)"))
    return True


def when(value: Any, rng: random.Random) -> bool:
    field = rng.choice(("started_at", "finished_at"))
    value[field] = re.sub(r"T(\d\d)", lambda m: f"T{(int(m[1]) + rng.randint(1, 5)) % 24:02d}", value[field])
    return True


def version(value: Any, rng: random.Random) -> bool:
    versions = value["provenance"]["versions"]
    versions[rng.choice(sorted(versions))] = "9.9.9"
    return True


_EDITS = {"a measured number": sample, "the device": device, "a time": when, "a version": version}
RECORD_KINDS = tuple(
    Kind(
        f"record: {what}, {depth} anew",
        record_kind(edit, depth, every=edit in (device, version)),
        consistent=depth == "ledger",
    )
    for what, edit in _EDITS.items()
    for depth in ("record", "log", "summary", "ledger")
)


def log_kind(edit: Callable[[str, random.Random], str]) -> Change:
    """An edit of a log, with its hash in the summary and all that follows from that."""

    def change(copy: Copy, rng: random.Random) -> bool:
        name = rng.choice(copy.names("evaluation/logs/", ".log"))
        text = copy.read(name)
        edited = edit(text, rng)
        copy.write(name, edited)
        value = copy.summary()
        for each in value["evidence"]:
            if each["log"] == name:
                each["log_sha256"] = file_sha256(copy.folder / name)
        return edited != text and copy.rebuild(value)

    return change


def some_digit(text: str, rng: random.Random) -> str:
    at = rng.choice([i for i, c in enumerate(text) if c.isdigit()])
    return text[:at] + str((int(text[at]) + rng.randint(1, 9)) % 10) + text[at + 1 :]


def some_line(text: str, rng: random.Random, *, add: bool) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines) - 1)
    return "\n".join([*lines[:at], rng.choice(CLAIMS), *lines[at:]] if add else [*lines[:at], *lines[at + 1 :]])


LOG_KINDS = (
    Kind("log: digit", log_kind(some_digit)),
    Kind("log: line added", log_kind(lambda text, rng: some_line(text, rng, add=True))),
    Kind("log: line removed", log_kind(lambda text, rng: some_line(text, rng, add=False))),
    Kind("log: verdict", log_kind(lambda text, rng: text.replace("PASS", "FAIL", 1))),
)

# --- the ledger ------------------------------------------------------------------------------------------------------


def ledger_kind(edit: Callable[[list[Entry], random.Random], list[Entry]], *, chained: bool, told: bool) -> Change:
    """An edit of the entries; chained anew or not, with the counts of the summary made anew or not."""

    def change(copy: Copy, rng: random.Random) -> bool:
        entries = entries_of(copy)
        new = edit(list(entries), rng)
        if new == entries:
            return False
        write_ledger(copy, rechained(new) if chained else new)
        if not told:
            return True
        value = copy.summary()
        value["runs"] = to_json(ledger.runs(entries_of(copy)))
        return copy.rebuild(value)

    return change


def later(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    entries[at] = replace(entries[at], time="2025-01-01T00:00:00+00:00")
    return entries


def without_one(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(1, len(entries))
    return entries[:at] + entries[at + 1 :]


def other_hash(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.choice([i for i, e in enumerate(entries) if e.record_sha256])
    entries[at] = replace(entries[at], record_sha256="ab" * 32)
    return entries


def other_end(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.choice([i for i, e in enumerate(entries) if e.exit_code is not None])
    entries[at] = replace(entries[at], exit_code=1 - min(1, entries[at].exit_code or 0))
    return entries


def exchanged(entries: list[Entry], rng: random.Random) -> list[Entry]:
    a, b = rng.sample(range(1, len(entries)), 2)
    entries[a], entries[b] = entries[b], entries[a]
    return entries


_LEDGER_EDITS = {"line removed": without_one, "record's hash": other_hash, "time": later, "lines exchanged": exchanged,
                 "exit code": other_end}  # fmt: skip
LEDGER_KINDS = (
    *(
        Kind(f"ledger: {what}, chain broken", ledger_kind(edit, chained=False, told=False))
        for what, edit in _LEDGER_EDITS.items()
    ),
    *(
        Kind(f"ledger: {what}, chained anew", ledger_kind(edit, chained=True, told=False))
        for what, edit in _LEDGER_EDITS.items()
    ),
    Kind("ledger: time, all told anew", ledger_kind(later, chained=True, told=True), consistent=True),
    Kind("ledger: record's hash, all told anew", ledger_kind(other_hash, chained=True, told=True)),
    Kind("ledger: lines exchanged, all told anew", ledger_kind(exchanged, chained=True, told=True), consistent=True),
)

# --- spec, statement, requirements -----------------------------------------------------------------------------------


def json_kind(name: str, edit: Callable[[Any, random.Random], bool]) -> Change:
    """An edit of a JSON file of its own."""

    def change(copy: Copy, rng: random.Random) -> bool:
        value = json.loads(copy.read(name))
        changed = edit(value, rng)
        copy.write(name, dumps(value))
        copy.whole = name == manifest.STATEMENT  # it lies outside the manifest
        return changed

    return change


def loosened(value: Any, rng: random.Random) -> bool:
    criterion = rng.choice(value["evaluation"]["criteria"])
    criterion["threshold"] = criterion["threshold"] * rng.choice((2, 10)) + 0.125
    return True


def evaluation(key: str, new: Any) -> Callable[[Any, random.Random], bool]:
    def edit(value: Any, rng: random.Random) -> bool:
        changed = value["evaluation"].get(key) != new
        value["evaluation"][key] = new
        return changed

    return edit


def retitled(copy: Copy, rng: random.Random) -> bool:
    """The author's own words, everywhere alike."""
    value = json.loads(copy.read("spec.json"))
    value["model"]["title"] += " (certified)"
    copy.write("spec.json", dumps(value))
    told = copy.summary()
    told["model"]["title"] = value["model"]["title"]
    return copy.rebuild(told)


def outcome(value: Any, rng: random.Random) -> bool:
    told = value["predicate"]
    told["result"] = {"PASSED": "WARNED"}.get(told["result"], "PASSED")
    told["passedTests"], told["warnedTests"] = told["warnedTests"], told["passedTests"]
    return True


def annotated(value: Any, rng: random.Random) -> bool:
    value["predicate"]["certifiedBy"] = rng.choice(CLAIMS)
    return True


def fewer(value: Any, rng: random.Random) -> bool:
    return bool(value["subject"].pop(rng.randrange(len(value["subject"]))))


def requirements(edit: Callable[[list[str], random.Random], list[str]]) -> Change:
    def change(copy: Copy, rng: random.Random) -> bool:
        lines = copy.read("requirements.txt").splitlines()
        copy.write("requirements.txt", "\n".join(new := edit(list(lines), rng)) + "\n")
        return new != lines

    return change


SPEC_KINDS = (
    Kind("spec: criterion loosened", json_kind("spec.json", loosened)),
    Kind("spec: seed", json_kind("spec.json", evaluation("seed", 77))),
    Kind("spec: inputs", json_kind("spec.json", evaluation("inputs", []))),
    Kind("spec: criteria taken out", json_kind("spec.json", lambda v, rng: bool(v["evaluation"]["criteria"].pop()))),
    Kind("spec: title alone", json_kind("spec.json", lambda v, rng: bool(v["model"].update(title="Other")) or True)),
    Kind("spec: licence alone", json_kind("spec.json", lambda v, rng: bool(v["model"].update(license="mit")) or True)),
    Kind("spec: title, all told anew", retitled, consistent=True),
    Kind("statement: result", json_kind(manifest.STATEMENT, outcome)),
    Kind("statement: claim", json_kind(manifest.STATEMENT, annotated)),
    Kind("statement: subject removed", json_kind(manifest.STATEMENT, fewer)),
    Kind(
        "requirements: version",
        requirements(lambda lines, rng: [f"{lines[0].partition('==')[0]}==1.0.{rng.randint(0, 9)}", *lines[1:]]),
    ),
    Kind("requirements: package", requirements(lambda lines, rng: [*lines, f"package{rng.randint(0, 99)}==1.0"])),
    Kind("requirements: remark", requirements(lambda lines, rng: [f"# {rng.choice(CLAIMS)}", *lines])),
    Kind(
        "requirements: address",
        requirements(lambda lines, rng: ["--extra-index-url https://example.com/simple", *lines]),
    ),
    Kind("requirements: line removed", requirements(lambda lines, rng: lines[1:])),
)

# --- code and other files --------------------------------------------------------------------------------------------


def code_kind(below: str, ending: str, *, told: bool) -> Change:
    """A change of the code; the records name the changed code, or not."""

    def change(copy: Copy, rng: random.Random) -> bool:
        names = [name for name in copy.names(below, ending) if "\n" in copy.read(name)]
        if not names:
            return False
        name = rng.choice(names)
        text = copy.read(name)
        copy.write(name, f"{text}\nTHRESHOLD = {rng.random()}\n")
        if not told:
            return True
        sha256 = code_sha256(copy.folder)
        records = {kind: replace(copy.record(kind), code_sha256=sha256) for kind in copy.kinds()}
        return write_records(copy, records, "ledger")

    return change


def file_kind(names: Sequence[str]) -> Change:
    def change(copy: Copy, rng: random.Random) -> bool:
        name = copy.layout.at(rng.choice(names))
        copy.write(name, rng.choice(CLAIMS) + "\n")
        return True

    return change


def removed(below: str, ending: str = "") -> Change:
    def change(copy: Copy, rng: random.Random) -> bool:
        names = copy.names(below, ending)
        if names:
            (copy.folder / rng.choice(names)).unlink()
        return bool(names)

    return change


FILE_KINDS = (
    Kind("code: changed", code_kind("npu_eval/", ".py", told=False)),
    Kind("code: changed, records told anew", code_kind("npu_eval/", ".py", told=True)),
    Kind("code: scripts", code_kind("evaluation/eval_", ".py", told=False)),
    Kind("code: scripts, records told anew", code_kind("evaluation/eval_", ".py", told=True)),
    Kind("code: inference.py", code_kind("inference.py", ".py", told=True)),
    Kind("code: verify_deliverable.py", code_kind("verify_deliverable.py", ".py", told=True)),
    Kind("code: adapter", code_kind("adapter.py", ".py", told=False)),
    Kind("code: adapter, records told anew", code_kind("adapter.py", ".py", told=True), consistent=True),
    Kind("file: added", file_kind(("CERTIFICATE.md", "notes.txt", "evaluation/logs/npu.log", "evaluation/results/npu.png",
                                   "evaluation/records/npu.json", "inputs/more.jpg", "npu_eval/CERTIFIED", "docs/report.pdf",
                                   "evaluation/screenshots/npu-smi.png", "model/deep/er/x.json", ".certified"))),
    Kind("file: log removed", removed("evaluation/logs/")),
    Kind("file: record removed", removed("evaluation/records/")),
    Kind("file: picture removed", removed(PICTURES)),
    Kind("file: input removed", removed("inputs/")),
    Kind("file: page removed", removed("", ".md")),
    Kind("file: code removed", removed("npu_eval/", ".py")),
)  # fmt: skip

# --- pictures --------------------------------------------------------------------------------------------------------


def picture_kind(edit: Callable[[Image.Image, random.Random], Image.Image]) -> Change:
    """Other pixels under the same texts."""

    def change(copy: Copy, rng: random.Random) -> bool:
        name = rng.choice(copy.names(PICTURES, ".png"))
        copy.repaint(name, lambda image: edit(image, rng))
        return True

    return change


def patch(image: Image.Image, rng: random.Random) -> Image.Image:
    """A digit's worth of one place is copied over another."""
    w, h = rng.randint(8, 40), rng.randint(10, 24)
    for _ in range(200):
        x, y = rng.randrange(image.width - w), rng.randrange(image.height - h)
        u, v = rng.randrange(image.width - w), rng.randrange(image.height - h)
        piece = image.crop((x, y, x + w, y + h))
        if piece.tobytes() != image.crop((u, v, u + w, v + h)).tobytes():
            image.paste(piece, (u, v))
            return image
    image.putpixel((0, 0), (1, 2, 3, 255)[: len(image.getbands())])
    return image


def words_on(image: Image.Image, rng: random.Random) -> Image.Image:
    ImageDraw.Draw(image).text((rng.randrange(200), rng.randrange(200)), "CERTIFIED 2x", fill=(0, 90, 200))
    return image


def one_pixel(image: Image.Image, rng: random.Random) -> Image.Image:
    at = rng.randrange(image.width), rng.randrange(image.height)
    pixel = image.getpixel(at)
    image.putpixel(at, (pixel[0] ^ 1, *pixel[1:]))
    return image


def one_for_another(copy: Copy, rng: random.Random) -> bool:
    """One picture's pixels under the texts of another."""
    first, second = rng.sample(copy.names(PICTURES, ".png"), 2)
    with Image.open(copy.folder / second) as image:
        other = image.copy()
    copy.repaint(first, lambda image: other)
    return True


def moving(copy: Copy, rng: random.Random) -> bool:
    """A second frame, which viewers show after the first."""
    name = rng.choice(copy.names(PICTURES, ".png"))
    data = (copy.folder / name).read_bytes()
    copy.write(name, data[:33] + chunk(b"acTL", struct.pack(">II", 2, 0)) + data[33:])
    return True


def other_photo(below: str) -> Change:
    def change(copy: Copy, rng: random.Random) -> bool:
        names = copy.names(below)
        if names:
            buffer = io.BytesIO()
            Image.new("RGB", (64, 48), tuple(rng.randrange(256) for _ in range(3))).save(buffer, "PNG")
            copy.write(rng.choice(names), buffer.getvalue())
        return bool(names)

    return change


PICTURE_KINDS = (
    Kind("picture: patch", picture_kind(patch), pictures=True),
    Kind("picture: words", picture_kind(words_on), pictures=True),
    Kind("picture: cropped", picture_kind(lambda i, rng: i.crop((0, 0, i.width, i.height - 60))), pictures=True),
    Kind("picture: mirrored", picture_kind(lambda i, rng: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), pictures=True),
    Kind("picture: another one", one_for_another, pictures=True),
    Kind("picture: moving", moving, pictures=True),
    Kind("picture: one pixel", picture_kind(one_pixel), believed=False, pictures=True),
    Kind("picture: packed anew", picture_kind(lambda image, rng: image), believed=False, pictures=True),
    Kind("photo: input exchanged", other_photo("inputs/")),
    Kind("photo: result exchanged", other_photo("evaluation/results/")),
)

KINDS = (*RECORD_KINDS, *LOG_KINDS, *LEDGER_KINDS, *SPEC_KINDS, *FILE_KINDS, *PICTURE_KINDS)
