"""The vendor's comparison tool and ours on the same faults, side by side: found, exact, time, disk and memory.

    python benchmarks/side_by_side.py [--environment DIR]

Makes an environment of its own for `mindstudio-probe` (once; torch is shared with this one), plants each fault into the
forward of one convolution of ResNet-18, in float32 and with every product in HF32, and lets each tool compare the model
with the fault with the one without. Every run is a process of its own; its time includes its start.

*Found* means that anything was flagged, *exact* that the first flagged row (theirs) or the only faults (ours) are of
the convolution with the fault.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "tests"))

PACKAGE = "mindstudio-probe==26.2.0"
TARGET = "layer2.1.conv1"
FAULTS = ("none", "gain 1.005", "gain 1.5", "noise 1 %", "one NaN", "channel zeroed", "channels swapped",
          "channel sign-flipped", "shift by a pixel", "border column zeroed")  # fmt: skip
SHOWN = ("fp32", "hf32")


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, bytes at most in memory, bytes left or used on disk."""

    seconds: float
    memory: int
    disk: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, max(self.memory, other.memory), self.disk + other.disk)


def models(fault: str) -> tuple[object, object, tuple[object, ...]]:
    """ResNet-18, the same with a fault, and an input."""
    from faults import PATCHED, SUBJECTS, Case

    subject = SUBJECTS[0]
    model = subject.model()
    planted = model
    if fault != "none":
        planted = Case(fault, PATCHED[fault], TARGET, "aten::convolution", TARGET).candidate(model)
    return model, planted, subject.inputs()


# --- what runs in processes of its own -------------------------------------------------------------------------------


def dump(folder: str, fault: str, background: str) -> None:
    """Theirs, first half: write down every module and function call."""
    import torch
    from msprobe.pytorch import PrecisionDebugger

    from faults import BACKGROUNDS

    _, model, inputs = models(fault)
    config = Path(folder).with_suffix(".json")
    settings = {"task": "tensor", "dump_path": folder, "rank": [], "step": [], "level": "mix"}
    config.write_text(json.dumps({**settings, "tensor": {"scope": [], "list": [], "data_mode": ["all"]}}))
    debugger = PrecisionDebugger(config_path=str(config))
    debugger.start(model=model)
    context = BACKGROUNDS[background][0]
    with torch.no_grad(), context() if context else contextlib.nullcontext():
        model(*inputs)
    debugger.stop()
    debugger.step()


def ours(fault: str, background: str) -> None:
    """Ours; prints what was found as JSON."""
    from faults import BACKGROUNDS
    from npu_eval.locate import locate

    model, candidate, inputs = models(fault)
    findings = locate(model, candidate, inputs, candidate_context=BACKGROUNDS[background][0])
    causes = sorted({f.cause for f in findings if f.operator == "aten::convolution"})
    print(json.dumps({"faults": [f.module for f in findings if f.cause == "fault"], "causes": causes}))


# --- the comparison --------------------------------------------------------------------------------------------------


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def measured(command: list[str], watched: Path) -> tuple[Cost, str]:
    """Run a command and watch how much it keeps in a folder at most; its temporary files go there too."""
    environment = {**os.environ, "TMPDIR": str(watched), "OMP_NUM_THREADS": "1"}
    before, most, over = size_of(watched), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(OSError):  # a file may go between listing and looking
                most[0] = max(most[0], size_of(watched))

    watcher = threading.Thread(target=watch)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        over.set()
        watcher.join()
        output.seek(0)
        text = output.read().decode()
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(seconds, usage.ru_maxrss * 1024, max(most[0], size_of(watched)) - before), text


def prepare(folder: Path) -> Path:
    """The environment of the vendor's tool; returns its Python."""
    python = folder / "bin/python"
    if not (folder / "bin/msprobe").exists():
        venv.create(folder, with_pip=True, symlinks=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        import torch

        packages = next((folder / "lib").glob("python*")) / "site-packages"
        (packages / "torch.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return python


def theirs(python: Path, folder: Path, reference: Path, fault: str, background: str) -> tuple[Cost, list[str]]:
    """Dump the candidate and compare it; returns the names of the flagged rows."""
    candidate, result = folder / "candidate", folder / "result"
    cost, _ = measured([str(python), str(HERE), "--dump", str(candidate), fault, background], folder)
    command = [str(python.with_name("msprobe")), "compare", "-tp", str(candidate / "step0"), "-gp",
               str(reference / "step0"), "-o", str(result)]  # fmt: skip
    more, _ = measured(command, folder)
    with next(result.glob("*.csv")).open(encoding="utf-8-sig") as file:
        flagged = [row["NPU Name"] for row in csv.DictReader(file) if row["Result"] != "pass"]
    return cost + more, flagged


def row(fault: str, background: str, python: Path, reference: Path) -> str:
    with tempfile.TemporaryDirectory() as name:
        cost, flagged = theirs(python, Path(name), reference, fault, background)
    with tempfile.TemporaryDirectory() as name:
        own, text = measured([sys.executable, str(HERE), "--ours", fault, background], Path(name))
    found = json.loads(text)
    right = [] if fault == "none" else [TARGET]
    vendor = f"{len(flagged)} rows, " + ("exact" if TARGET in flagged[0] else "another") if flagged else "all pass"
    mine = ("exact" if found["faults"] == right else f"{found['faults']}") if found["faults"] else "no fault"
    mine += f", {'/'.join(found['causes'])}"
    return (f"| {fault} | {background} | {vendor} | {cost.seconds:.0f} | {cost.disk >> 20} | {cost.memory >> 20} "
            f"| {mine} | {own.seconds:.0f} | {own.disk >> 20} | {own.memory >> 20} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--environment", type=Path, default=Path.home() / ".cache/npu-deliver/msprobe")
    parser.add_argument("--dump", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.dump:
        dump(*arguments.dump)
        return
    if arguments.ours:
        ours(*arguments.ours)
        return
    python = prepare(arguments.environment)
    print("| fault | background | msprobe compare | s | disk MiB | memory MiB | locate | s | disk MiB | memory MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        reference = Path(name) / "reference"
        measured([str(python), str(HERE), "--dump", str(reference), "none", "fp32"], Path(name))
        for background in SHOWN:
            for fault in FAULTS:
                print(row(fault, background, python, reference), flush=True)


if __name__ == "__main__":
    main()
