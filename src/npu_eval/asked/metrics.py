"""What a criterion may be about: each metric with the experiment that measures it, what it is of, and its unit.

Whoever prints a metric or asks what it is of takes it from here; nothing is read out of a metric's name. The modules
`metrics`, `elements` and `detections` of `agreement` and each experiment's `values` define them. Standard library only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from npu_eval.notation.units import Unit


class Of(enum.StrEnum):
    """What one value of a metric is of."""

    OUTPUT = "output"
    """One output of one input, held against the reference's."""
    REPEAT = "repeat"
    """One output of one input, held against the candidate's own first run."""
    DETECTIONS = "detections"
    """The objects found in one input, or in all of them."""
    INPUTS = "inputs"
    """The whole set of inputs."""
    RUN = "run"
    """The run itself, not what it computed."""
    STEP = "step"
    """A loss of one training step, or the gradients of a part of the network."""
    BATCH = "batch"
    """One batch size."""
    IMAGES = "images"
    """The whole data set."""


@dataclass(frozen=True)
class Metric:
    """The record that a metric is derived from, what one value of it is of, and in which unit that is."""

    experiment: str
    of: Of
    unit: Unit

    @property
    def timed(self) -> bool:
        """Whether it comes from a clock: that of a simulated device says nothing."""
        return self.unit.timed


def _output(unit: Unit) -> Metric:
    return Metric("precision", Of.OUTPUT, unit)


def _dataset(unit: Unit = Unit.SHARE) -> Metric:
    return Metric("dataset", Of.IMAGES, unit)


METRICS: dict[str, Metric] = {
    "relative_l2": _output(Unit.ERROR),
    "max_abs_diff": _output(Unit.ERROR),
    "mean_abs_diff": _output(Unit.ERROR),
    "scaled_max_abs_diff": _output(Unit.ERROR),
    "max_mixed_error": _output(Unit.ERROR),
    "cosine_similarity": _output(Unit.COSINE),
    "share_over_1_percent": _output(Unit.SHARE),
    "share_within_1_permille": _output(Unit.SHARE),
    "share_within_5_permille": _output(Unit.SHARE),
    "one_hundredth_ratio": _output(Unit.SHARE),
    "five_thousandths_ratio": _output(Unit.SHARE),
    "one_thousandth_ratio": _output(Unit.SHARE),
    "one_ten_thousandth_ratio": _output(Unit.SHARE),
    "mean_relative_error": _output(Unit.ERROR),
    "max_relative_error": _output(Unit.ERROR),
    "mean_ulp": _output(Unit.ERROR),
    "share_over_1_ulp": _output(Unit.SHARE),
    "share_over_32_ulp": _output(Unit.SHARE),
    "nonfinite_mismatch": _output(Unit.COUNT),
    "nonfinite_elements": _output(Unit.COUNT),
    "dual_rmse_ratio": _output(Unit.TIMES),
    "dual_mean_relative_ratio": _output(Unit.TIMES),
    "dual_max_relative_ratio": _output(Unit.TIMES),
    "dual_small_value_ratio": _output(Unit.TIMES),
    "repeat_relative_l2": Metric("precision", Of.REPEAT, Unit.ERROR),
    "top1_agreement": Metric("precision", Of.INPUTS, Unit.SHARE),
    "top5_agreement": Metric("precision", Of.INPUTS, Unit.SHARE),
    "detections_matched": Metric("precision", Of.DETECTIONS, Unit.OVERLAP),
    "detection_box_iou": Metric("precision", Of.DETECTIONS, Unit.OVERLAP),
    "detection_mask_iou": Metric("precision", Of.DETECTIONS, Unit.OVERLAP),
    "detection_score_diff": Metric("precision", Of.DETECTIONS, Unit.ERROR),
    "loss_error": Metric("training", Of.STEP, Unit.ERROR),
    "gradient_error": Metric("training", Of.STEP, Unit.ERROR),
    "cpu_fallback_operators": Metric("precision", Of.RUN, Unit.COUNT),
    "sample_count": Metric("performance", Of.BATCH, Unit.COUNT),
    "latency_p50_s": Metric("performance", Of.BATCH, Unit.SECONDS),
    "latency_mean_s": Metric("performance", Of.BATCH, Unit.SECONDS),
    "throughput_per_s": Metric("performance", Of.BATCH, Unit.PER_SECOND),
    "box_ap": _dataset(),
    "box_ap50": _dataset(),
    "box_ap75": _dataset(),
    "mask_ap": _dataset(),
    "mask_ap50": _dataset(),
    "mask_ap75": _dataset(),
    "top1_accuracy": _dataset(),
    "top5_accuracy": _dataset(),
    "task_metric_ratio": _dataset(Unit.TIMES),
}
"""Every metric that a criterion may name."""
