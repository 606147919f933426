"""Whether raw times look like a clock's: typed, copied and computed ones leave traces that measured ones do not.

The clock is ``time.perf_counter``, whose steps are a nanosecond on Linux and a tenth of a microsecond on Windows (PEP
418), and a call's time is never the same twice to the last of them. All of it is doubts: nothing here is impossible.
Times of a device's own events are left out, as their steps are those of the device.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from npu_deliver.review.plausibility.remarks import Remark, doubt
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.records.record import Record

FEWEST = 16
"""Times in a series of which anything is said."""

CLOCK_STEP_S = 2e-6
"""No clock that Python reads on a server has coarser steps than some tenths of this."""

TYPED_S = 1e-5
"""Times that are all whole multiples of it were written down, not read off a clock."""

LONG_S = 1e-3
"""Calls of a millisecond vary by more than a step of any clock; quicker ones may all take the same number of steps."""

SORTED = 32
"""So many times in a row do not happen to ascend: the chance is one in 32 factorial."""

BLOCK = 16
"""Times in a row that stand in two places were copied, if so many of them differ that no chance gives it."""

CHANCE = 1e-9
"""How seldom such a block may happen by itself, by how often single times coincide in the series."""

PROPORTIONAL = 2e-7
"""Two series whose times have one ratio to within this are one series and its multiple, rounding apart."""

_RATIO_STEP = 5 * PROPORTIONAL
"""Ratios, as logarithms, that are told apart; those of a series and its multiple lie within one step of each other."""

_MOST_ALIKE = 8
"""So many series of one length and one ratio are kept to compare others with."""


@dataclass(frozen=True)
class Series:
    """Times of calls of one kind, in order."""

    kind: str
    name: str
    times_s: tuple[float, ...]


def remarks(records: Mapping[str, Record]) -> Iterator[Remark]:
    """What looks not measured, series by series and between them."""
    series = [found for kind, record in records.items() for found in _series(kind, record)]
    for one in series:
        for what in _alone(one):
            yield doubt(one.kind, f"{one.name}: {what}")
    copied: set[tuple[str, str]] = set()
    for one, other, count in _copies(series):
        copied |= {(one.name, other.name), (other.name, one.name)}
        where = "twice in it" if one is other else f"in {other.name}, too"
        yield doubt(one.kind, f"{one.name}: {count} of its times in a row stand {where}")
    for one, other, ratio in _multiples(series):
        if (one.name, other.name) not in copied:
            what = f"all {len(one.times_s)} times are those of {other.name} times {ratio:.6g}"
            yield doubt(one.kind, f"{one.name}: {what}")


def _series(kind: str, record: Record) -> Iterator[Series]:
    data, found = record.data, []
    if isinstance(data, PerformanceData):
        found += [(f"batch {run.batch_size}, calls", run.samples_s) for run in data.runs]
        found += [(f"batch {run.batch_size}, windows", run.windows_s) for run in data.throughput]
        numbers: Counter[int] = Counter()
        for each in data.processes:
            numbers[each.batch_size] += 1
            found.append((f"fresh process {numbers[each.batch_size]}, batch {each.batch_size}", each.samples_s))
        if data.cache is not None:
            found.append(("calls with one input", data.cache.repeated_s))
            found.append(("calls with ever another input", data.cache.distinct_s))
        found.append(("photos from file to predictions", tuple(way.total_s for way in data.end_to_end)))
    if isinstance(data, OptimisationData):
        for number, trial in enumerate(data.trials, start=1):
            for on, pair in itertools.product((False, True), trial.pairs):
                times = tuple(s for burst in pair.bursts if burst.on is on for s in burst.samples_s)
                side = "on" if on else "off"
                found.append(
                    (f"trial {number} ({'+'.join(trial.switches) or 'a/a'}), {side}, pair {pair.block}", times)
                )
    for name, times in found:
        if len(times) >= FEWEST:
            yield Series(kind, name, times)


def _alone(series: Series) -> Iterator[str]:
    """What is odd about one series; the plainest thing only."""
    times, count = series.times_s, len(series.times_s)
    distinct = sorted(set(times))
    gap = min((b - a for a, b in itertools.pairwise(distinct)), default=0.0)
    if len(distinct) == 1 and times[0] >= LONG_S:
        yield f"{count} times, all of them {times[0]:.9g} s"
    elif 1 < len(distinct) <= count / 2 and gap > CLOCK_STEP_S:
        yield f"{count} times have {len(distinct)} values, none nearer to another than {gap * 1e6:.3g} µs"
    elif len(distinct) > 1 and all(abs(t / TYPED_S - round(t / TYPED_S)) < 1e-6 for t in times):
        yield f"{count} times are all whole multiples of {TYPED_S * 1e6:.0f} µs"
    elif count >= SORTED and len(distinct) == count and list(times) in (distinct, distinct[::-1]):
        yield f"{count} times stand in ascending or descending order"


def _copies(series: Sequence[Series]) -> Iterator[tuple[Series, Series, int]]:
    """(a series, another one or itself, how many of its times in a row stand there, too), each pair once."""
    total = sum(len(one.times_s) for one in series)
    counts = Counter(time for one in series for time in one.times_s)
    coincide = max((count / total for count in counts.values()), default=0.0)
    if coincide**BLOCK * total**2 > CHANCE:
        return  # the clock is so coarse that blocks repeat by themselves
    seen: dict[tuple[float, ...], tuple[Series, int]] = {}
    told: set[tuple[int, int]] = set()
    for one in series:
        for start in _repeated(one.times_s, counts):
            block = one.times_s[start : start + BLOCK]
            other, there = seen.setdefault(block, (one, start))
            if (other is one and start - there < BLOCK) or len(set(block)) < BLOCK * 3 // 4:
                continue
            if (id(one), id(other)) not in told:
                told.add((id(one), id(other)))
                yield one, other, _length(one.times_s[start:], other.times_s[there:])


def _repeated(times: Sequence[float], counts: Mapping[float, int]) -> Iterator[int]:
    """Where a block starts of whose times each stands somewhere else, too: no other block can stand in two places."""
    run = 0
    for end, time in enumerate(times, start=1):
        run = run + 1 if counts[time] > 1 else 0
        if run >= BLOCK:
            yield end - BLOCK


def _length(one: Sequence[float], other: Sequence[float]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _multiples(series: Sequence[Series]) -> Iterator[tuple[Series, Series, float]]:
    """(a series, an earlier one of its length, the ratio that all their times have).

    Only series whose first two times have one ratio are held against each other: each against each would take the
    square of their number.
    """
    alike: dict[tuple[int, int], list[tuple[int, Series]]] = {}
    for number, one in enumerate(series):
        length, step = len(one.times_s), round(math.log(one.times_s[1] / one.times_s[0]) / _RATIO_STEP)
        earlier = sorted(each for near in (-1, 0, 1) for each in alike.get((length, step + near), ()))
        for _, other in earlier if len(set(one.times_s)) >= FEWEST // 2 else ():
            ratio = one.times_s[0] / other.times_s[0]
            if all(abs(a - ratio * b) <= PROPORTIONAL * a for a, b in zip(one.times_s, other.times_s, strict=True)):
                yield one, other, ratio
                break
        bucket = alike.setdefault((length, step), [])
        if len(bucket) < _MOST_ALIKE:
            bucket.append((number, one))
