"""What an optimisation record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.optimisation.data import OptimisationData, check_optimisation
from npu_eval.experiments.optimisation.log import optimisation_lines
from npu_eval.records.kind import Kind, Telling


def _lines(data: OptimisationData, telling: Telling) -> list[str]:
    return optimisation_lines(data, telling.criteria, simulated=telling.simulated)


KIND = Kind(
    name="optimisation",
    title="Optimisation: switches against the model without them",
    log="optimisation_eval.log",
    script=("evaluation/eval_optimisation.py",),
    data=OptimisationData,
    check=check_optimisation,
    lines=_lines,
    optional=True,
    takes_reference=True,
)
