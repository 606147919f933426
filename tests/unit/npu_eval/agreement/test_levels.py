"""Both records that give an output a level give it the same one."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.agreement import metrics
from npu_eval.agreement.levels import CAUSES, FORMATS, LEVELS, UNEXPLAINED, level
from npu_eval.asked.criteria import Comparison, Criterion
from npu_eval.experiments.localisation.data import OutputError, output_level
from npu_eval.experiments.precision.levels import levels
from npu_eval.experiments.precision.values import held_outputs

VALUES = (1.0, -2.0, 3.0, 0.5)
BOTH_HOLD = ("relative_l2", "nonfinite_mismatch")
"""Metrics whose values both records hold."""
OTHERS = ("cosine_similarity", "max_abs_diff", "dual_rmse_ratio", "top1_agreement", "repeat_relative_l2")

shares = st.sampled_from([0.0, 1e-9, 1e-7, 3.9e-7, 4.1e-7, 1e-3, 0.0099, 0.0101, 0.5])
causes = st.lists(st.sampled_from(CAUSES), max_size=4)


def criteria(*metrics: str) -> st.SearchStrategy[list[Criterion]]:
    one = st.builds(
        samples.criterion,
        st.sampled_from(metrics),
        st.sampled_from([0.0, 1e-8, 1e-2, 1.0]),
        comparison=st.sampled_from(Comparison),
        outputs=st.sampled_from([("*",), ("logits",), ("features",)]),
    )
    return st.lists(one, max_size=3)


def both(share: float, floor: float, onesided: int, found: list[str], rules: list[Criterion]) -> tuple[str, str]:
    """The level by the precision record and by the localisation record of the same outputs."""
    one = samples.difference(VALUES, [v * (1 + share) for v in VALUES], nonfinite_mismatch=onesided)
    by_itself = samples.difference(VALUES, [v * (1 + floor) for v in VALUES])
    data = samples.precision_data(differences=(one,), floors=(by_itself,))
    (of_precision,) = levels(data, held_outputs(data, rules), found)
    seen = OutputError(
        output=one.output,
        error=metrics.finite_error(one),
        floor=metrics.agreement(by_itself).relative_l2,
        bitwise_equal=one.bitwise_equal,
    )
    operators = [samples.located(i, cause=cause) for i, cause in enumerate(found)]
    return of_precision.level, output_level(seen, operators, rules)


@given(shares, shares, st.sampled_from([0, 0, 0, 2]), causes, criteria(*BOTH_HOLD))
def test_the_two_records_agree(share: float, floor: float, onesided: int, found: list[str], rules: list[Criterion]):
    first, second = both(share, floor, onesided, found, rules)
    assert first == second
    assert first in LEVELS


@given(shares, causes, criteria(*BOTH_HOLD, *OTHERS))
def test_a_record_says_nothing_of_a_criterion_whose_values_it_lacks(
    share: float, found: list[str], rules: list[Criterion]
) -> None:
    first, second = both(share, 1e-9, 0, found, rules)
    if first != second:  # only where the precision record knows more
        assert any(c.metric in OTHERS and c.of_outputs for c in rules)
        assert second != "out"
        assert second != "within-criteria"


@given(shares, criteria(*BOTH_HOLD, *OTHERS))
def test_within_criteria_says_that_there_are_some_and_that_each_holds(share: float, rules: list[Criterion]) -> None:
    one = samples.difference(VALUES, [v * (1 + share) for v in VALUES], bitwise_equal=False)
    data = samples.precision_data(differences=(one,), floors=())
    (found,) = levels(data, held_outputs(data, rules))
    on_it = [c for c in rules if c.of_outputs and c.covers("logits")]
    each = [held_outputs(data, [c])["logits"] for c in on_it]
    assert (found.level == "within-criteria") == (bool(each) and all(each))
    assert (found.level == "out") == (False in each)
    assert held_outputs(data, [dataclasses.replace(c, outputs=("features",)) for c in rules]) == {"logits": None}


def test_every_cause_is_a_format_or_not() -> None:
    assert set(CAUSES) == {"ok", "not-comparable", *FORMATS, *UNEXPLAINED}
    for cause in FORMATS:
        assert level(bitwise=False, errors=[(1e-3, 1e-7)], held=None, causes=["ok", cause]) == f"explained({cause})"
