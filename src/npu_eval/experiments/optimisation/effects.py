"""From raw interleaved bursts to effects with intervals and verdicts. Pure, standard library only.

The unit of evidence is a pair of fresh processes, never a call: calls of one process share its luck. Within a pair
the bursts alternate off-on-on-off, so that a machine that slows down, or works for others, slows both sides alike.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.asked.criteria import Criterion
from npu_eval.asked.metrics import METRICS, Of
from npu_eval.experiments.optimisation.data import (
    Burst,
    DeviceRace,
    OptimisationData,
    Pair,
    ScalingRun,
    SweepRun,
    Trial,
)
from npu_eval.experiments.precision.values import judge_precision
from npu_eval.notation.phrases import NOTHING, Phrase
from npu_eval.records.verdict import Status, overall
from npu_eval.timing.intervals import mean_interval, t_quantile

CONFIDENCE = 0.95
MIN_PAIRS = 2
"""Pairs below which nothing is said: one pair has no spread."""
MIN_ROUNDS = 2
"""Rounds of a pair at least, each of which alternates one way and then the other: one round has no spread."""
MANY = 30.0
"""How many times as far as pairs rounds are taken to vary at most, where pairs show no luck of their own."""
ASKED = (Of.OUTPUT, Of.INPUTS)
"""What the metrics are of that a trial measures: it runs each input once, and compares tensors, which detections follow
from. The precision experiment of the final configuration measures the others."""
TELLING = 1.1
"""An interval that reaches beyond this factor from 1 leaves room for an effect of a tenth: it says that too little was
measured, not that there is no effect."""
SHARED_BASELINE = 0.5
"""Correlation of two switches' effects in one block: they share the baseline's process, half of each one's luck."""


class Outcome(enum.StrEnum):
    """What came of a trial."""

    GAIN = "gain"
    LOSS = "loss"
    NONE = "no measurable effect"
    NOT_APPLICABLE = "not applicable here"
    OPEN = "not decided within the budget"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How many times as quick with the switches as without: 1.05 is 5 % more calls in the same time."""

    pairs: int
    calls: int
    factor: float
    low: float
    high: float


def round_effects(bursts: Sequence[Burst]) -> list[float]:
    """Natural logarithm of (seconds off / seconds on) of each round of four bursts."""
    rounds = []
    for start in range(0, len(bursts) - 3, 4):
        four = bursts[start : start + 4]
        off = [statistics.median(b.samples_s) for b in four if not b.on and b.samples_s]
        on = [statistics.median(b.samples_s) for b in four if b.on and b.samples_s]
        if off and on:
            rounds.append(math.log(statistics.fmean(off) / statistics.fmean(on)))
    return rounds


def pair_effect(pair: Pair) -> float:
    """Natural logarithm of (seconds off / seconds on) of one pair: the median over its rounds of four bursts."""
    if rounds := round_effects(pair.bursts):
        return statistics.median(rounds)
    sides = [statistics.median(s for b in pair.bursts if b.on is on for s in b.samples_s) for on in (False, True)]
    return math.log(sides[0] / sides[1])


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Variance of a pair's effect, pooled over all trials of a campaign, and its degrees of freedom."""

    variance: float
    degrees: int


def noise(trials: Sequence[Trial]) -> Noise | None:
    """The pooled variance; None when no trial has two pairs.

    The effects of one block are correlated, so their variances are no independent evidence: K estimates with
    correlation rho² count as K / (1 + (K - 1) rho²).
    """
    effects = [[pair_effect(pair) for pair in trial.pairs] for trial in trials if len(trial.pairs) >= MIN_PAIRS]
    if not effects:
        return None
    degrees = sum(len(values) - 1 for values in effects)
    pooled = sum(statistics.variance(values) * (len(values) - 1) for values in effects) / degrees
    counted = degrees / (1 + (len(effects) - 1) * SHARED_BASELINE**2)
    return Noise(variance=pooled, degrees=max(1, math.floor(counted)))


def best_rounds(trials: Sequence[Trial], start_s: float, round_s: float) -> int | None:
    """Rounds of a pair that tell the most in a given time; None while too little is known of the noise.

    Two-stage sampling: where rounds vary by W within a pair and pairs by B between them, and starting a process costs
    as much as S rounds, the interval at a given cost is narrowest with W/B * sqrt(S) rounds (Cochran, Sampling
    Techniques, 1977, 10.6). Other people's work makes W large, the luck of a process B.
    """
    rounds = [found for trial in trials for pair in trial.pairs if len(found := round_effects(pair.bursts)) > 1]
    known = noise(trials)
    if known is None or not rounds:
        return None
    # By halves: twice as many rounds halve a median's variance, but for a share of about 1/n where they are few.
    of_medians = [
        (statistics.median(found[::2]) - statistics.median(found[1::2])) ** 2 / 4 * (1 + 1 / len(found))
        for found in rounds
    ]
    within = statistics.fmean(variance * len(found) for variance, found in zip(of_medians, rounds, strict=True))
    between = known.variance - statistics.fmean(of_medians)
    if within <= 0:
        return MIN_ROUNDS
    return max(MIN_ROUNDS, round(math.sqrt(within / max(between, within / MANY**2) * start_s / round_s)))


def effect(trial: Trial, known: Noise | None) -> Effect | None:
    """The effect of a trial with its 95 % interval; None with fewer than two pairs.

    The interval's variance is the pooled one or, where that is larger and rests on three pairs, the trial's own: a
    lucky agreement of a few pairs never makes an interval narrow.
    """
    values = [pair_effect(pair) for pair in trial.pairs]
    if len(values) < MIN_PAIRS or known is None:
        return None
    own = statistics.variance(values) if len(values) >= 3 else 0.0
    half = t_quantile(0.5 + CONFIDENCE / 2, known.degrees) * math.sqrt(max(known.variance, own) / len(values))
    mean = statistics.fmean(values)
    calls = sum(len(b.samples_s) for pair in trial.pairs for b in pair.bursts)
    return Effect(
        pairs=len(values), calls=calls, factor=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half)
    )


def aa_range(trials: Sequence[Trial], known: Noise | None) -> float | None:
    """How far from 1 the interval of identical code reaches, as a factor of at least 1; None without an A/A run."""
    found = next((e for t in trials if t.stage == "a/a" and (e := effect(t, known)) is not None), None)
    return None if found is None else max(found.high, 1 / found.low, 1.0)


def outcome(found: Effect | None, *, aa: float | None, min_effect: float) -> Outcome:
    """Gain or loss only where the interval excludes 1, and the effect is larger than the smallest that matters and than
    what identical code showed. No measurable effect only where the interval bounds it; else it is not decided."""
    if found is None or aa is None:
        return Outcome.OPEN
    least = max(1 + min_effect, aa)
    if found.low > 1 and found.factor > least:
        return Outcome.GAIN
    if found.high < 1 and 1 / found.factor > least:
        return Outcome.LOSS
    if max(found.high, 1 / found.low) > TELLING:
        return Outcome.OPEN
    return Outcome.NONE


# --- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial as a report shows it.

    ``default`` and ``reading`` are of its last switch; ``precision`` the worst verdict under the spec's own criteria,
    None where outputs were not compared; ``accepted`` says that it is a gain and agrees.
    """

    stage: str
    switches: tuple[str, ...]
    against: tuple[str, ...]
    timed: str
    default: str
    reading: str
    outcome: Outcome
    reason: Phrase
    effect: Effect | None
    off_s: float | None
    on_s: float | None
    precision: Status | None
    worst_relative_l2: float | None
    peak_memory_bytes: int | None
    resident_bytes: int | None
    first_call_s: float | None
    accepted: bool

    @property
    def name(self) -> str:
        """The switches by name; A/A where there is none."""
        return " + ".join(self.switches) or "A/A"


def rows(data: OptimisationData, criteria: Sequence[Criterion]) -> tuple[Row, ...]:
    """Every trial in the order in which it was tried."""
    known = noise(data.trials)
    aa = aa_range(data.trials, known)
    return tuple(row(trial, known, aa, data.min_effect, criteria) for trial in data.trials)


def row(trial: Trial, known: Noise | None, aa: float | None, min_effect: float, criteria: Sequence[Criterion]) -> Row:
    """One trial, by the noise of its whole campaign."""
    found = effect(trial, known)
    status, worst = _precision(trial, criteria)
    came = Outcome.NOT_APPLICABLE if trial.refused else outcome(found, aa=aa, min_effect=min_effect)
    last = trial.switches[-1] if trial.switches else ""
    sides = [
        [s for pair in trial.pairs for b in pair.bursts if b.on is on for s in b.samples_s] for on in (False, True)
    ]
    off, on = (statistics.median(side) if side else None for side in sides)
    return Row(
        stage=trial.stage,
        switches=trial.switches,
        against=trial.against,
        timed=trial.timed,
        default=trial.defaults.get(last, ""),
        reading=trial.readings.get(last, ""),
        outcome=came,
        reason=trial.refused or trial.ended,
        effect=found,
        off_s=off,
        on_s=on,
        precision=status,
        worst_relative_l2=worst,
        peak_memory_bytes=trial.peak_memory_bytes,
        resident_bytes=trial.resident_bytes,
        first_call_s=trial.first_call_s,
        accepted=came is Outcome.GAIN and status is Status.PASS and trial.stage != "a/a",
    )


def _precision(trial: Trial, criteria: Sequence[Criterion]) -> tuple[Status | None, float | None]:
    if trial.precision is None:
        return None, None
    judged = [c for c in criteria if c.experiment == "precision" and METRICS[c.metric].of in ASKED]
    worst = max(
        (math.sqrt(d.sum_sq_diff / d.sum_sq_reference) for d in trial.precision.differences if d.sum_sq_reference),
        default=None,
    )
    return overall(judge_precision(trial.precision, c) for c in judged), worst


# --- the rest --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """Throughput of one batch size over processes, with its 95 % interval where there are two of them."""

    batch_size: int
    processes: int
    images_per_s: float | None
    low_per_s: float | None
    high_per_s: float | None
    peak_memory_bytes: int | None
    ended_by: str
    failed: Phrase


def sweep(runs: Sequence[SweepRun]) -> tuple[SweepPoint, ...]:
    """One point for each batch size; one that did not fit has no throughput and says why."""
    points = []
    for size in sorted({run.batch_size for run in runs}):
        same = [run for run in runs if run.batch_size == size]
        rates = [size * r.calls * len(r.windows_s) / math.fsum(r.windows_s) for r in same if r.windows_s]
        low, high = mean_interval(rates, CONFIDENCE) if len(rates) >= MIN_PAIRS else (None, None)
        memory = [r.peak_memory_bytes for r in same if r.peak_memory_bytes is not None]
        points.append(
            SweepPoint(
                batch_size=size,
                processes=len(rates),
                images_per_s=statistics.fmean(rates) if rates else None,
                low_per_s=None if low is None else max(0.0, low),
                high_per_s=high,
                peak_memory_bytes=max(memory, default=None),
                ended_by=next((r.ended_by for r in same if r.ended_by != "protocol"), "protocol"),
                failed=next((r.failed for r in same if r.ended_by != "protocol"), NOTHING),
            )
        )
    return tuple(points)


def best_batches(points: Sequence[SweepPoint]) -> tuple[int, ...]:
    """The batch size with the most throughput, and each whose interval reaches the best one's: ties are told."""
    known = [p for p in points if p.images_per_s is not None and p.low_per_s is not None and p.high_per_s is not None]
    if not known:
        return ()
    best = max(known, key=lambda p: p.images_per_s or 0.0)
    return tuple(p.batch_size for p in known if (p.high_per_s or 0.0) >= (best.low_per_s or 0.0))


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Devices at once over one shared wall clock: images a second together, the sum of each alone, and their ratio."""

    devices: tuple[str, ...]
    batch_size: int
    together_per_s: float
    alone_per_s: float
    efficiency: float


def scaling(run: ScalingRun) -> Scaling:
    """The efficiency of several devices at once."""
    together, alone = (_rate(races, run.batch_size) for races in (run.together, run.alone))
    return Scaling(
        devices=tuple(r.device for r in run.together),
        batch_size=run.batch_size,
        together_per_s=together,
        alone_per_s=alone,
        efficiency=together / alone if alone else 0.0,
    )


def _rate(races: Sequence[DeviceRace], batch_size: int) -> float:
    return sum(race.calls * batch_size / race.seconds for race in races)
