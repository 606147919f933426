"""The pages of a detector that was trained for a few steps: everything found, lost or not measured is on them."""

from __future__ import annotations

import pytest

import samples
from npu_deliver.report.render import render
from npu_deliver.review.numerals import allowed_numbers, stray_numerals
from npu_deliver.summary import summarize
from npu_deliver.words import LANGUAGES
from npu_eval.agreement.detections import CAUSES
from npu_eval.asked.profiles import default_criteria
from npu_eval.asked.spec import TrainingProtocol
from npu_eval.experiments.training.data import LossPoint

NOTHING = {"reference_count": 0, "candidate_count": 0, "pairs": (), "lone": ()}


def summary_of(*comparisons, losses=()):
    task = "instance-segmentation"
    spec = samples.eval_spec(task=task, training=TrainingProtocol(), criteria=default_criteria(task, training=True))
    precision = samples.precision_data(rankings=(), detections=comparisons)
    training = samples.training_data(losses=(*samples.training_data().losses, *losses))
    records = samples.records(spec) | {
        "precision": samples.precision_record(spec=spec, data=precision),
        "training": samples.training_record(spec=spec, data=training),
    }
    return summarize(samples.spec_file(evaluation=spec), records)


def page_of(summary, lang):
    text = render(summary, lang=lang)["readme.md"]
    strays = list(stray_numerals(text, "readme.md", allowed_numbers(summary), summary.layout))
    assert not strays
    return text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pairs_lone_detections_losses_and_gradients_have_a_row_each(lang):
    text = page_of(summary_of(samples.detections(), samples.detections("inputs/flower.jpg")), lang)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert sum("| 2 | 3 | 2 | 0 | 1 | 1 | 1.000000 | 0.984375 | 0.968750 |" in row for row in rows) == 2
    assert sum("| candidate | dog | 0.2266 |" in row for row in rows) == 2
    assert "| 1 | loss_mask | 7.500e-01 | 7.502e-01 | 2.441e-04 |" in rows
    assert "| backbone | 53 | 2.000e+00 | 2.000e+00 | 4.883e-04 |" in rows
    assert "training_chart.png" in text


@pytest.mark.parametrize(("lang", "words"), [("zh", "两侧均未检出任何目标"), ("en", "Neither side detected anything")])
def test_where_nothing_was_found_that_is_said_and_no_verdict_passes(lang, words):
    summary = summary_of(samples.detections(**NOTHING))
    assert words in page_of(summary, lang)
    status = {v.criterion: v.status for v in summary.verdicts}
    assert {status[f"detection-{what}"] for what in ("match", "box", "score", "mask")} == {"NOT_MEASURED"}


@pytest.mark.parametrize(("lang", "words"), [("zh", "所有检出的目标均已配对"), ("en", "Every detection has a partner")])
def test_where_all_are_paired_that_is_said(lang, words):
    assert words in page_of(summary_of(samples.detections(candidate_count=2, lone=())), lang)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_can_be_told(lang, cause):
    page_of(summary_of(samples.detections(lone=(samples.lone_detection(cause=cause),))), lang)


@pytest.mark.parametrize(("lang", "words"), [("zh", "非有限值"), ("en", "not finite")])
def test_a_loss_that_is_not_finite_is_told(lang, words):
    bad = LossPoint(step=2, name="loss_bad", reference=1.0, candidate=None)
    text = page_of(summary_of(samples.detections(), losses=(bad,)), lang)
    assert f"| 2 | loss_bad | 1.000e+00 | {words} | — |" in text
