"""The optimisation record as a report shows it: rows, stages, and what they lead to. Derived, never measured here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npu_eval.asked.criteria import Criterion
from npu_eval.asked.spec import SpecFile
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.optimisation.effects import Outcome, Row, Scaling, SweepPoint
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.performance.speed import HostBound, WholeWay
from npu_eval.machine.load import is_busy
from npu_eval.notation.phrases import Phrase
from npu_eval.records.record import Record
from npu_eval.under_test.messages import ProfileData

DOMINANT = 0.4
"""Share of the forward's time from which on one operator is worth work of its own: halving it gains a quarter."""
BATCHING = 1.2
"""How many times the throughput of batch 1 a larger batch must give to be advised."""
OUTSIDE = 0.3
"""Share of a photo's whole way from which on the phases before and after the forward are worth work."""
SHOWN_OPERATORS = 10


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of the way to the best combination; the first has no switch and is the baseline.

    ``step`` is against the stage before, ``total`` against the baseline; None for the baseline.
    """

    number: int
    name: str
    added: str
    step: effects.Effect | None
    total: effects.Effect | None
    latency_s: float
    relative_s: float


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator: calls and seconds of its own in one forward, and its share of all operators' time."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where a forward's time goes. ``fallbacks`` are operators that an accelerator left to the CPU."""

    tool: str
    clock: str
    batch_size: int
    calls: int
    operators: tuple[Operator, ...]
    fallbacks: tuple[Operator, ...]


@dataclass(frozen=True, kw_only=True)
class Direction:
    """Where the next gain may lie: ``why`` is a code that the pages put into words, with its evidence."""

    why: str
    name: str
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """What a search for gains came to.

    ``aa_factor`` is how far identical code strayed from itself: no claim below it is made. ``best`` names the accepted
    combination; empty when nothing was a gain.
    """

    budget_s: float
    spent_s: float
    batch_size: int
    min_effect: float
    aa_factor: float | None
    rows: tuple[Row, ...]
    stages: tuple[Stage, ...]
    best: tuple[str, ...]
    gains: tuple[str, ...]
    breaking: tuple[str, ...]
    untried: tuple[str, ...]
    sweep: tuple[SweepPoint, ...]
    best_batches: tuple[int, ...]
    scaling: tuple[Scaling, ...]
    profile: Profile | None
    directions: tuple[Direction, ...]
    busy: bool
    ended: Phrase


def optimisation(
    data: OptimisationData, criteria: Sequence[Criterion], *, bound: HostBound | None, way: WholeWay | None
) -> Optimisation:
    """Everything a report says of a search.

    Args:
        bound: the host-bound test of the performance record, where there is one.
        way: the phases of a photo's whole way, where they were measured.
    """
    rows = effects.rows(data, criteria)
    stages = _stages(rows)
    points = effects.sweep(data.sweep)
    profile = None if data.profile is None else _profile(data.profile)
    gains = [r for r in rows if r.stage == "single" and r.outcome is Outcome.GAIN]
    return Optimisation(
        budget_s=data.budget_s,
        spent_s=data.spent_s,
        batch_size=data.batch_size,
        min_effect=data.min_effect,
        aa_factor=effects.aa_range(data.trials, effects.noise(data.trials)),
        rows=rows,
        stages=stages,
        best=tuple(stage.added for stage in stages if stage.added),
        gains=tuple(r.name for r in gains if r.accepted),
        breaking=tuple(r.name for r in gains if not r.accepted),
        untried=data.untried,
        sweep=points,
        best_batches=effects.best_batches(points),
        scaling=tuple(map(effects.scaling, data.scaling)),
        profile=profile,
        directions=_directions(profile, points, bound, way),
        busy=any(map(is_busy, data.machine)),
        ended=data.ended,
    )


def _stages(rows: Sequence[Row]) -> tuple[Stage, ...]:
    """The baseline and each accepted step of the combination, as they were measured anew."""
    together = [row for row in rows if row.stage == "combination"]
    base = next((row.off_s for row in rows if row.off_s is not None and not row.against), None)
    if base is None:
        return ()
    stages = [Stage(number=0, name="baseline", added="", step=None, total=None, latency_s=base, relative_s=1.0)]
    best: tuple[str, ...] = ()
    for row in together:
        if row.against != best or not row.accepted:
            continue
        total = next(r for r in together if r.switches == row.switches and not r.against)
        if total.effect is None or total.on_s is None:
            continue
        best = row.switches
        stages.append(
            Stage(
                number=len(stages),
                name=row.name,
                added=row.switches[-1],
                step=row.effect,
                total=total.effect,
                latency_s=total.on_s,
                relative_s=1 / total.effect.factor,
            )
        )
    return tuple(stages)


def _profile(data: ProfileData) -> Profile:
    total = math.fsum(o.self_s for o in data.operators)
    left = tuple(
        Operator(name=o.name, calls=o.calls, seconds=o.self_s / data.calls, share=o.self_s / total if total else 0.0)
        for o in data.fallbacks
    )
    operators = tuple(
        Operator(name=o.name, calls=o.calls, seconds=o.self_s / data.calls, share=o.self_s / total)
        for o in data.operators[:SHOWN_OPERATORS]
    )
    return Profile(
        tool=data.tool,
        clock=data.clock,
        batch_size=data.batch_size,
        calls=data.calls,
        operators=operators,
        fallbacks=left,
    )


def _directions(
    profile: Profile | None, points: Sequence[SweepPoint], bound: HostBound | None, way: WholeWay | None
) -> tuple[Direction, ...]:
    """What the bottleneck found suggests, the most telling first."""
    found: list[Direction] = []
    if bound is not None and bound.bound:
        found.append(Direction(why="host-bound", name="", share=bound.ratio))
    if profile is not None and profile.fallbacks:
        share = math.fsum(o.share for o in profile.fallbacks)
        found.append(Direction(why="fallback", name=profile.fallbacks[0].name, share=share))
    if profile is not None and profile.operators and profile.operators[0].share >= DOMINANT:
        found.append(Direction(why="operator", name=profile.operators[0].name, share=profile.operators[0].share))
    one = next((p.images_per_s for p in points if p.batch_size == 1), None)
    most = max((p for p in points if p.images_per_s is not None), key=lambda p: p.images_per_s or 0.0, default=None)
    if one is not None and most is not None and most.images_per_s is not None:
        gain = most.images_per_s / one
        why = "batching" if gain >= BATCHING else "no-batching"
        found.append(Direction(why=why, name=str(most.batch_size), share=gain))
    if way is not None:
        outside = math.fsum(phase.share for phase in way.phases if phase.name != "forward")
        if outside >= OUTSIDE:
            found.append(Direction(why="outside", name="", share=outside))
    return tuple(found)


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Optimisation | None:
    """What the search comes to, if there was one, beside what bounds the speed of the plain model."""
    record, measured = records.get("optimisation"), records.get("performance")
    if record is None or not isinstance(record.data, OptimisationData):
        return None
    bound, way = None, None
    if measured is not None and isinstance(measured.data, PerformanceData):
        bound, way = speed.host_bound(measured.data), speed.whole_way(measured.data.end_to_end)
    return optimisation(record.data, spec_file.evaluation.criteria, bound=bound, way=way)
