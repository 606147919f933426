"""What a stranger may put into a folder to stop, to fill or to fool whoever reads it: one function each, by name."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

RECORD = "evaluation/records/performance.json"
LOG = "evaluation/logs/performance_eval.log"


def _sized(path: Path, size: int) -> None:
    """A file that says that it has a size, and takes no space."""
    with path.open("ab") as stream:
        stream.truncate(size)


def _samples(folder: Path, text: str) -> None:
    """A record whose samples are another text of JSON."""
    path = folder / RECORD
    told = json.loads(path.read_text(encoding="utf-8"))
    told["data"]["runs"][0]["samples_s"] = "SAMPLES"
    path.write_text(json.dumps(told).replace('"SAMPLES"', text), encoding="utf-8")


def _many_files(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(10_100):
        (folder / "many" / str(number)).touch()


def _deep_folders(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def leave_socket(path: Path) -> None:
    """The file of a socket that nobody listens at."""
    here = Path.cwd()
    os.chdir(path.parent)  # an address of a socket may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _socket(folder: Path) -> None:
    leave_socket(folder / "evaluation/logs/s.log")


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


def _zip_bomb(folder: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**24))
    (folder / "x.zip").write_bytes(held.getvalue())


def _chunks(folder: Path) -> None:
    empty = struct.pack(">I", 0) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    (folder / "evaluation/screenshots/precision_chart.png").write_bytes(b"\x89PNG\r\n\x1a\n" + empty * 2_000_000)


def _points_outside(folder: Path, name: str) -> None:
    for path in (folder / "summary.json", folder / "spec.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        for entry in told.get("evidence", ()):
            entry["record"] = entry["log"] = name
        for entry in told.get("evaluation", {}).get("inputs", ()):
            entry["path"] = name
        path.write_text(json.dumps(told), encoding="utf-8")


def _same_again(folder: Path) -> None:
    path = folder / "summary.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["evidence"] = told["evidence"][:1] * 5000
    path.write_text(json.dumps(told), encoding="utf-8")


def _link(folder: Path, name: str, target: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


def _another_version(folder: Path) -> None:
    """A folder of another version, whose log and page are nothing but lines that ours have, too."""
    path = folder / "summary.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["derived_with"]["rules_sha256"] = "07" * 32
    path.write_text(json.dumps(told), encoding="utf-8")
    for page in ("readme.md", LOG):
        (folder / page).write_text("\n" * 1_000_000, encoding="utf-8")


BEYOND: dict[str, Callable[[Path], object]] = {
    "too many files": _many_files,
    "folders too deep": _deep_folders,
    "a record of a TiB": lambda f: _sized(f / RECORD, 2**40),
    "a summary of 5 MiB": lambda f: _sized(f / "summary.json", 5 * 2**20),
    "a manifest of a TiB": lambda f: _sized(f / "MANIFEST.json", 2**40),
    "a page of 2 MiB": lambda f: (f / "readme.md").write_text("x" * 2**21, encoding="utf-8"),
    "a log of a TiB": lambda f: _sized(f / LOG, 2**40),
    "a file of a TiB": lambda f: _sized(f / "evaluation/more.bin", 2**40),
    "a file of holes": lambda f: _sized(f / "evaluation/more.bin", 2**27),
    "a ledger of 5 MiB": lambda f: _sized(f / "evaluation/ledger.jsonl", 5 * 2**20),
    "files of 2 GiB together": lambda f: [_sized(f / f"evaluation/{n}.bin", 400 * 2**20) for n in range(5)],
    "a picture of a TiB": lambda f: _sized(f / "evaluation/screenshots/precision_chart.png", 2**40),
    "a picture of 10 gigapixels": lambda f: (f / "inputs/x.png").write_bytes(_png(100_000, 100_000)),
    "a photo of 4 gigapixels": lambda f: (f / "inputs/x.jpg").write_bytes(
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(20)
    ),
    "a pipe": lambda f: os.mkfifo(f / "evaluation/logs/pipe.log"),
    "a pipe for a record": lambda f: ((f / RECORD).unlink(), os.mkfifo(f / RECORD)),
    "a pipe for the spec": lambda f: ((f / "spec.json").unlink(), os.mkfifo(f / "spec.json")),
    "a socket": _socket,
    "a link to a device": lambda f: _link(f, LOG, "/dev/zero"),
    "a link to the kernel's memory": lambda f: _link(f, RECORD, "/proc/kcore"),
}
"""What is refused before anything is read."""

INSIDE: dict[str, Callable[[Path], object]] = {
    "deep JSON": lambda f: _samples(f, "[" * 100_000 + "]" * 100_000),
    "JSON of 100 lists": lambda f: _samples(f, "[" * 100 + "]" * 100),
    "open JSON": lambda f: (f / RECORD).write_text('{"a":' * 500_000, encoding="utf-8"),
    "a number of a million digits": lambda f: _samples(f, "[" + "9" * 10**6 + "]"),
    "a number of 4000 digits": lambda f: _samples(f, "[" + "9" * 4000 + "]"),
    "a fraction of a million digits": lambda f: _samples(f, "[0." + "3" * 10**6 + "]"),
    "numbers that are none": lambda f: _samples(f, "[NaN, Infinity, -Infinity, 1e999]"),
    "a key twice at the end of many": lambda f: (f / RECORD).write_text(
        "{" + "".join(f'"{n}":0,' for n in range(200_000)) + '"199999":0}', encoding="utf-8"
    ),
    "a million empty lists": lambda f: _samples(f, "[" + "[]," * 10**6 + "[]]"),
    "400,000 samples": lambda f: _samples(f, "[" + "0.02," * 399_999 + "0.02]"),
    "a key of 3 MiB": lambda f: (f / "spec.json").write_text(json.dumps({"k" * 3 * 2**20: 1}), encoding="utf-8"),
    "a spec of 3 MiB of text": lambda f: (f / "spec.json").write_text(json.dumps("x" * 3 * 2**20), encoding="utf-8"),
    "half characters": lambda f: _samples(f, '["\\ud800"]'),
    "a log of one line": lambda f: (f / LOG).write_text("1 ms " * 400_000, encoding="utf-8"),
    "a log of empty lines": lambda f: (f / LOG).write_text("\n" * 2_000_000, encoding="utf-8"),
    "a ledger of nothing": lambda f: (f / "evaluation/ledger.jsonl").write_text("{}\n" * 10**6, encoding="utf-8"),
    "a ledger of discarded runs": lambda f: (f / "evaluation/ledger.jsonl").write_text(
        '{"number":0,"event":"opened","criteria_sha256":""}\n', encoding="utf-8"
    ),
    "a picture of two million pieces": _chunks,
    "a zip bomb": _zip_bomb,
    "records that are devices": lambda f: _points_outside(f, "/dev/zero"),
    "records of the kernel's memory": lambda f: _points_outside(f, "/proc/kcore"),
    "records above": lambda f: _points_outside(f, "../../../../../../../../proc/kcore"),
    "one record 5000 times": _same_again,
    "lines of another version": _another_version,
    "a link to itself": lambda f: _link(f, LOG, "performance_eval.log"),
    "requirements of a megabyte": lambda f: (f / "requirements.txt").write_text("a-" * 500_000, encoding="utf-8"),
}
"""What is within every limit of size, and shall neither hang nor break anything."""

SLOW = ("deep JSON", "a million empty lists", "a log of one line", "lines of another version")
"""Of these, what is read by the slower commands, too."""
