"""The table rows in which the numbers of a search may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.optimisation.summary import Optimisation
from npu_deliver.experiments.part import Rows


def rows(found: Optimisation, device: str) -> Rows:
    """Rows by switch, by stage, by batch size, and by operator."""
    del device
    for row in found.rows:
        yield (row.name,), row, found.aa_factor
    for stage in found.stages:
        for name in (stage.name,) if stage.number else ("baseline", "\u57fa\u7ebf"):
            yield (name,), stage
    for point in found.sweep:
        yield (str(point.batch_size),), point
    for operator in found.profile.operators if found.profile else ():
        yield (operator.name,), operator
