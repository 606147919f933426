"""What a precision record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.precision.data import PrecisionData, check_precision
from npu_eval.experiments.precision.log import precision_lines
from npu_eval.experiments.precision.values import held_outputs, values
from npu_eval.records.kind import Kind, Telling


def _lines(data: PrecisionData, telling: Telling) -> list[str]:
    return precision_lines(data, held_outputs(data, telling.criteria), simulated=telling.simulated)


KIND = Kind(
    name="precision",
    title="Precision evaluation: reference against candidate",
    log="precision_eval.log",  # the contest layout's name
    script=("evaluation/eval_precision.py",),
    data=PrecisionData,
    check=check_precision,
    lines=_lines,
    values=values,
    needs_reference=True,
    takes_reference=True,
    repeats=True,
)
