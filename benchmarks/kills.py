"""Kills runs at random moments and holds each to its resume: the same command again makes the whole deliverable.

    python benchmarks/kills.py --kills 90 --in-performance 20
    python benchmarks/kills.py --kills 10 --engine docker

Makes the deliverable of the tests' tiny model again and again. Each run is killed without warning (SIGKILL), turn about
the whole command and the step that it runs, and then the same command runs to its end. Wanted of each: no torn record
and no process or container left behind by the kill; after the resume a deliverable that verifies, whose ledger tells of
every step that was killed, and no temporary file. Prints a line a kill and the counts; leaves with 1 when one failed.
Takes about half a minute a kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from npu_deliver import ledger
from npu_deliver.environment.engine import container
from npu_deliver.experiments.registry import read_record
from npu_deliver.review import verify
from npu_eval.asked.layout import LEDGER
from npu_eval.errors import RecordError
from npu_eval.jsonio import TEMPORARY_PREFIX, loads

MODEL = Path(__file__).parents[1] / "tests/models/tiny"
MARK = "NPU_DELIVER_KILLS"
"""A variable of everything that a run starts, by which what is left of it is found."""
PERFORMANCE = "] performance: "
GONE_S = 30.0
OF_TORCH = "torchinductor_"
"""torch's cache of a user in the folder for temporary files; every process that imports torch shares it."""


@dataclass
class Bench:
    """Where the runs are made, and how."""

    root: Path
    engine: str
    mark: str = field(default_factory=lambda: f"{os.getpid()}-{random.getrandbits(64):x}")

    @property
    def model(self) -> Path:
        return self.root / "models/tiny"

    @property
    def output(self) -> Path:
        return self.model / "npu_deliverables"

    @property
    def scratch(self) -> Path:
        return self.root / "tmp"

    def start(self, *more: str) -> Run:
        """Begin `npu-deliver deliver tiny`."""
        environment = {
            **os.environ,
            "NPU_DELIVER_ROOT": str(self.model.parent),
            "NPU_DELIVER_ENGINE": self.engine,
            "TMPDIR": str(self.scratch),
            MARK: self.mark,
        }
        command = [sys.executable, "-m", "npu_deliver", "deliver", "tiny", "--budget", "0", *more]
        return Run(
            subprocess.Popen(command, env=environment, cwd=self.root, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
        )  # fmt: skip

    def processes(self) -> list[int]:
        """The processes of any run that are alive."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                alive = path.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
                ours = f"{MARK}={self.mark}".encode() in path.joinpath("environ").read_bytes().split(b"\0")
            except OSError:  # it ended, or is somebody else's
                continue
            if alive and ours:
                found.append(int(path.name))
        return found

    def containers(self) -> list[container.Any]:
        """The containers of any run that are there."""
        if self.engine != "docker":
            return []
        client = container.connect()
        try:
            label = container.folder_label(self.model / ".npu_deliverables.work/npu_deliverables")
            return list(client.containers.list(all=True, sparse=True, filters={"label": f"{container.LABEL}={label}"}))
        finally:
            client.close()

    def kept(self) -> list[ledger.Entry]:
        """The ledger beside the folder."""
        (path,) = self.model.glob(".npu_deliverables.ledgers/*.jsonl")
        return list(ledger.read(path))

    def kill_step(self, command: int) -> bool:
        """Kill what the command runs; False where it runs nothing."""
        if self.engine == "docker":
            found = self.containers()
            for each in found:
                try:
                    each.kill()
                except container.docker.errors.APIError:  # it ended by itself in this moment
                    return False
            return bool(found)
        steps = [pid for pid in self.processes() if parent(pid) == command]
        for pid in steps:
            os.kill(pid, signal.SIGKILL)
        return bool(steps)


class Run:
    """A command that runs, and what it has said so far."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.said: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.said.append((time.monotonic(), line))

    def until(self, words: str) -> None:
        """Wait until it says some words, or ends."""
        while self.child.poll() is None and not any(words in line for _, line in self.said):
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        code = self.child.wait(timeout=600)
        self._reader.join(timeout=GONE_S)
        return code

    def last(self) -> str:
        return next((line.strip() for _, line in reversed(self.said) if line.strip()), "nothing")


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def torn(folder: Path) -> list[str]:
    """The files that can be read in part only."""
    found = []
    for path in folder.rglob("*.json"):
        try:
            if not path.name.startswith(TEMPORARY_PREFIX):
                loads(path.read_text(encoding="utf-8"), path.name)
            if path.parent.name == "records" and not path.name.startswith(TEMPORARY_PREFIX):
                read_record(path)
        except (RecordError, OSError) as error:
            found.append(f"torn: {error}")
    return found


def gone(bench: Bench) -> list[str]:
    """What is still there after a while of what the killed run started."""
    deadline = time.monotonic() + GONE_S
    while (left := bench.processes() + bench.containers()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"left behind: {each}" for each in left]


def whole(bench: Bench, killed: list[ledger.Entry]) -> list[str]:
    """What is wrong with the deliverable after a resume."""
    report = verify.verify(bench.output)
    wrong = [str(finding) for finding in report.findings]
    if not report.holds:
        wrong.append("does not hold together")
    if report.summary is None or report.summary.overall != "PASS":
        wrong.append("did not pass")
    if ledger.read(bench.output / LEDGER) != tuple(bench.kept()):
        wrong.append("the ledger that travels is another one")
    ended = {entry.of for entry in bench.kept() if entry.event is ledger.Event.FAILED}
    wrong += [f"the ledger does not tell of the killed {e.experiment}" for e in killed if e.number not in ended]
    files = {path.name for path in bench.model.iterdir()}
    known = {"adapter.py", "spec.yaml", "photos", "npu_deliverables", ".npu_deliverables.ledgers",
             ".npu_deliverables.lock", "__pycache__"}  # fmt: skip
    wrong += [f"left over: {name}" for name in sorted(files - known)]
    wrong += [f"left over: {path.name}" for path in bench.scratch.iterdir() if not path.name.startswith(OF_TORCH)]
    wrong += [f"left over: {path.name}" for path in bench.model.rglob(f"{TEMPORARY_PREFIX}*")]
    return wrong


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: of the step or of the whole command, after so many seconds (of performance, or of the run).

    ``first``: no finished deliverable is there, so that the resume has nothing but what the killed run left.
    """

    step: bool
    performance: bool
    first: bool
    after_s: float


def carry_out(bench: Bench, kill: Kill) -> tuple[str, list[str]]:
    """(what was killed, what went wrong then) of one kill and its resume."""
    started = len(bench.kept())
    if kill.first:
        shutil.rmtree(bench.output)
    run = bench.start(*(() if kill.first else ("--fresh",)))
    if kill.performance:
        run.until(PERFORMANCE)
    time.sleep(kill.after_s)
    running = [e for e in ledger.unended(bench.kept()) if e.number >= started]
    if kill.step and not (running and bench.kill_step(run.child.pid)):
        kill = replace(kill, step=False)
    if not kill.step and run.child.poll() is None:
        os.killpg(run.child.pid, signal.SIGKILL)
    code = run.end()
    what = "nothing, the run had ended" if code in (0, 1) else "the step" if kill.step else "the command"
    wrong = [] if code in ((0, 1, 6) if kill.step else (0, 1, -signal.SIGKILL)) else [f"exit code {code}: {run.last()}"]
    if kill.step and code == 6 and not run.last().startswith("npu-deliver: "):
        wrong.append(f"its last word is {run.last()}")
    wrong += gone(bench) + torn(bench.model)
    killed = ledger.unended(bench.kept())
    if kill.step and code == 6:  # the command lives on and enters it
        killed = [e for e in running if any(f.of == e.number and f.event is ledger.Event.FAILED for f in bench.kept())]
    what += f" in {killed[0].experiment}" if killed else " between steps"
    what += " of a first run" if kill.first else " of a fresh run"
    again = bench.start()
    code = again.end()
    if code != 0:
        return what, [*wrong, f"the resume ended with {code}: {again.last()}"]
    kept = sum("kept from" in line for _, line in again.said)
    return f"{what}, {kept} kept", wrong + gone(bench) + whole(bench, killed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--in-performance", type=int, default=0, help="so many of them inside the performance step")
    parser.add_argument("--engine", choices=("local", "docker"), default="local")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    drawn = random.Random(asked.seed)  # noqa: S311  nothing secret is drawn
    root = Path(tempfile.mkdtemp(prefix="npu-deliver-kills-"))
    bench = Bench(root=root, engine=asked.engine)
    shutil.copytree(MODEL, bench.model, ignore=shutil.ignore_patterns("__pycache__"))
    bench.model.joinpath("photos").mkdir()
    bench.scratch.mkdir()
    Image.new("RGB", (64, 48), "#c00000").save(bench.model / "photos/red.png")
    begin = time.monotonic()
    first = bench.start()
    assert first.end() == 0, first.last()
    whole_s = time.monotonic() - begin
    begun = next(t for t, line in first.said if PERFORMANCE in line)
    performance_s = next(t for t, line in first.said if f"{PERFORMANCE}done" in line) - begun
    print(f"undisturbed: {whole_s:.1f} s, of which the performance step {performance_s:.1f} s")
    inside = set(drawn.sample(range(asked.kills), asked.in_performance))
    counts: Counter[str] = Counter()
    failed = 0
    for number in range(asked.kills):
        within = performance_s if number in inside else whole_s
        kill = Kill(step=number % 2 == 1, performance=number in inside, first=number in inside or drawn.random() < 0.5,
                    after_s=drawn.uniform(0, within))  # fmt: skip
        what, wrong = carry_out(bench, kill)
        counts[what.partition(",")[0]] += 1
        failed += bool(wrong)
        print(f"{number + 1:>3} {what}: {'; '.join(wrong) or 'whole'}", flush=True)
    for what, count in sorted(counts.items()):
        print(f"{count:>4} {what}")
    print(json.dumps({"kills": asked.kills, "engine": asked.engine, "resumed": asked.kills - failed, "failed": failed}))
    if not failed:
        shutil.rmtree(root)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
