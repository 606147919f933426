"""What the localisation experiment stores: each operator's error, and the outputs'. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from npu_eval.errors import RecordError

FORMATS = ("hf32", "tf32-or-fp16", "bf16")
"""Causes that are number formats, from the finest."""

CAUSES = ("ok", *FORMATS, "not-comparable", "fallback", "non-deterministic", "fault")
"""Every cause, from harmless to worst (as `npu_eval.locate` gives them)."""

FP32_EQUAL = 4.0
"""Times its own float32-against-float64 error within which an output counts as equal in float32."""


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
    evidence: str

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

    kind: ClassVar[str] = "localisation"
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


def level(output: OutputError, operators: Sequence[LocatedOperator], bound: float) -> str:
    """How well an output agrees, in one word.

    ``bitwise``; ``fp32-equal``: within four times the error of float32 itself; ``out``: above ``bound``;
    ``explained(f)``: every operator's error is that of a format, f the coarsest of them; else ``within-criteria``.
    """
    if output.bitwise_equal:
        return "bitwise"
    if output.error is None or output.error > max(bound, FP32_EQUAL * output.floor):
        return "out"
    if output.error <= FP32_EQUAL * output.floor:
        return "fp32-equal"
    causes = {o.cause for o in operators}
    formats = [f for f in FORMATS if f in causes]
    explained = formats and causes <= {"ok", "not-comparable", *FORMATS}
    return f"explained({formats[-1]})" if explained else "within-criteria"


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
