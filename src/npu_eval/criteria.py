"""Criteria: rules that are fixed and hashed before a run and decide its verdicts after it. Standard library only."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from npu_eval.jsonio import canonical_sha256


class Comparison(enum.StrEnum):
    """How a measured value is held against a threshold. Others' standards say "below" and "above", so both exist."""

    AT_MOST = "<="
    AT_LEAST = ">="
    BELOW = "<"
    ABOVE = ">"

    @property
    def from_above(self) -> bool:
        """Whether the threshold bounds the value from above: the worst value is then the largest."""
        return self in (Comparison.AT_MOST, Comparison.BELOW)

    def holds(self, value: float, threshold: float) -> bool:
        """Whether ``value <comparison> threshold``."""
        if value == threshold:
            return self in (Comparison.AT_MOST, Comparison.AT_LEAST)
        return (value < threshold) is self.from_above


METRICS: dict[str, str] = {
    # of the precision record, one value per input and output
    "relative_l2": "precision",
    "max_abs_diff": "precision",
    "mean_abs_diff": "precision",
    "scaled_max_abs_diff": "precision",
    "max_mixed_error": "precision",
    "cosine_similarity": "precision",
    "share_over_1_percent": "precision",
    "share_within_1_permille": "precision",
    "share_within_5_permille": "precision",
    "one_hundredth_ratio": "precision",
    "five_thousandths_ratio": "precision",
    "one_thousandth_ratio": "precision",
    "one_ten_thousandth_ratio": "precision",
    "mean_relative_error": "precision",
    "max_relative_error": "precision",
    "mean_ulp": "precision",
    "share_over_1_ulp": "precision",
    "share_over_32_ulp": "precision",
    "nonfinite_mismatch": "precision",
    "nonfinite_elements": "precision",
    "repeat_relative_l2": "precision",
    # of the precision record, one value per input and output, against float32's own error
    "dual_rmse_ratio": "precision",
    "dual_mean_relative_ratio": "precision",
    "dual_max_relative_ratio": "precision",
    "dual_small_value_ratio": "precision",
    # of the precision record, one value for the whole set of inputs
    "top1_agreement": "precision",
    "top5_agreement": "precision",
    # of the precision record of a detector
    "detections_matched": "precision",
    "detection_box_iou": "precision",
    "detection_mask_iou": "precision",
    "detection_score_diff": "precision",
    # of the training record
    "loss_error": "training",
    "gradient_error": "training",
    # of the precision record, one value
    "cpu_fallback_operators": "precision",
    # of the performance record, one value per batch size
    "sample_count": "performance",
    "latency_p50_s": "performance",
    "latency_mean_s": "performance",
    "throughput_per_s": "performance",
    # of the data set record, one value each
    "box_ap": "dataset",
    "box_ap50": "dataset",
    "box_ap75": "dataset",
    "mask_ap": "dataset",
    "mask_ap50": "dataset",
    "mask_ap75": "dataset",
    "top1_accuracy": "dataset",
    "top5_accuracy": "dataset",
    "task_metric_ratio": "dataset",
}
"""Every metric a criterion may name, and the experiment whose record holds it. `stats` and `elements` define each."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A rule that is fixed before the run and decides a verdict after it.

    ``outputs`` are output names (or batch sizes, for performance metrics); ``("*",)`` means each of them. The verdict
    is that of the worst value. ``why`` says where the threshold comes from.
    """

    id: str
    metric: str
    comparison: Comparison
    threshold: float
    why: str
    outputs: tuple[str, ...] = ("*",)

    @property
    def experiment(self) -> str:
        """The kind of record that this criterion judges."""
        return METRICS[self.metric]

    @property
    def sha256(self) -> str:
        """Hash of the rule as it was fixed before the run."""
        return canonical_sha256(self)


NO_FALLBACK = Criterion(
    id="no-cpu-fallback", metric="cpu_fallback_operators", comparison=Comparison.AT_MOST, threshold=0.0,
    why="an operator that torch_npu hands to the CPU has not run on the NPU",
)  # fmt: skip
"""Added to a spec's criteria unless it says that a fallback is only to be flagged."""
