"""Faults planted into real networks, one background each; `benchmarks/localisation.py` runs them all on all."""

from __future__ import annotations

import itertools

import pytest

from faults import BACKGROUNDS, SUBJECTS, Case, Subject
from npu_eval.locate import locate

pytest.importorskip("timm")

CASES = [
    pytest.param(subject, case, background, id=f"{subject.name}-{case.fault}-{background}")
    for subject in SUBJECTS
    for case, background in zip(subject.cases, itertools.cycle(BACKGROUNDS), strict=False)
]


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "case", "background"), CASES)
def test_the_faulty_operator_is_found_and_no_other(subject: Subject, case: Case, background: str) -> None:
    context, cause = BACKGROUNDS[background]
    model = subject.model()
    findings = locate(model, case.candidate(model), subject.inputs(), candidate_context=context)
    assert {(f.module, f.operator) for f in findings if f.cause == "fault"} == {(case.module, case.operator)}
    assert {f.cause for f in findings} <= {"ok", "fault", cause, "not-comparable"}


@pytest.mark.slow
@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_a_background_alone_raises_no_alarm_and_is_named(subject: Subject, background: str) -> None:
    context, cause = BACKGROUNDS[background]
    findings = locate(subject.model(), subject.model(), subject.inputs(), candidate_context=context)
    assert {f.cause for f in findings} == {"ok", cause}
