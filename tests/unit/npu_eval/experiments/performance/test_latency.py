from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from contexts import context, photos
from npu_eval.asked.spec import Side, TimingProtocol
from npu_eval.device import device as devices
from npu_eval.device.device import Device, Times, open_device
from npu_eval.errors import AdapterError
from npu_eval.experiments.performance import latency
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData
from npu_eval.jsonio import from_json, to_json
from npu_eval.session.script import Context
from npu_eval.under_test.batches import single_inputs
from tiny_model import TinyClassifier


def all_runs(context: Context) -> tuple[LatencyRun, ...]:
    """Each batch size of the protocol in turn."""
    model = context.model(context.spec.candidate, "cpu")
    singles = list(single_inputs(context).values())
    return tuple(latency.measure(context, model, singles, size)[0] for size in context.spec.timing.batch_sizes)


class Clock:
    """A clock on which each call of the model takes the next of the given times."""

    def __init__(self, seconds: Iterator[float]) -> None:
        self.seconds = seconds
        self.batches: list[torch.Tensor] = []

    def timed(self, device: Device, call: Callable[[], Any]) -> tuple[float, Any]:
        device.synchronize()
        return next(self.seconds), call()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(itertools.repeat(0.01))

    def timed_with_events(device: Device, call: Callable[[], Any]) -> tuple[Times, Any]:
        spent, result = made.timed(device, call)
        return Times(spent), result

    monkeypatch.setattr(latency, "timed_with_events", timed_with_events)
    return made


def measure(
    folder: Path, *, adapter: Any = None, sizes: tuple[int, ...] = (1,), **timing: Any
) -> tuple[LatencyRun, ...]:
    protocol = TimingProtocol(**({"tier": "standard", "batch_sizes": sizes} | timing))
    return all_runs(context(folder, adapter=adapter, timing=protocol))


def test_a_run_lasts_the_tiers_seconds(tmp_path: Path, clock: Clock) -> None:
    clock.seconds = itertools.repeat(1 / 64)
    (run,) = measure(tmp_path)
    assert run.ended_by == "protocol"
    assert sum(run.samples_s) == 10.0
    assert run.first_call_s == 1 / 64
    assert (len(run.warmup_s), run.warmup_steady) == (10, True)


def test_slow_calls_are_still_made_as_often_as_the_tier_says(tmp_path: Path, clock: Clock) -> None:
    clock.seconds = itertools.repeat(1.0)
    (run,) = measure(tmp_path)
    assert (len(run.samples_s), run.ended_by) == (64, "protocol")


def test_the_limit_ends_a_run_and_says_so(tmp_path: Path, clock: Clock) -> None:
    clock.seconds = itertools.repeat(1.0)
    (run,) = measure(tmp_path, limit_s=20.0)
    assert (len(run.samples_s), run.ended_by) == (20, "limit")


def test_warm_up_gives_up_at_its_limit_and_says_so(tmp_path: Path, clock: Clock) -> None:
    clock.seconds = (0.01 * 1.05**i for i in itertools.count())
    (run,) = measure(tmp_path, warmup_limit_s=2.0)
    assert not run.warmup_steady
    assert 2.0 <= sum(run.warmup_s) < 2.0 + max(run.warmup_s)


def test_warm_up_goes_on_until_the_calls_are_steady(tmp_path: Path, clock: Clock) -> None:
    clock.seconds = itertools.chain((0.01 * (1 + 2 * 0.9**i) for i in range(40)), itertools.repeat(0.01))
    (run,) = measure(tmp_path)
    assert run.warmup_steady
    assert 20 < len(run.warmup_s) < 120
    assert run.samples_s[0] == pytest.approx(0.01, rel=0.05)


def test_fast_calls_that_never_settle_are_bounded_in_number_and_in_looks(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def never(warmup: list[float]) -> bool:
        looks.append(len(warmup))
        return False

    monkeypatch.setattr(latency, "is_steady", never)
    monkeypatch.setattr(latency, "MAX_SAMPLES", 600)
    clock.seconds = itertools.repeat(1e-6, 20_000)  # a loop without a bound ends in an error, not never
    (run,) = measure(tmp_path)
    assert len(run.warmup_s) == 600
    assert not run.warmup_steady
    assert len(looks) < 150, "each look sorts all calls"
    assert all(b - a <= max(1, a // 10) for a, b in itertools.pairwise(looks))


def test_calls_beyond_what_a_record_keeps_end_the_run_and_it_does_not_claim_the_seconds(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "MAX_SAMPLES", 500)
    clock.seconds = itertools.repeat(0.001)
    (run,) = measure(tmp_path)
    assert (len(run.samples_s), run.ended_by) == (500, "call limit")


# --- what is timed ---------------------------------------------------------------------------------------------------


class Watching(TinyClassifier):
    """Remembers its batches; from a size on it does not fit into memory."""

    def __init__(self, limit: int = 10**9, error: Exception | None = None, after: int = 0) -> None:
        self.batches: list[torch.Tensor] = []
        self.limit, self.after = limit, after
        self.error = error or torch.OutOfMemoryError("NPU out of memory. Tried to allocate 2.00 GiB")

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        self.batches.append(batch)
        if len(batch) >= self.limit and len(self.batches) > self.after:
            raise self.error
        return super().forward(model, batch)


def test_the_photos_of_a_batch_are_distinct_and_repeat_only_when_there_are_too_few(
    tmp_path: Path, clock: Clock
) -> None:
    adapter = Watching()
    made = context(
        tmp_path, adapter=adapter, inputs=photos(tmp_path, ("a.png", "b.png", "c.png")),
        timing=TimingProtocol(tier="smoke", batch_sizes=(1, 3, 7)),
    )  # fmt: skip
    runs = all_runs(made)
    assert [run.input_shape for run in runs] == [(1, 3, 16, 16), (3, 3, 16, 16), (7, 3, 16, 16)]
    by_size = {len(batch): batch for batch in adapter.batches}
    assert len(torch.unique(by_size[3], dim=0)) == 3
    assert torch.equal(by_size[7][:3], by_size[7][3:6])
    assert torch.equal(by_size[1], by_size[3][:1])


def test_photos_of_another_shape_stay_out_of_the_batch(tmp_path: Path, clock: Clock) -> None:
    class Shapes(Watching):
        def preprocess(self, photos: Any) -> torch.Tensor:
            batch = super().preprocess(photos)
            return batch[..., :12] if photos[0].name == "b.png" else batch

    adapter = Shapes()
    made = context(
        tmp_path, adapter=adapter, inputs=photos(tmp_path, ("a.png", "b.png", "c.png")),
        timing=TimingProtocol(tier="smoke", batch_sizes=(2,)),
    )  # fmt: skip
    all_runs(made)
    assert len(torch.unique(adapter.batches[0], dim=0)) == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_batch_has_the_candidates_dtype(tmp_path: Path, clock: Clock, dtype: str) -> None:
    adapter = Watching()
    made = context(tmp_path, adapter=adapter, candidate=Side(device="cpu", dtype=dtype))
    assert {run.dtype for run in all_runs(made)} == {dtype}
    assert {str(batch.dtype) for batch in adapter.batches} == {f"torch.{dtype}"}


def test_each_call_is_synchronised_on_both_sides_of_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    cpu = open_device("cpu")

    class Counting:
        name = "cpu"
        reset_peak_memory, peak_memory = cpu.reset_peak_memory, cpu.peak_memory
        numeric_modes, facts = cpu.numeric_modes, cpu.facts

        def synchronize(self) -> None:
            events.append("synchronize")

    ticks = itertools.count()

    def reading() -> float:
        events.append("clock")
        return next(ticks) * 0.01

    class Noting(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            events.append("call")
            return super().forward(model, batch)

    monkeypatch.setattr(devices.time, "perf_counter", reading)
    timing = TimingProtocol(tier="smoke", batch_sizes=(1,))
    (run,) = all_runs(context(tmp_path, adapter=Noting(), device=Counting(), timing=timing))
    calls = 1 + len(run.warmup_s) + len(run.samples_s)
    assert events == ["synchronize", "clock", "call", "synchronize", "clock"] * calls


# --- full memory -----------------------------------------------------------------------------------------------------

FULL = [
    torch.OutOfMemoryError("NPU out of memory"),
    RuntimeError("NPU out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_batch_that_does_not_fit_is_recorded_and_the_next_size_is_measured(
    tmp_path: Path, clock: Clock, error: Exception
) -> None:
    class Middle(Watching):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            self.limit = 4 if len(batch) == 4 else 10**9
            return super().forward(model, batch)

    one, four, two = measure(tmp_path, adapter=Middle(error=error), sizes=(1, 4, 2))
    assert (one.ended_by, two.ended_by) == ("protocol", "protocol")
    assert four.ended_by == "out of memory"
    assert (four.first_call_s, four.warmup_s, four.samples_s, four.warmup_steady) == (None, (), (), False)
    assert four.input_shape == (4, 3, 16, 16)


def test_memory_that_fills_up_later_leaves_what_was_measured(tmp_path: Path, clock: Clock) -> None:
    (run,) = measure(tmp_path, adapter=Watching(limit=1, after=50))
    assert run.ended_by == "out of memory"
    assert (run.first_call_s, len(run.warmup_s), len(run.samples_s)) == (0.01, 10, 39)


def test_memory_that_fills_up_while_synchronising_or_moving_the_batch_is_recorded_too(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(device: Device, call: Callable[[], Any]) -> tuple[float, Any]:
        raise FULL[1]

    monkeypatch.setattr(clock, "timed", full)
    assert [run.ended_by for run in measure(tmp_path, sizes=(1, 2))] == ["out of memory"] * 2

    def no_room(*_: Any, **__: Any) -> torch.Tensor:
        raise FULL[2]

    monkeypatch.setattr(torch, "cat", no_room)
    assert [run.ended_by for run in measure(tmp_path, sizes=(1, 2))] == ["out of memory"] * 2


def test_any_other_error_ends_the_experiment_and_names_the_adapter(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(AdapterError, match=r"^adapter\.py: ValueError: no"):
        measure(tmp_path, adapter=Watching(limit=1, error=ValueError("no")))


def test_peak_memory_is_of_each_batch_size_alone(tmp_path: Path, clock: Clock) -> None:
    cpu = open_device("cpu")

    @dataclasses.dataclass
    class Counter:
        name: str = "cpu"
        resets: int = 0
        synchronize = cpu.synchronize

        def reset_peak_memory(self) -> None:
            self.resets += 1

        def peak_memory(self) -> int | None:
            return 100 * self.resets

    timing = TimingProtocol(tier="smoke", batch_sizes=(1, 2))
    made: Any = Counter()
    runs = all_runs(context(tmp_path, device=made, timing=timing))
    assert [run.peak_memory_bytes for run in runs] == [100, 200]


def test_on_the_real_clock_a_run_keeps_to_its_protocol_and_can_be_stored(tmp_path: Path) -> None:
    said: list[str] = []
    timing = TimingProtocol(tier="smoke", batch_sizes=(1, 2), limit_s=0.05, warmup_limit_s=0.02)
    runs = all_runs(context(tmp_path, timing=timing, said=said))
    data = PerformanceData(clock="", timed="", runs=runs)
    assert from_json(PerformanceData, to_json(data)) == data
    for run in runs:
        assert 0.05 <= sum(run.samples_s) < 1.0
        assert run.ended_by == "limit"
        assert min(run.samples_s) > 0
        assert run.first_call_s is not None
    assert len({line.split(":")[0] for line in said}) == 2, "each batch size reports"
