"""What the localisation experiment stores: each operator's error, and the outputs'. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npu_eval.agreement.levels import CAUSES, held, level
from npu_eval.asked.criteria import Criterion
from npu_eval.errors import RecordError
from npu_eval.notation.phrases import Phrase


@dataclass(frozen=True, kw_only=True)
class LocatedOperator:
    """One operator call in network order. ``error`` is the relative L2 error on the reference's own inputs, None where
    it is infinite; ``bands`` is the error that each format is expected to cause in it.
    """

    index: int
    operator: str
    module: str
    call: int
    backward: bool
    shapes: tuple[tuple[int, ...], ...]
    error: float | None
    bands: dict[str, float]
    cause: str
    evidence: Phrase

    @property
    def excess(self) -> float | None:
        """The error in units of the float32 band; None where it is infinite."""
        band = self.bands.get("fp32", 0.0)
        if self.error == 0.0:
            return 0.0
        return self.error / band if self.error is not None and band else None


@dataclass(frozen=True, kw_only=True)
class OutputError:
    """One output of the whole model: the candidate's relative L2 error (None: not finite) against the reference, and
    ``floor``, the error that float32 itself has in it: the reference model in float32 against float64.
    """

    output: str
    error: float | None
    floor: float
    bitwise_equal: bool


@dataclass(frozen=True, kw_only=True)
class LocalisationData:
    """Every operator of the model on one input."""

    input: str
    reference_dtype: str
    candidate_dtype: str
    outputs: tuple[OutputError, ...]
    operators: tuple[LocatedOperator, ...]


def ranked(operators: Sequence[LocatedOperator]) -> list[LocatedOperator]:
    """The operators worth reading first: by cause from worst to harmless, then by error in units of its band."""

    def key(o: LocatedOperator) -> tuple[int, float, int]:
        return -CAUSES.index(o.cause), -(math.inf if o.excess is None else o.excess), o.index

    return sorted(operators, key=key)


def counts(operators: Sequence[LocatedOperator]) -> dict[str, int]:
    """Cause → number of operators, of the causes that occur."""
    found = {cause: sum(o.cause == cause for o in operators) for cause in CAUSES}
    return {cause: number for cause, number in found.items() if number}


def output_level(output: OutputError, operators: Sequence[LocatedOperator], criteria: Iterable[Criterion]) -> str:
    """The level of an output of the whole model, as `levels` defines it.

    The record holds an output's relative L2 error and whether it is finite; of a criterion on anything else it can say
    nothing.
    """

    def values(metric: str) -> list[float | None]:
        return [output.error if metric == "relative_l2" else 0.0 if metric == "nonfinite_mismatch" else None]

    return level(
        bitwise=output.bitwise_equal,
        errors=[(output.error, output.floor)],
        held=held(output.output, criteria, values),
        causes={o.cause for o in operators},
    )


def check_localisation(data: LocalisationData, where: str) -> None:
    """Refuse what no experiment writes.

    Raises:
        RecordError: an unknown cause, a negative error, or operators out of order.
    """
    for i, o in enumerate(data.operators):
        if o.index != i or o.cause not in CAUSES:
            raise RecordError(f"operator {o.index} with cause '{o.cause}' stands in place {i}", where=where)
        if min((*o.bands.values(), o.error or 0.0)) < 0:
            raise RecordError("an error or a band is negative", where=f"{where}.operators[{i}]")
    if any(min(o.floor, o.error or 0.0) < 0 for o in data.outputs):
        raise RecordError("an error is negative", where=f"{where}.outputs")
