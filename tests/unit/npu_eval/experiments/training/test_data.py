"""Errors of losses and gradients, and what a training record may say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import samples
from npu_deliver.experiments.registry import parse_record
from npu_eval.errors import RecordError
from npu_eval.experiments.training.data import GradientDifference, LossPoint, gradient_agreement, loss_agreement
from npu_eval.records.record import record_text
from npu_eval.records.verdict import Status, judge


@pytest.mark.parametrize(
    ("reference", "candidate", "error"),
    [(2.0, 2.5, 0.25), (-2.0, -2.5, 0.25), (0.0, 0.0, 0.0), (0.0, 1e-9, 1.0), (None, 1.0, None), (1.0, None, None)],
)
def test_the_error_of_a_loss_is_relative_to_the_reference(
    reference: float | None, candidate: float | None, error: float | None
) -> None:
    point = LossPoint(step=1, name="loss", reference=reference, candidate=candidate)
    assert loss_agreement(point).relative_error == error


def test_the_error_of_gradients_is_that_of_the_whole_part() -> None:
    part = GradientDifference(part="head", tensors=2, elements=9, nonfinite=0, sum_sq_reference=16.0,
                              sum_sq_candidate=9.0, sum_sq_diff=4.0)  # fmt: skip
    found = gradient_agreement(part)
    assert (found.reference_norm, found.candidate_norm, found.relative_l2) == (4.0, 3.0, 0.5)
    assert gradient_agreement(replace(part, nonfinite=1)).relative_l2 is None
    assert gradient_agreement(replace(part, sum_sq_reference=0.0)).relative_l2 == 1.0


def test_a_loss_that_is_not_finite_is_not_measured_and_no_pass() -> None:
    losses = (*samples.training_data().losses, LossPoint(step=2, name="bad", reference=1.0, candidate=None))
    record = samples.training_record(data=samples.training_data(losses=losses))
    verdict = judge(record, samples.criterion("loss_error"))
    assert verdict.status is Status.NOT_MEASURED
    assert f"{verdict.evidence}: {verdict.reason}" == "step 2, bad: not finite"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"steps": 0}, "at least 1"),
        ({"losses": ()}, "there is a loss"),
        ({"steps": 1}, "a step that does not exist"),
        ({"gradients": (replace(samples.training_data().gradients[0], sum_sq_diff=-1.0),)}, "negative"),
    ],
)
def test_what_no_run_writes_is_refused(changes: dict[str, Any], what: str) -> None:
    text = record_text(samples.training_record(data=samples.training_data(**changes)))
    with pytest.raises(RecordError, match=rf"^r\.json: data.*{what}"):
        parse_record(text, "r.json")
