"""Named sets of criteria, as data: the contest's, and those that vendors' tools apply, with thresholds as published.

A new profile is one declaration in `PROFILES`. Thresholds of others are theirs to the digit; how each metric is formed
from the record's sums is in `elements` and `metrics`. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from npu_eval.asked.criteria import CONTEST_ERROR, NO_FALLBACK, Comparison, Criterion, why
from npu_eval.errors import ConfigError, nearest
from npu_eval.notation import units
from npu_eval.notation.sources import CANN_OPERATORS, COCO, CONTEST, MLPERF, MSPROBE, POLYGRAPHY, Source

DEFAULT = "contest-1pct"

_CONTEST = {
    what: why(f"why-contest-{what}", bound=units.bound(CONTEST_ERROR))
    for what in ("output", "score", "loss", "gradient")
}
_REPEATABLE = why("why-repeatable")
_MLPERF_99 = why("why-mlperf-result", share=units.bound(0.99))
_COCO_STRICTEST = why("why-coco-strictest")
_ENOUGH_CALLS = why("why-enough-calls")


@dataclass(frozen=True, kw_only=True)
class CriteriaProfile:
    """A named set of rules. ``floor`` says which elements are left out of a relative error; ``sources`` whose it is.

    ``rules`` hold for every task. A profile without rules of its own (`DEFAULT`) has those of `default_criteria`.
    """

    name: str
    about: str
    floor: str
    sources: tuple[Source, ...]
    rules: tuple[Criterion, ...] = ()


def criteria_of(name: str, task: str, *, training: bool = False) -> tuple[Criterion, ...]:
    """The criteria of a profile for a task.

    Raises:
        ConfigError: there is no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"there is no criteria profile '{name}'", where="criteria", fix=nearest(name, PROFILES))
    return default_criteria(task, training=training) if name == DEFAULT else PROFILES[name].rules


def profile_of(criteria: Iterable[Criterion], task: str, *, training: bool = False) -> str | None:
    """The profile whose rules these are, to the last word; None where they are somebody's own."""
    asked = tuple(c for c in criteria if c != NO_FALLBACK)
    named = ((name, criteria_of(name, task, training=training)) for name in PROFILES)
    return next((name for name, rules in named if rules == asked), None)


def default_criteria(task: str, *, training: bool = False) -> tuple[Criterion, ...]:
    """The profile ``contest-1pct`` for a task.

    Sources: the contest's rule is an error below 1 %, here read as the relative L2 error of each declared output
    against the reference; MLPerf Inference accepts a task metric of at least 99 % of the reference's (its "99" mode);
    COCO counts an object as found at IoU thresholds from 0.5 to 0.95;
    64 timed calls are the fewest that support a p90 at 99 % confidence (MLPerf LoadGen's early-stopping estimate).
    """
    rules = [
        Criterion(
            id="output-error",
            metric="relative_l2",
            comparison=Comparison.BELOW,
            threshold=CONTEST_ERROR,
            why=_CONTEST["output"],
        ),
        FINITE,
        Criterion(
            id="repeatable",
            metric="repeat_relative_l2",
            comparison=Comparison.AT_MOST,
            threshold=CONTEST_ERROR / 10,
            why=_REPEATABLE,
        ),
    ]
    if task == "classification":
        rules += [
            Criterion(
                id=metric.replace("_", "-"),
                metric=metric,
                comparison=Comparison.AT_LEAST,
                threshold=0.99,
                why=_MLPERF_99,
            )
            for metric in ("top1_agreement", "top5_agreement")
        ]
    if task in ("detection", "instance-segmentation"):
        rules += _detection_criteria(task)
    if training:
        rules += [
            Criterion(
                id="loss-error",
                metric="loss_error",
                comparison=Comparison.BELOW,
                threshold=CONTEST_ERROR,
                why=_CONTEST["loss"],
            ),
            Criterion(
                id="gradient-error",
                metric="gradient_error",
                comparison=Comparison.BELOW,
                threshold=CONTEST_ERROR,
                why=_CONTEST["gradient"],
            ),
        ]
    rules.append(
        Criterion(
            id="timed-calls", metric="sample_count", comparison=Comparison.AT_LEAST, threshold=64.0, why=_ENOUGH_CALLS
        )
    )
    return tuple(rules)


def _detection_criteria(task: str) -> list[Criterion]:
    rules = [
        Criterion(
            id="detection-match",
            metric="detections_matched",
            comparison=Comparison.AT_LEAST,
            threshold=0.99,
            why=_MLPERF_99,
        ),
        Criterion(
            id="detection-box",
            metric="detection_box_iou",
            comparison=Comparison.AT_LEAST,
            threshold=0.95,
            why=_COCO_STRICTEST,
        ),
        Criterion(
            id="detection-score",
            metric="detection_score_diff",
            comparison=Comparison.BELOW,
            threshold=CONTEST_ERROR,
            why=_CONTEST["score"],
        ),
    ]
    if task == "instance-segmentation":
        rules.append(
            Criterion(
                id="detection-mask",
                metric="detection_mask_iou",
                comparison=Comparison.AT_LEAST,
                threshold=0.95,
                why=_COCO_STRICTEST,
            )
        )
    return rules


FINITE = Criterion(
    id="finite",
    metric="nonfinite_mismatch",
    comparison=Comparison.AT_MOST,
    threshold=0.0,
    why=why("why-finite"),
)


def _rule(metric: str, comparison: Comparison, threshold: float, reason: str) -> Criterion:
    name = metric.replace("_", "-")
    return Criterion(id=name, metric=metric, comparison=comparison, threshold=threshold, why=reason)


_NO_FLOOR = "none: every element that is finite on both sides counts"


def _msprobe_dual(level: str, common: float, largest: float) -> CriteriaProfile:
    """The dual-benchmark comparison: the candidate's error over float32's own, both against the same golden result.

    The published benchmark is a GPU; ours is the reference's device in float32, the one that is always there.
    """
    reason = why("why-msprobe-dual", level=level)
    return CriteriaProfile(
        name=f"msprobe-{level.lower()}",
        about=f"The dual benchmark of msprobe, level {level}, with the reference's float32 as the benchmark",
        floor="values of |r| up to 2^-20 (float32) or 2^-10 (half) are small: judged by their absolute error",
        sources=(MSPROBE,),
        rules=(
            _rule("dual_rmse_ratio", Comparison.AT_MOST, common, reason),
            _rule("dual_mean_relative_ratio", Comparison.AT_MOST, common, reason),
            _rule("dual_max_relative_ratio", Comparison.AT_MOST, largest, reason),
            _rule("dual_small_value_ratio", Comparison.AT_MOST, 2.0, reason),
            FINITE,
        ),
    )


def _cann(dtype: str, exponent: int) -> CriteriaProfile:
    """MERE < T and MARE < 10 T, of relative errors over |r| + 1e-7."""
    reason = why("why-cann", dtype=dtype, exponent=exponent)
    return CriteriaProfile(
        name=f"cann-{dtype}",
        about=f"CANN's operator standard for {dtype}: MERE < T and MARE < 10 T with T = 2^-{exponent}",
        floor="1e-7 is added to |r|",
        sources=(CANN_OPERATORS,),
        rules=(
            _rule("mean_relative_error", Comparison.BELOW, 2.0**-exponent, reason),
            _rule("max_relative_error", Comparison.BELOW, 10 * 2.0**-exponent, reason),
            FINITE,
        ),
    )


def _mlperf(name: str, share: float) -> CriteriaProfile:
    reason = why("why-mlperf", share=units.bound(share))
    return CriteriaProfile(
        name=f"mlperf-{name}",
        about=f"MLPerf Inference's accuracy target: at least {share * 100:g} % of the reference's task metric",
        floor="no elements are compared: the task metric on a data set decides (DATA=…, against the reference's run)",
        sources=(MLPERF,),
        rules=(_rule("task_metric_ratio", Comparison.AT_LEAST, share, reason), FINITE),
    )


_MSPROBE_COMPARE = why("why-msprobe-compare")
_POLYGRAPHY = why("why-polygraphy")

_DECLARED = (
    CriteriaProfile(
        name=DEFAULT,
        about="The contest's error below 1 %, as relative L2 error of every output, and agreement of the task's result",
        floor="none for the error; shares of elements are printed with theirs: |r| > 2^-14 max|r|",
        sources=(CONTEST, MLPERF, COCO),
    ),
    _msprobe_dual("L0", 2.0, 10.0),
    _msprobe_dual("L1", 1.5, 5.0),
    _msprobe_dual("L2", 1.2, 2.0),
    CriteriaProfile(
        name="msprobe-compare",
        about="What msprobe compare calls acceptable in tensor mode: cosine > 0.99 and MaxAbsErr < 0.001",
        floor=_NO_FLOOR,
        sources=(MSPROBE,),
        rules=(
            _rule("cosine_similarity", Comparison.ABOVE, 0.99, _MSPROBE_COMPARE),
            _rule("max_abs_diff", Comparison.BELOW, 0.001, _MSPROBE_COMPARE),
            FINITE,
        ),
    ),
    _cann("fp32", 13),
    _cann("hf32", 11),
    _cann("fp16", 10),
    _cann("bf16", 7),
    CriteriaProfile(
        name="polygraphy-default",
        about="Polygraphy's default comparison: each element within 1e-5, absolute or relative",
        floor=_NO_FLOOR,
        sources=(POLYGRAPHY,),
        rules=(
            _rule("max_mixed_error", Comparison.AT_MOST, 1e-5, _POLYGRAPHY),
            _rule("nonfinite_elements", Comparison.AT_MOST, 0.0, why("why-polygraphy-finite")),
        ),
    ),
    _mlperf("99", 0.99),
    _mlperf("99.9", 0.999),
)

PROFILES: dict[str, CriteriaProfile] = {profile.name: profile for profile in _DECLARED}
"""Every profile by its name, the default first."""
