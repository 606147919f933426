"""How well an output agrees, in one word. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from npu_eval import stats
from npu_eval.localisation_data import FORMATS, FP32_EQUAL
from npu_eval.precision_data import Difference, PrecisionData

UNEXPLAINED = ("fault", "fallback", "non-deterministic")
"""Causes of an operator's error beside which no format explains an output."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """An output's level over all inputs.

    ``bitwise``; ``fp32-equal``: within four times the error that float32 itself has in it; ``out``: not finite, or a
    criterion says no; ``explained(f)``: the error of every operator is that of a number format, f the coarsest of them;
    else ``within-criteria``. ``error`` is the worst relative L2 error (None: not finite), ``floor`` that of float32
    itself for the same input (None: not measured).
    """

    output: str
    level: str
    error: float | None
    floor: float | None


def levels(data: PrecisionData, failing: Collection[str], causes: Collection[str] = ()) -> tuple[Level, ...]:
    """The level of each output.

    Args:
        failing: outputs that a criterion refuses.
        causes: what the operators' errors come from, where that was looked for.
    """
    floors = {(f.input, f.output): stats.agreement(f).relative_l2 for f in data.floors}
    names = dict.fromkeys(d.output for d in data.differences)
    return tuple(
        _level(name, [d for d in data.differences if d.output == name], floors, name in failing, causes)
        for name in names
    )


def _level(
    name: str, found: Sequence[Difference], floors: dict[tuple[str, str], float], fails: bool, causes: Collection[str]
) -> Level:
    pairs = [(_error(d), floors.get((d.input, d.output))) for d in found]
    worst = max(pairs, key=lambda pair: float("inf") if pair[0] is None else pair[0])
    equal = all(e is not None and floor is not None and e <= FP32_EQUAL * floor for e, floor in pairs)
    formats = [f for f in FORMATS if f in causes]
    if all(d.bitwise_equal for d in found):
        word = "bitwise"
    elif any(e is None for e, _ in pairs) or (fails and not equal):
        word = "out"
    elif equal:
        word = "fp32-equal"
    elif formats and not set(UNEXPLAINED) & set(causes):
        word = f"explained({formats[-1]})"
    else:
        word = "within-criteria"
    return Level(output=name, level=word, error=worst[0], floor=worst[1])


def _error(d: Difference) -> float | None:
    hollow = d.count > 0 and d.finite_count == 0
    return None if d.nonfinite_mismatch or hollow else stats.agreement(d).relative_l2
