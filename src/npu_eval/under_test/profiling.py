"""Which operators the time goes to, by the framework's profiler; on an NPU also which of them fell back to the CPU."""

from __future__ import annotations

import csv
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from npu_eval.under_test.bench import Bench
from npu_eval.under_test.messages import OperatorTime, ProfileData

KEPT = 40
"""Operators kept, those with the most time; a report shows the first of them, and the rest as one sum."""


def profile(bench: Bench, batch_size: int, calls: int) -> ProfileData:
    """The operators of so many calls, after one that is not counted."""
    bench.call(batch_size)
    bench.context.device.synchronize()

    def run() -> None:
        for _ in range(calls):
            bench.call(batch_size)
        bench.context.device.synchronize()

    if bench.kind == "npu":
        operators, fallbacks = _on_npu(run)
        tool, clock = "torch_npu.profiler", "NPU"
    else:
        operators, fallbacks = _by_torch(run, on_cpu=bench.kind == "cpu")
        tool, clock = "torch.profiler", bench.kind.upper()
    return ProfileData(
        tool=tool, clock=clock, batch_size=batch_size, calls=calls, operators=_kept(operators), fallbacks=fallbacks
    )


def _kept(operators: list[OperatorTime]) -> tuple[OperatorTime, ...]:
    """Those with the most time; the others as one, so that shares stay shares of everything."""
    ordered = sorted((o for o in operators if o.self_s > 0), key=lambda o: -o.self_s)
    rest = ordered[KEPT:]
    if rest:
        ordered[KEPT:] = [
            OperatorTime(name="(others)", calls=sum(o.calls for o in rest), self_s=sum(o.self_s for o in rest))
        ]
    return tuple(ordered)


def _by_torch(run: Callable[[], None], *, on_cpu: bool) -> tuple[list[OperatorTime], tuple[OperatorTime, ...]]:
    activities = [ProfilerActivity.CPU] if on_cpu else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as found:
        run()
    operators = []
    for event in found.key_averages():
        microseconds = event.self_cpu_time_total if on_cpu else event.self_device_time_total
        operators.append(OperatorTime(name=str(event.key), calls=int(event.count), self_s=float(microseconds) / 1e6))
    return operators, ()


def _on_npu(run: Callable[[], None]) -> tuple[list[OperatorTime], tuple[OperatorTime, ...]]:
    """By torch_npu's profiler, which leaves its findings as tables in a folder (``op_statistic.csv``: operators by type
    with their device time; the column ``Core Type`` tells those that ran on the AI CPU).
    """
    tool: Any = importlib.import_module("torch_" + "npu").profiler  # loaded already by `device`, its only importer
    with tempfile.TemporaryDirectory() as folder:
        with tool.profile(
            activities=[tool.ProfilerActivity.CPU, tool.ProfilerActivity.NPU],
            on_trace_ready=tool.tensorboard_trace_handler(folder),
        ):
            run()
        rows = [row for path in sorted(Path(folder).rglob("op_statistic.csv")) for row in _rows(path)]
    operators = [_operator(row) for row in rows]
    fallbacks = tuple(_operator(row) for row in rows if "CPU" in row.get("Core Type", "").upper())
    return operators, fallbacks


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _operator(row: dict[str, str]) -> OperatorTime:
    return OperatorTime(name=row["OP Type"], calls=int(float(row["Count"])), self_s=float(row["Total Time(us)"]) / 1e6)
