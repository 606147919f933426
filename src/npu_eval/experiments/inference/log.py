"""The lines of an inference log. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.inference.data import InferenceData
from npu_eval.models.prediction import Prediction
from npu_eval.notation import units


def inference_lines(data: InferenceData) -> list[str]:
    """Each photo with what the model says of it, best first."""
    lines = []
    for result in data.results:
        lines.append(f"{result.input}  ->  {result.picture or '-'}")
        lines += [f"  {units.percent(p.score):>9}  {p.label} (class {p.index}){_box(p)}" for p in result.predictions]
        if not result.predictions:
            lines.append("  nothing found")
    return lines


def _box(prediction: Prediction) -> str:
    """Where it is, in pixels of the photo."""
    return "" if prediction.box is None else f" at {', '.join(f'{v:.1f}' for v in prediction.box)}"
