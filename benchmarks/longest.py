"""What a checker's command takes on the longest folders that are within the limits: seconds of a core, and memory.

    python benchmarks/longest.py [--only performance,precision] [--commands verify,audit] [--keep DIR]

Makes one deliverable for each experiment whose record can grow, with a record as long as docs/reference/limits.md lets
one be or as an honest run can write it, lets every command read it in a process of its own, and prints the seconds of
computing of that process and those it started, and the most memory that one of them held. What a command finds does
not matter here; that it ends does. Needs no quiet machine: seconds of computing are counted, not those of the clock.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import deliverables
import samples
from npu_eval.experiments.dataset.data import Unusable
from npu_eval.records.record import (
    DatasetData,
    InferenceData,
    OptimisationData,
    PerformanceData,
    PrecisionData,
    Record,
    TrainingData,
)

TEMPLATE = Path(__file__).resolve().parents[1] / "templates/npu_deliverables/verify_deliverable.py"
CHANCE = random.Random(0)  # noqa: S311  nothing secret is drawn


@dataclass(frozen=True)
class Longest:
    """A way to grow a record: the spec's evaluation, the photos, and data with a number of pieces."""

    name: str
    evaluation: dict[str, Any]
    grow: Callable[[Record, int], Record]
    pieces: int
    photos: int = 1


def times(count: int, middle_s: float = 5e-4) -> tuple[float, ...]:
    """Calls that are as long in text as a clock's readings are."""
    return tuple(CHANCE.uniform(0.97, 1.03) * middle_s for _ in range(count))


def _performance(record: Record, pieces: int) -> Record:
    """Every cap of every batch size reached, on an accelerator with events; ``pieces`` calls of each."""
    data = record.data
    assert isinstance(data, PerformanceData)
    runs, throughput, processes = [], [], []
    for run in data.runs:
        calls = times(pieces)
        device = tuple(0.97 * each for each in calls)
        runs.append(
            replace(run, warmup_s=times(pieces), samples_s=calls, enqueue_s=times(pieces, 1e-4), device_s=device)
        )
        windows = times(2000, 2000 * 4.6e-4)
        throughput.append(samples.throughput_run(run.batch_size, calls=2000, windows_s=windows))
    for number in range(10):
        for run in data.runs:
            fresh = samples.fresh_process(run.batch_size, number)
            processes.append(replace(fresh, samples_s=times(pieces // 10), calls=2000, windows_s=times(3, 0.92)))
    found = replace(data, runs=tuple(runs), throughput=tuple(throughput), processes=tuple(processes))
    return replace(record, data=found)


def _precision(record: Record, pieces: int) -> Record:
    """``pieces`` repeats of every photo."""
    data = record.data
    assert isinstance(data, PrecisionData)
    paths = [each.input for each in data.differences]
    return replace(record, data=replace(data, repeats=tuple(samples.repeated(p) for p in paths for _ in range(pieces))))


def _optimisation(record: Record, pieces: int) -> Record:
    """``pieces`` calls in every burst."""
    data = record.data
    assert isinstance(data, OptimisationData)
    trials = []
    for trial in data.trials:
        pairs = []
        for pair in trial.pairs:
            bursts = (replace(b, samples_s=times(pieces, b.samples_s[0])) for b in pair.bursts)
            pairs.append(replace(pair, bursts=tuple(bursts)))
        trials.append(replace(trial, pairs=tuple(pairs)))
    return replace(record, data=replace(data, trials=tuple(trials)))


def _dataset(record: Record, pieces: int) -> Record:
    """``pieces`` images that cannot be read."""
    data = record.data
    assert isinstance(data, DatasetData)
    names = tuple(Unusable(name=f"{i:012d}.jpg", why="is no image") for i in range(pieces))
    images = replace(data.image_set, images=pieces + 100, available=pieces + 100)
    return replace(record, data=replace(data, unreadable=names, image_set=images))


def _training(record: Record, pieces: int) -> Record:
    data = record.data
    assert isinstance(data, TrainingData)
    losses = tuple(replace(data.losses[0], step=i + 1, name="total") for i in range(pieces))
    return replace(record, data=replace(data, losses=losses))


def _inference(record: Record, pieces: int) -> Record:
    data = record.data
    assert isinstance(data, InferenceData)
    results = tuple(replace(r, predictions=(samples.predictions()[0],) * pieces) for r in data.results)
    return replace(record, data=replace(data, results=results))


TIMING = {"batch_sizes": [1, 8]}
HOURS_S = 40_000.0
"""What the calls of the longest record take together, and more."""
FEW = {"device": "npu:0", "optimisation_budget_s": 0, "timing": TIMING}
KINDS = (
    Longest("performance", FEW | {"timing": {"batch_sizes": list(range(1, 17))}}, _performance, 20_000),
    Longest("precision", FEW | {"repeats": 100}, _precision, 99, photos=64),
    Longest("optimisation", FEW | {"optimisation_budget_s": 600}, _optimisation, 2600),
    Longest("dataset", FEW, _dataset, 5000),
    Longest("training", FEW | {"training": {}}, _training, 100),
    Longest("inference", FEW, _inference, 100),
)
MOST = {"precision": 570, "dataset": 650_000, "training": 480_000, "inference": 480_000}
"""Pieces with which the record of a kind comes to the limit of values, where an honest run's does not."""


def build(kind: Longest, folder: Path) -> Path:
    """A finished deliverable whose record of one kind is as long as an honest run's may be."""
    root = folder / kind.name
    deliverables.write_model(root, evaluation=kind.evaluation)
    for number in range(1, kind.photos):
        deliverables.write_photo(root / f"tiny/photos/{number}.png", (number, 2 * number, 3 * number))
    overrides: dict[str, Any] = {}
    if kind.name == "dataset":
        data = root / "data"
        data.mkdir()
        (data / "labels.csv").write_text("a\n", encoding="utf-8")
        for number in range(20):
            deliverables.write_photo(data / f"{number}.png")
        overrides["data"] = data
    job = deliverables.job_of(root, **overrides)

    def change(record: Record) -> Record:
        if record.kind != kind.name:
            return record
        deliverables.CLOCK.wait(HOURS_S)
        return replace(kind.grow(record, kind.pieces), finished_at=deliverables.CLOCK.now())

    deliverables.make(job, deliverables.FakeEngine(change=change), pictures=True)
    return Path(job.output)


def commands(folder: Path) -> dict[str, list[str]]:
    """Each command that reads somebody's folder, with its arguments."""
    tool = [sys.executable, "-m", "npu_deliver"]
    return {
        "verify": [*tool, "verify", str(folder)],
        "audit": [*tool, "audit", str(folder)],
        "judge": [*tool, "judge", str(folder), "--criteria", "msprobe-l1"],
        "compare": [*tool, "compare", str(folder), str(folder)],
        "report": [*tool, "report", "tiny", "--root", str(folder.parents[1])],
        "verify_deliverable.py": [sys.executable, str(TEMPLATE), str(folder)],
        "lint": [*tool, "lint", str(folder)],
    }


def measure(command: list[str], log: Path) -> tuple[int, float, float]:
    """(exit code, seconds of computing, MiB) of a process and of those that it started."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        _, status, used = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--commands", default="")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    work = asked.keep or Path(tempfile.mkdtemp(prefix="longest-"))
    for kind in KINDS:
        if asked.only and kind.name not in asked.only.split(","):
            continue
        place = work / kind.name / "tiny/npu_deliverables"
        if not place.is_dir():
            building = multiprocessing.Process(target=build, args=(kind, work))  # what it holds is not counted below
            building.start()
            building.join()
        print(kind.name, place, flush=True)
        for name, command in commands(place).items():
            if asked.commands and name not in asked.commands.split(","):
                continue
            code, seconds, mib = measure(command, work / f"{kind.name}-{name}.txt")
            print(f"  {name:<22} {code:>3} {seconds:8.1f} s {mib:8.0f} MiB", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
