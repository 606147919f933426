"""What a localisation record is. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.localisation.data import LocalisationData, check_localisation
from npu_eval.experiments.localisation.log import localisation_lines
from npu_eval.records.kind import Kind, Telling


def _lines(data: LocalisationData, telling: Telling) -> list[str]:
    return localisation_lines(data, telling.criteria)


KIND = Kind(
    name="localisation",
    title="Localisation: the operators that differ from the reference, and why",
    log="localisation.log",
    script=("evaluation/eval_localisation.py",),
    data=LocalisationData,
    check=check_localisation,
    lines=_lines,
    optional=True,
    needs_reference=True,
    takes_reference=True,
)
