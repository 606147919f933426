"""Finished records under other criteria: labelled as after the fact, and never a change in the folder."""

import json
import shutil

import pytest

import deliverables
import samples
from npu_deliver.errors import ConfigError, RecordError
from npu_deliver.review.rejudging import AFTER, BEFORE, rejudge
from npu_eval.asked.criteria import NO_FALLBACK
from npu_eval.asked.profiles import PROFILES, criteria_of
from npu_eval.records.record import write_record
from npu_eval.records.verdict import Status


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A deliverable of a classifier, judged by contest-1pct before its run."""
    root = tmp_path_factory.mktemp("models")
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    deliverables.make(job)
    return job.output


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_judges_a_finished_folder_and_changes_nothing(finished, profile):
    before = deliverables.tree(finished)
    found = rejudge(finished, profile)
    assert deliverables.tree(finished) == before
    assert [v.criterion for v in found.verdicts] == [
        c.id for c in (*criteria_of(profile, "classification"), NO_FALLBACK)
    ]
    assert found.fixed_profile == "contest-1pct"
    assert found.contradictions == 0


def test_what_was_fixed_before_the_run_is_not_called_after_the_fact(finished):
    assert rejudge(finished, "contest-1pct").label == BEFORE
    assert rejudge(finished, "cann-fp32").label == AFTER


def test_an_error_that_the_contest_allows_is_too_much_for_others(finished):
    values = (1.0, -2.0, 3.0, 0.5)
    records = finished.parent / "records"
    shutil.rmtree(records, ignore_errors=True)
    off = samples.difference(values, [v * 1.004 for v in values])
    write_record(records / "precision.json", samples.precision_record(data=samples.precision_data(differences=(off,))))
    assert {v.metric: v.status for v in rejudge(records, "contest-1pct").verdicts}["relative_l2"] is Status.PASS
    assert rejudge(records, "cann-bf16").overall is Status.PASS
    assert rejudge(records, "cann-fp32").overall is Status.FAIL
    assert rejudge(records, "msprobe-l2").overall is Status.FAIL


def test_what_an_older_record_did_not_store_is_not_measured(tmp_path):
    old = samples.precision_data(differences=(samples.difference(elements=None),), floors=())
    write_record(tmp_path / "precision.json", samples.precision_record(data=old))
    found = rejudge(tmp_path, "msprobe-l0")
    reasons = {v.metric: str(v.reason) for v in found.verdicts if v.status is Status.NOT_MEASURED}
    assert "no error of float32 itself" in reasons["dual_rmse_ratio"]
    assert rejudge(tmp_path, "polygraphy-default").verdicts[0].reason.code == "not-stored"
    assert found.overall is Status.NOT_MEASURED


def test_records_alone_tell_their_task(tmp_path):
    write_record(tmp_path / "precision.json", samples.precision_record())
    found = rejudge(tmp_path, "contest-1pct")
    assert found.after_the_fact
    assert found.fixed_profile is None
    assert found.contradictions is None
    assert "top1_agreement" in {v.metric for v in found.verdicts}
    detector = samples.precision_data(detections=(samples.detections(),), rankings=())
    write_record(tmp_path / "precision.json", samples.precision_record(data=detector))
    assert "detection_box_iou" in {v.metric for v in rejudge(tmp_path, "contest-1pct").verdicts}


def test_a_folder_that_contradicts_itself_is_judged_and_said(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "changed")
    deliverables.change_file(tmp_path / "changed/readme.md", "Tiny", "Huge")
    assert rejudge(tmp_path / "changed", "cann-fp32").contradictions


def test_what_cannot_be_judged_is_refused(finished, tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        rejudge(tmp_path / "none", "cann-fp32")
    with pytest.raises(ConfigError, match="no criteria profile 'cann'"):
        rejudge(finished, "cann")
    with pytest.raises(RecordError, match="holds no record"):
        rejudge(tmp_path, "cann-fp32")
    write_record(tmp_path / "precision.json", samples.precision_record())
    other = samples.eval_spec(seed=1)
    write_record(tmp_path / "performance.json", samples.performance_record(spec=other))
    with pytest.raises(RecordError, match="another spec than the others"):
        rejudge(tmp_path, "cann-fp32")
    (tmp_path / "precision.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(RecordError, match="schema 'other'"):
        rejudge(tmp_path, "cann-fp32")
