from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import CacheRun, EnqueueRun


@given(st.lists(st.floats(1e-6, 1e3), min_size=4, max_size=200))
def test_the_statistics_of_a_run_are_those_of_its_samples(values: list[float]) -> None:
    found = speed.latency(samples.latency_run(samples_s=tuple(values)))
    assert math.isclose(found.mean_s * found.sample_count, found.duration_s, rel_tol=1e-12)
    assert found.min_s <= found.mean_s * (1 + 1e-12)
    assert found.mean_s <= found.max_s * (1 + 1e-12)
    assert math.isclose(found.std_s, float(np.std(values, ddof=1)), rel_tol=1e-6, abs_tol=1e-9 * found.mean_s)


@pytest.mark.parametrize(
    ("count", "names"),
    [(10, []), (11, ["p50"]), (64, ["p50", "p75", "p90"]), (700, ["p50", "p75", "p90", "p95", "p99"])],
)
def test_only_percentiles_that_the_calls_support_are_there(count: int, names: list[str]) -> None:
    found = speed.latency(samples.latency_run(samples_s=samples.latency_samples(count)))
    assert list(found.percentiles_s) == names


def test_the_first_call_and_the_warm_up_are_kept_apart_from_the_samples() -> None:
    run = samples.latency_run(first_call_s=99.0, warmup_s=(50.0,) * 12)
    found = speed.latency(run)
    assert found.max_s < 0.03
    assert (found.first_call_s, found.warmup_count) == (99.0, 12)


@given(st.integers(1, 64), st.integers(1, 50), st.lists(st.floats(1e-3, 10), min_size=1, max_size=20))
def test_throughput_is_all_images_over_all_seconds(size: int, calls: int, windows: list[float]) -> None:
    run = samples.throughput_run(size, calls=calls, windows_s=tuple(windows))
    (found,) = speed.throughputs(samples.performance_data(throughput=(run,)))
    assert found.images_per_s * sum(windows) == pytest.approx(size * calls * len(windows))
    assert found.slowest_window_per_s <= found.images_per_s * (1 + 1e-12)
    assert found.quickest_window_per_s >= found.images_per_s * (1 - 1e-12)


def test_a_batch_without_windows_has_no_throughput() -> None:
    runs = (samples.throughput_run(1), samples.throughput_run(64, windows_s=(), ended_by="out of memory"))
    assert [t.batch_size for t in speed.throughputs(samples.performance_data(throughput=runs))] == [1]


def test_fresh_processes_are_counted_by_process_not_by_call() -> None:
    (one, eight) = speed.processes(samples.performance_data())
    assert (one.batch_size, one.count, eight.count) == (1, 5, 5)
    assert one.low_s < one.median_s < one.high_s
    assert one.low_per_s < one.images_per_s < one.high_per_s
    assert one.needed >= 2


def test_a_wider_spread_needs_more_processes() -> None:
    quiet = samples.performance_data((1,))
    loud = tuple(samples.fresh_process(1, i, samples_s=(0.02 * (1 + 0.1 * i),) * 5) for i in range(5))
    assert speed.processes(quiet)[0].needed < 16 < speed.processes(samples.performance_data(processes=loud))[0].needed


def test_one_process_says_nothing_of_processes() -> None:
    assert speed.processes(samples.performance_data(processes=(samples.fresh_process(),))) == ()


def test_the_phases_are_the_whole_way() -> None:
    way = speed.whole_way(samples.performance_data().end_to_end)
    assert way is not None
    assert [phase.name for phase in way.phases] == list(speed.PHASES)
    assert sum(phase.share for phase in way.phases) == pytest.approx(1.0, abs=0.01)


def test_decoding_that_was_not_seen_apart_stays_in_the_preprocessing() -> None:
    ways = (samples.end_to_end(decode_s=None, preprocess_s=0.007), samples.end_to_end(decode_s=0.004))
    way = speed.whole_way(ways)
    assert way is not None
    assert not way.decode_apart
    assert [phase.name for phase in way.phases] == ["preprocess", "upload", "forward", "postprocess"]
    assert way.phases[0].median_s == pytest.approx(0.007)


@pytest.mark.parametrize(("enqueue", "bound"), [(0.0079, False), (0.0081, True), (0.02, True)])
def test_the_host_sets_the_pace_from_eight_tenths_on(enqueue: float, bound: bool) -> None:
    run = samples.latency_run(samples_s=(0.03,) * 5, enqueue_s=(enqueue,) * 5, device_s=(0.01,) * 5)
    data = samples.performance_data(runs=(run,))
    (by_size,) = speed.device_times(data)
    found = speed.host_bound(data)
    assert found == by_size, "it is the latency run's own calls that are looked at"
    assert (found.bound, found.share) == (bound, float(bound))


def test_an_earlier_record_has_the_host_bound_test_apart_and_no_device_times() -> None:
    earlier = EnqueueRun(batch_size=1, enqueue_s=(0.02,) * 5, device_s=(0.01,) * 5)
    data = samples.performance_data(enqueue=earlier)
    found = speed.host_bound(data)
    assert found is not None
    assert found.bound
    assert speed.device_times(data) == ()
    assert speed.host_bound(samples.performance_data(enqueue=None)) is None


@pytest.mark.parametrize(("repeated", "cached"), [(0.0095, False), (0.009, True), (0.0001, True), (0.02, False)])
def test_repeated_inputs_that_are_a_tenth_quicker_are_cached(repeated: float, cached: bool) -> None:
    found = speed.cache_check(CacheRun(batch_size=1, repeated_s=(repeated,) * 9, distinct_s=(0.01,) * 9))
    assert found is not None
    assert found.cached is cached


def test_an_output_that_changes_with_the_batch_is_not_the_same() -> None:
    off = samples.sampled_output(8, sum_sq_reference=1.0, sum_sq_diff=0.04)
    (alone, batch) = speed.sampled_checks((samples.sampled_output(1), off), None, 0.01)
    assert (alone.same, batch.same) == (True, False)
    assert batch.worst_relative_l2 == pytest.approx(0.2)


@pytest.mark.parametrize("change", [{"nonfinite_mismatch": 1}, {"same_shape": False}])
def test_nan_or_another_shape_is_never_the_same(change: dict[str, int]) -> None:
    (found,) = speed.sampled_checks((samples.sampled_output(8, **change),), None, 1.0)
    assert not found.same


def test_outputs_are_held_against_the_bytes_of_the_precision_run() -> None:
    sampled = samples.sampled_output(1)
    same = {(sampled.input, sampled.output): sampled.sha256}
    assert speed.sampled_checks((sampled,), same, 0.01)[0].equal_to_precision == 1
    assert speed.sampled_checks((sampled,), {}, 0.01)[0].equal_to_precision == 0
    assert speed.sampled_checks((sampled,), None, 0.01)[0].equal_to_precision is None
