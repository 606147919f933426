"""The level of each output of a precision record, over all its inputs. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from npu_eval.agreement import metrics
from npu_eval.agreement.levels import level
from npu_eval.experiments.precision.data import PrecisionData


@dataclass(frozen=True, kw_only=True)
class Level:
    """An output's level over all inputs, as `levels` defines it.

    ``error`` is the worst relative L2 error (None: not finite), ``floor`` that of float32 itself for the same input
    (None: not measured).
    """

    output: str
    level: str
    error: float | None
    floor: float | None


def levels(data: PrecisionData, held: Mapping[str, bool | None], causes: Collection[str] = ()) -> tuple[Level, ...]:
    """The level of each output.

    Args:
        held: output → whether the criteria on it hold, as `values.held_outputs` says.
        causes: what the operators' errors come from, where that was looked for.
    """
    floors = {(f.input, f.output): metrics.agreement(f).relative_l2 for f in data.floors}
    found = []
    for name in dict.fromkeys(d.output for d in data.differences):
        of_it = [d for d in data.differences if d.output == name]
        pairs = [(metrics.finite_error(d), floors.get((d.input, d.output))) for d in of_it]
        error, floor = max(pairs, key=lambda pair: float("inf") if pair[0] is None else pair[0])
        bitwise = all(d.bitwise_equal for d in of_it)
        word = level(bitwise=bitwise, errors=pairs, held=held.get(name), causes=causes)
        found.append(Level(output=name, level=word, error=error, floor=floor))
    return tuple(found)
