"""Times off a clock are left alone, however quiet, coarse or few they are; typed, copied and computed ones are told."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

import samples
from npu_deliver.review.plausibility import timed_series
from npu_eval.experiments.performance.data import FreshProcess


def measured(count=70, centre_s=0.02, jitter_s=4e-6, step_s=1e-9, seed=0) -> tuple[float, ...]:
    """What a clock of some step gives of calls that vary by so much."""
    chance = random.Random(seed)
    return tuple(max(1, round(chance.gauss(centre_s, jitter_s) / step_s)) * step_s for _ in range(count))


def told(times=(), *others, processes=()):
    runs = tuple(samples.latency_run(2**n, samples_s=each) for n, each in enumerate((times, *others)))
    data = samples.performance_data(runs=runs, throughput=(), processes=processes, cache=None, end_to_end=())
    found = list(timed_series.remarks({"performance": samples.performance_record(data=data)}))
    assert not any(remark.certain for remark in found)
    return [remark.what for remark in found]


def test_the_examples_are_left_alone():
    assert list(timed_series.remarks(samples.all_records())) == []
    assert list(timed_series.remarks({"optimisation": samples.optimisation_record()})) == []


@pytest.mark.parametrize("step_s", [1e-9, 1e-8, 4e-8, 1e-7, 1e-6])
@pytest.mark.parametrize(("count", "centre_s", "jitter_s"), [
    (16, 0.02, 1e-6), (64, 0.02, 4e-6), (700, 2e-3, 2e-7), (20_000, 5e-5, 3e-7), (64, 3.0, 1e-2), (5000, 1e-4, 1e-8),
])  # fmt: skip
def test_a_clock_of_any_step_is_left_alone(step_s, count, centre_s, jitter_s):
    series = [measured(count, centre_s, jitter_s, step_s, seed) for seed in range(3)]
    if centre_s < 1e-3 or len(set(series[0])) > 1:
        assert told(*series) == []


def test_this_machine_s_own_clock_is_left_alone():
    def spin() -> float:
        start = time.perf_counter()
        sum(range(200))
        return time.perf_counter() - start

    assert told(tuple(spin() for _ in range(2000)), tuple(spin() for _ in range(2000))) == []


@pytest.mark.parametrize(("times", "what"), [
    ((0.0215,) * 64, "64 times, all of them 0.0215 s"),
    (tuple(0.0213 + 0.0001 * (n % 5) for n in range(64)), "64 times have 5 values"),
    (tuple(round(0.02 + 0.00001 * ((n * 7919) % 997), 5) for n in range(64)), "whole multiples of 10 µs"),
    (tuple(0.02 + 1.234567e-6 * n for n in range(64)), "in ascending or descending order"),
    (tuple(0.02 - 1.234567e-6 * n for n in range(64)), "in ascending or descending order"),
    (measured(40) * 2, "40 of its times in a row stand twice in it"),
    ((*measured(100), *measured(20, seed=5), *measured(100)), "100 of its times in a row stand twice in it"),
])  # fmt: skip
def test_what_no_clock_gives_is_told(times, what):
    (found,) = told(times)
    assert found.startswith("batch 1, calls: ")
    assert what in found


def test_one_series_in_two_places_is_told_once():
    times = measured(64)
    (found,) = told(times, times)
    assert found == "batch 2, calls: 64 of its times in a row stand in batch 1, calls, too"
    (found,) = told(times, (*measured(9, seed=3), *times[:30], *measured(25, seed=4)))
    assert "30 of its times in a row" in found


def test_a_series_and_its_multiple_are_told():
    times = measured(64)
    (found,) = told(times, tuple(round(2.83 * t, 9) for t in times))
    assert found == "batch 2, calls: all 64 times are those of batch 1, calls times 2.83"


def test_fresh_processes_are_looked_at_too():
    burst = measured(20, seed=9)
    one = FreshProcess(batch_size=1, start_s=1.0, first_call_s=1.0, samples_s=burst, calls=3, windows_s=(1.0, 1.1))
    (found,) = told(measured(), processes=(one, replace(one, start_s=2.0)))
    assert "fresh process 2, batch 1: 20 of its times in a row stand in fresh process 1, batch 1, too" in found


def test_a_multiple_is_found_among_many_series():
    times = measured(64)
    others = [measured(64, seed=seed) for seed in range(1, 30)]
    (found,) = told(times, *others, tuple(round(2.83 * t, 9) for t in times))
    assert found == f"batch {2**30}, calls: all 64 times are those of batch 1, calls times 2.83"


def test_series_that_begin_alike_are_not_each_held_against_every_other():
    looks = 0

    class Watched:
        def __init__(self, number):
            self.kind, self.name, self.held = "performance", str(number), (0.02, 0.021, *measured(14, seed=number))

        @property
        def times_s(self):
            nonlocal looks
            looks += 1
            return self.held

    assert list(timed_series._multiples([Watched(number) for number in range(400)])) == []
    assert looks < 400 * 100  # each against every other would be twice as many and more
