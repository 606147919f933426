"""What measuring costs: the time of an empty forward, and the share of a performance run that is not forward passes.

    python benchmarks/harness.py deliverables/efficientnet_lite0/npu_deliverables

The second figure needs a finished deliverable; it runs its performance experiment in this process (fresh processes are
left out of both sides) and counts the seconds that no call of the model accounts for. Takes about a minute.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from npu_eval.asked.spec import read_spec_file
from npu_eval.device.device import open_device, timed
from npu_eval.experiments.performance import run as performance
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.models.adapter import checked_forward
from npu_eval.session.script import open_context


class Empty:
    task = "features"

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": batch}


def empty() -> None:
    device, batch, model = open_device("cpu"), torch.zeros(1, 3), nn.Identity()
    adapter = Empty()
    for _ in range(1000):
        timed(device, lambda: checked_forward(adapter, model, batch, "empty"))  # type: ignore[arg-type]
    times = [timed(device, lambda: checked_forward(adapter, model, batch, "empty"))[0] for _ in range(5000)]  # type: ignore[arg-type]
    low, middle, high = (statistics.quantiles(times, n=100)[i] * 1e6 for i in (4, 49, 94))
    print(f"an empty forward is timed as {middle:.2f} us (5 % to 95 %: {low:.2f} to {high:.2f} us)")


def forward_seconds(data: PerformanceData) -> float:
    total = sum((run.first_call_s or 0.0) + sum(run.warmup_s) + sum(run.samples_s) for run in data.runs)
    total += sum(sum(run.windows_s) for run in data.throughput)
    total += sum(way.total_s for way in data.end_to_end)
    if data.cache is not None:
        total += sum(data.cache.repeated_s) + sum(data.cache.distinct_s)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    asked = parser.parse_args()
    empty()
    if asked.folder is not None:
        root = asked.folder.resolve()
        spec = read_spec_file(root / "spec.json").evaluation
        context = open_context(root, spec, device=spec.candidate.device, say=lambda text: sys.stderr.write(f"{text}\n"))
        performance.PROCESSES = dict.fromkeys(performance.PROCESSES, 0)
        started = time.monotonic()
        data = performance.run(context, argparse.Namespace())
        assert isinstance(data, PerformanceData)
        wall, busy = time.monotonic() - started, forward_seconds(data)
        watched = performance.WATCH_S[spec.timing.tier]
        outside = wall - busy
        print(f"performance run, tier {spec.timing.tier}: {wall:.1f} s, of which {busy:.1f} s calls of the model")
        print(f"outside: {outside:.1f} s = {outside / wall:.1%}, with {watched:.1f} s of watching the machine")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
