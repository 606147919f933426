"""The charts of this experiment, by their stems in the deliverable. Importing this loads matplotlib."""

from __future__ import annotations

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.localisation.chart import StripPoint, strip_chart
from npu_deliver.experiments.localisation.summary import Localisation
from npu_eval.experiments.localisation.data import LocalisationData
from npu_eval.records.record import Record


def draw(found: Localisation, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """The error of every operator in network order."""
    del found
    if record is None or not isinstance(record.data, LocalisationData) or not record.data.operators:
        return {}
    points = [
        StripPoint(name=f"{o.module} {o.operator}", error=o.error, band=o.bands.get("fp32", 0.0), cause=o.cause)
        for o in record.data.operators
    ]
    return {"localisation_chart": strip_chart(points, frame)}
