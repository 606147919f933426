"""Forge copies of finished deliverables, seal them anew as somebody would who knows how, and count what verify finds.

    python benchmarks/forgeries.py FOLDER... --count 500 --seed 0 [--processes]

Each forgery is drawn from a kind with a seed, so that the same seed gives the same ones. A kind says whether its
forgeries change what a reader would believe, and whether they are consistent: records, or what only the author can
know, were written anew and everything follows from them. Those no folder can betray by itself; every other one that
changes what a reader believes must be found. With ``--processes`` each copy is verified with the real second process;
without, pages are made again in this one, and pictures where a kind concerns them, each only once. Prints the counts
by kind and the time; exits with 1 when something was missed or an untouched copy was blamed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from unittest import mock

import forgery_kinds
import forgery_records
from forgery_kinds import Copy, Kind

from npu_deliver.report import figures
from npu_deliver.review import verify
from npu_deliver.review.second_look import asking as second_look
from npu_deliver.review.second_look import making as made_again
from npu_deliver.review.second_look.asking import Answer
from npu_deliver.summary import summary_sha256

KINDS: tuple[Kind, ...] = (*forgery_kinds.PAGE_KINDS, *forgery_kinds.SUMMARY_KINDS, *forgery_records.KINDS)
TRIES = 20
"""Draws until a kind changes something; a folder may hold nothing of it, such as a stamp."""


@dataclass(frozen=True)
class Outcome:
    """One forgery, and the first thing that was found of it; empty when nothing was."""

    kind: Kind
    found: str


class OneProcess:
    """Instead of a second process: the same answer from this one."""

    def __init__(self, *, pictures: bool) -> None:
        self.pictures = pictures

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *stopped: object) -> None:
        """Nothing was started."""

    def ask(self, question: Mapping[str, Any]) -> Answer:
        return made_again.answer(question, pictures=self.pictures)


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """No waiting for the disk, and each summary's pictures drawn once."""
    drawn: dict[tuple[str, str], dict[str, bytes]] = {}
    plain = figures.draw

    def draw(summary: Any, records: Any, logs: Any, lang: str) -> dict[str, bytes]:
        key = (summary_sha256(summary), lang)
        if key not in drawn:
            drawn[key] = plain(summary, records, logs, lang)
        return drawn[key]

    with mock.patch.object(os, "fsync"), mock.patch.object(figures, "draw", draw):
        yield


def forge(folder: Path, kind: Kind, rng: random.Random, place: Path, *, processes: bool) -> Outcome | None:
    """Forge one copy and verify it; None where the folder holds nothing of the kind."""
    for _ in range(TRIES):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place, symlinks=True, copy_function=os.link)
        copy = Copy(place)
        if kind.change(copy, rng):
            copy.seal()
            return Outcome(kind, told(place, pictures=kind.pictures, processes=processes))
    return None


def told(folder: Path, *, pictures: bool, processes: bool) -> str:
    """The first thing that verify tells of a folder."""
    if processes:
        report = verify.verify(folder)
    else:
        start = functools.partial(_started, pictures=pictures)
        with mock.patch.object(second_look, "start", start):
            report = verify.verify(folder)
    places = [*report.findings, *report.other.unchecked, *report.other.changed, *report.uncompared]
    return str(places[0]) if places else ""


def _started(folder: Path, *, pictures: bool) -> OneProcess:
    return OneProcess(pictures=pictures)


def try_out(
    folders: Sequence[Path], count: int, seed: int, *, kinds: Sequence[Kind] = KINDS, processes: bool = False
) -> Iterator[Outcome]:
    """Forge so many copies, kind by kind and folder by folder."""
    rng = random.Random(seed)
    before = {folder: _state(folder) for folder in folders}
    with quickly(), tempfile.TemporaryDirectory(prefix="forgeries-", dir=folders[0].parent) as temporary:
        done, turn = 0, 0
        while done < count and turn < 4 * count:
            kind, folder = kinds[turn % len(kinds)], folders[(turn // len(kinds)) % len(folders)]
            outcome = forge(folder, kind, rng, Path(temporary) / "copy", processes=processes)
            turn += 1
            if before[folder] != _state(folder):
                raise AssertionError(f"{kind.name} wrote through a link into {folder}")
            if outcome is not None:
                done += 1
                yield outcome


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of the last change of every file: no forgery may reach the original."""
    return [(p.as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()]


def missed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What a reader would believe, could have been found, and was not."""
    return [each for each in outcomes if not each.found and each.kind.believed and not each.kind.consistent]


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The counts by kind."""
    tried, found = Counter(o.kind.name for o in outcomes), Counter(o.kind.name for o in outcomes if o.found)
    for kind in {o.kind.name: o.kind for o in outcomes}.values():
        what = "consistent" if kind.consistent else "believed" if kind.believed else "harmless"
        yield f"{kind.name:<48} {what:<10} {found[kind.name]:>4} of {tried[kind.name]:>4} found"
    must = [o for o in outcomes if o.kind.believed and not o.kind.consistent]
    yield f"{len(outcomes)} forgeries of {len(tried)} kinds; of {len(must)} that must be found {sum(map(bool, (o.found for o in must)))} were"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", action="store_true")
    asked = parser.parse_args()
    started = time.monotonic()
    blamed = [
        f"{folder}: {first}" for folder in asked.folders if (first := told(folder, pictures=True, processes=True))
    ]
    outcomes = list(try_out(asked.folders, asked.count, asked.seed, processes=asked.processes))
    seconds = time.monotonic() - started
    print("\n".join(table(outcomes)))
    print(
        "\n".join(
            [f"untouched, but blamed: {line}" for line in blamed] + [f"missed: {o.kind.name}" for o in missed(outcomes)]
        )
    )
    print(f"{seconds:.0f} s, {seconds / max(1, len(outcomes)):.2f} s each")
    return 1 if blamed or missed(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
