from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import samples
from contexts import context, photos
from npu_eval.asked.spec import TimingProtocol
from npu_eval.errors import DeviceError
from npu_eval.experiments.performance import honesty
from npu_eval.experiments.performance import run as performance
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.performance.speed import cache_check, sampled_checks
from npu_eval.jsonio import from_json, to_json
from npu_eval.under_test.messages import Reply, Request
from tiny_model import TinyClassifier

NOTHING = argparse.Namespace()
QUICK = TimingProtocol(tier="smoke", batch_sizes=(1, 2), limit_s=0.05, warmup_limit_s=0.02)


@pytest.fixture(autouse=True)
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance.machine, "watch", lambda seconds, **_: samples.machine_state())


def test_each_way_of_asking_has_data_of_its_own_and_can_be_stored(tmp_path: Path) -> None:
    data = performance.run(context(tmp_path, timing=QUICK), NOTHING)
    assert from_json(PerformanceData, to_json(data)) == data
    assert [run.batch_size for run in data.runs] == [run.batch_size for run in data.throughput] == [1, 2]
    assert all(run.calls >= 2 and run.windows_s for run in data.throughput)
    assert {way.input for way in data.end_to_end} == {"inputs/cat.png", "inputs/flower.png"}
    assert all(way.decode_s is not None for way in data.end_to_end)
    assert data.cache is not None
    assert len(data.cache.repeated_s) == len(data.cache.distinct_s) >= 16
    assert data.enqueue is None, "on a CPU the host is the device"
    assert [state.when for state in data.machine] == ["before", "during"]


def test_phases_do_not_overlap(tmp_path: Path) -> None:
    for way in performance.run(context(tmp_path, timing=QUICK), NOTHING).end_to_end:
        parts = (way.decode_s or 0, way.preprocess_s, way.upload_s, way.forward_s, way.postprocess_s)
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(way.total_s, rel=1e-6)


@pytest.mark.parametrize(("call_s", "calls"), [(0.001, 200), (0.2, 16), (3.0, 4), (60.0, 4)])
def test_slow_calls_are_not_repeated_more_often_than_the_question_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_s: float, calls: int
) -> None:
    monkeypatch.setattr(honesty, "timed", lambda device, call: (call_s, {}))
    made = context(tmp_path, timing=TimingProtocol(tier="standard"))
    assert len(honesty.cache_run(made, made.network, torch.zeros(1, 3, 4, 4)).distinct_s) == calls


@pytest.mark.parametrize(("call_s", "in_a_window", "windows"), [(0.02, 17, 3), (0.3, 2, 3), (3.0, 1, 1)])
def test_a_fresh_process_fills_its_windows_where_a_call_is_shorter_than_one(
    call_s: float, in_a_window: int, windows: int
) -> None:
    class Fresh:
        start_s = 0.1

        def ask(self, request: Request, *, timeout_s: float) -> Reply:
            assert timeout_s > request.calls * max(1, request.windows) * call_s
            return Reply(first_call_s=call_s, times_s=(call_s,) * max(1, request.windows or request.calls))

    run = samples.latency_run(samples_s=(call_s,) * 8)
    found = performance._in_process(Fresh(), run, 1.0)  # type: ignore[arg-type]
    assert (found.calls, len(found.windows_s)) == (in_a_window, windows)


class Caching(TinyClassifier):
    """Remembers its last answer, and takes its time over every other one."""

    def __init__(self) -> None:
        self.last: tuple[torch.Tensor, Any] | None = None

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.last is not None and batch is self.last[0]:
            return dict(self.last[1])
        outputs = super().forward(model, batch)
        for _ in range(50):
            outputs = super().forward(model, batch)
        if self.last is None or torch.equal(batch, self.last[0]):
            self.last = (batch, outputs)
        return outputs


def test_a_model_that_caches_is_found_out(tmp_path: Path) -> None:
    timing = TimingProtocol(tier="smoke", batch_sizes=(1,), limit_s=0.05, warmup_limit_s=0.02)
    made = context(tmp_path, adapter=Caching(), inputs=photos(tmp_path, ("a.png",)), timing=timing)
    found = cache_check(performance.run(made, NOTHING).cache)
    assert found is not None
    assert found.cached


class Mixing(TinyClassifier):
    """Its outputs depend on the other photos of the batch."""

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: t + t.mean(0, keepdim=True) for name, t in super().forward(model, batch).items()}


@pytest.mark.parametrize(("adapter", "same"), [(TinyClassifier(), True), (Mixing(), False)])
def test_an_output_that_changes_with_the_batch_is_seen(tmp_path: Path, adapter: Any, same: bool) -> None:
    data = performance.run(context(tmp_path, adapter=adapter, timing=QUICK), NOTHING)
    one, two = sampled_checks(data.sampled, None, 1e-5)
    assert (one.same, two.same) == (True, same)


@pytest.mark.parametrize("tier", ["smoke", "publish"])
def test_only_publish_refuses_a_busy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tier: str) -> None:
    busy = samples.machine_state(foreign_cpus=1.5, cpus=2)
    monkeypatch.setattr(performance.machine, "watch", lambda seconds, **_: busy)
    timing = TimingProtocol(tier=tier, batch_sizes=(1,), limit_s=0.05, warmup_limit_s=0.02)
    if tier == "smoke":
        assert performance.run(context(tmp_path, timing=timing), NOTHING).machine[0] == busy
    else:
        with pytest.raises(DeviceError, match=r"1\.5 of 2 CPUs busy; end the other work"):
            performance.run(context(tmp_path, timing=timing), NOTHING)


def test_publish_refuses_a_device_whose_memory_others_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = samples.machine_state(others_memory_bytes=9 * 2**30)
    monkeypatch.setattr(performance.machine, "watch", lambda seconds, **_: crowded)
    with pytest.raises(DeviceError, match=r"other processes hold 9\.0 GiB"):
        performance.run(context(tmp_path, timing=TimingProtocol(tier="publish")), NOTHING)


def test_a_first_batch_that_does_not_fit_leaves_a_record(tmp_path: Path) -> None:
    class Full(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            raise torch.OutOfMemoryError("NPU out of memory")

    data = performance.run(context(tmp_path, adapter=Full(), timing=QUICK), NOTHING)
    assert [run.ended_by for run in data.runs] == [run.ended_by for run in data.throughput] == ["out of memory"] * 2
    assert (data.cache, data.end_to_end, data.sampled, data.processes) == (None, (), (), ())
