from __future__ import annotations

import dataclasses
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.asked.profiles import default_criteria
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import Burst, Pair
from npu_eval.experiments.optimisation.effects import Outcome
from npu_eval.records.verdict import Status

CRITERIA = default_criteria("classification")


@given(st.floats(0.2, 5.0), st.floats(1e-5, 10.0))
def test_a_pairs_effect_is_the_factor_between_its_sides(factor: float, centre_s: float) -> None:
    off, on = (centre_s,) * 3, (centre_s / factor,) * 3
    found = Pair(block=0, bursts=tuple(Burst(on=o, samples_s=on if o else off) for o in (False, True, True, False)))
    assert effects.pair_effect(found) == pytest.approx(math.log(factor), abs=1e-9)


def test_a_machine_that_slows_down_steadily_cancels() -> None:
    bursts = [Burst(on=o, samples_s=(0.01 * (1 + 0.2 * i),) * 3) for i, o in enumerate((False, True, True, False))]
    assert effects.pair_effect(Pair(block=0, bursts=tuple(bursts))) == pytest.approx(0.0, abs=1e-12)


def noisy(rng: random.Random, factor: float, pairs: int = 5, sigma: float = 0.02) -> tuple[Pair, ...]:
    found = []
    for block in range(pairs):
        luck = math.exp(rng.gauss(0, sigma))
        sides = {False: 0.02, True: 0.02 / (factor * luck)}
        order = (False, True, True, False) * 2
        found.append(Pair(block=block, bursts=tuple(Burst(on=o, samples_s=(sides[o],) * 3) for o in order)))
    return tuple(found)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.06), (1.10, 0.0)])
def test_identical_code_is_rarely_called_a_gain_and_a_tenth_is_found(factor: float, expected: float) -> None:
    rng = random.Random(7)
    called = 0
    for _ in range(200):
        trials = [dataclasses.replace(samples.trial(), pairs=noisy(rng, 1.0))]
        trials += [dataclasses.replace(samples.trial("x"), pairs=noisy(rng, 1.0)) for _ in range(3)]
        trials.append(dataclasses.replace(samples.trial("y"), pairs=noisy(rng, factor)))
        known = effects.noise(trials)
        aa = effects.aa_range(trials, known)
        came = effects.outcome(effects.effect(trials[-1], known), aa=aa, min_effect=0.02)
        called += came in (Outcome.GAIN, Outcome.LOSS)
    if factor == 1.0:
        assert called / 200 <= expected
    else:
        assert called / 200 >= 0.9


@pytest.mark.parametrize(
    ("low", "factor", "high", "aa", "outcome"),
    [
        (1.03, 1.05, 1.07, 1.01, Outcome.GAIN),
        (1.001, 1.015, 1.03, 1.01, Outcome.NONE),  # smaller than the smallest effect that counts
        (1.03, 1.05, 1.07, 1.06, Outcome.NONE),  # within what identical code showed
        (0.99, 1.04, 1.09, 1.01, Outcome.NONE),  # its interval holds 1
        (0.99, 1.05, 1.12, 1.01, Outcome.OPEN),  # its interval holds 1, and a gain of a tenth
        (0.89, 0.95, 1.01, 1.01, Outcome.OPEN),  # its interval holds 1, and a loss of a tenth
        (1.05, 1.33, 1.69, 1.46, Outcome.OPEN),  # within what identical code showed, but far from nothing
        (0.90, 0.93, 0.96, 1.01, Outcome.LOSS),
        (1.03, 1.05, 1.07, None, Outcome.OPEN),  # no A/A run
    ],
)
def test_a_gain_must_pass_three_tests(
    low: float, factor: float, high: float, aa: float | None, outcome: Outcome
) -> None:
    found = effects.Effect(pairs=5, calls=100, factor=factor, low=low, high=high)
    assert effects.outcome(found, aa=aa, min_effect=0.02) is outcome


def test_nothing_is_said_of_one_pair() -> None:
    trials = (samples.trial(pairs=1), samples.trial("x", factor=1.5, pairs=1))
    assert effects.noise(trials) is None
    assert effects.effect(trials[1], None) is None
    assert effects.rows(samples.optimisation_data(trials=trials), CRITERIA)[1].outcome is Outcome.OPEN


def test_pairs_that_agree_by_luck_do_not_narrow_their_interval() -> None:
    rng = random.Random(3)
    others = [dataclasses.replace(samples.trial("x"), pairs=noisy(rng, 1.0, sigma=0.05)) for _ in range(4)]
    lucky = samples.trial("y", factor=1.03)
    known = effects.noise([*others, lucky])
    found = effects.effect(lucky, known)
    assert found is not None
    assert found.low < 1 < found.high


@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0])
def test_the_rounds_of_a_pair_are_those_that_narrow_its_interval_the_most(ratio: float) -> None:
    """Against the cheapest of all numbers of rounds, by the variance that each would give."""
    rng, between, start = random.Random(5), 0.05, 25.0
    within = ratio * between
    trials = []
    for number in range(40):
        pairs = []
        for block in range(4):
            luck = rng.gauss(0, between)
            logs = [(on, on * (luck + rng.gauss(0, within))) for on in (False, True, True, False) * 8]
            bursts = [Burst(on=on, samples_s=(0.02 * math.exp(-log),)) for on, log in logs]
            pairs.append(Pair(block=block, bursts=tuple(bursts)))
        trials.append(dataclasses.replace(samples.trial(str(number)), pairs=tuple(pairs)))
    found = effects.best_rounds(trials, start_s=start, round_s=1.0)
    # Two bursts are averaged in a round; the median over rounds has pi/2 times the variance of the mean.
    one = math.pi / 2 * within**2 / 2
    cost = {n: (between**2 + one / n) * (start + n) for n in range(1, 200)}
    assert found is not None
    assert cost[found] <= 1.05 * min(cost.values())


def test_one_pair_does_not_tell_how_many_rounds_are_worth_their_time() -> None:
    assert effects.best_rounds([samples.trial(pairs=1)], start_s=5.0, round_s=0.4) is None
    assert effects.best_rounds([samples.trial(pairs=4)], start_s=5.0, round_s=0.4) == effects.MIN_ROUNDS


def test_each_outcome_of_a_search_is_told() -> None:
    rows = {(r.stage, r.name): r for r in effects.rows(samples.optimisation_data(), CRITERIA) if not r.against}
    assert rows["a/a", "A/A"].outcome is Outcome.NONE
    assert rows["single", "channels-last"].accepted
    assert rows["single", "half-the-threads"].outcome is Outcome.LOSS
    assert rows["single", "huge-pages"].outcome is Outcome.NONE
    assert rows["single", "tcmalloc"].outcome is Outcome.NOT_APPLICABLE
    breaking = rows["single", "bfloat16"]
    assert (breaking.outcome, breaking.precision, breaking.accepted) == (Outcome.GAIN, Status.FAIL, False)
    assert breaking.worst_relative_l2 == pytest.approx(0.2)


def test_a_switch_whose_outputs_were_not_compared_is_not_accepted() -> None:
    data = samples.optimisation_data(trials=(samples.trial(), samples.trial("x", factor=1.5, precision=None)))
    row = effects.rows(data, CRITERIA)[1]
    assert (row.outcome, row.accepted) == (Outcome.GAIN, False)


def test_a_batch_that_did_not_fit_stays_in_the_sweep_and_ties_are_told() -> None:
    points = effects.sweep(samples.optimisation_data().sweep)
    assert [(p.batch_size, p.ended_by) for p in points][-1] == (8, "out of memory")
    assert points[-1].images_per_s is None
    assert effects.best_batches(points) == (4,)
    wide = [samples.sweep_run(size, b, windows_s=(0.3 + 0.1 * b,)) for b in range(3) for size in (1, 2)]
    assert effects.best_batches(effects.sweep(wide)) == (1, 2)


def test_several_devices_are_compared_over_one_wall_clock() -> None:
    (found,) = map(effects.scaling, samples.optimisation_data().scaling)
    assert found.devices == ("npu:0", "npu:1")
    assert found.efficiency == pytest.approx(found.together_per_s / found.alone_per_s)
    assert 0.9 < found.efficiency < 1.0
