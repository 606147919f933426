"""`npu-deliver judge` prints when its criteria were chosen, in text and in JSON."""

import json
import sys

import pytest

import deliverables
from npu_deliver import cli
from npu_deliver.report import figures


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "draw", deliverables.blank_pictures)
    deliverables.write_model(tmp_path)
    job = deliverables.job_of(tmp_path)
    deliverables.make(job)
    return job.output


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["npu-deliver", "judge", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


def test_the_table_says_that_the_criteria_came_after(folder, monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, folder, "--criteria", "cann-hf32")
    assert code == 0
    lines = out.splitlines()
    assert (
        lines[1]
        == "! after the fact: these criteria were chosen when the numbers were known; the folder is not changed"
    )
    assert lines[2] == "  fixed before the run: contest-1pct"
    assert lines[3].startswith(
        "PASS         mean-relative-error      mean_relative_error < 0.000488281: worst 1e-07 of"
    )
    assert lines[-1].startswith("PASS under cann-hf32, after the fact")


def test_what_is_not_measured_is_no_pass(folder, monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, folder, "--criteria", "mlperf-99")
    assert code == 1
    assert "NOT_MEASURED task-metric-ratio        task_metric_ratio >= 0.99: there is no dataset record" in out


def test_json_is_one_document_with_the_label(folder, monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, folder, "--criteria", "polygraphy-default", "--json")
    found = json.loads(out)
    assert code == (0 if found["overall"] == "PASS" else 1)
    assert found["after_the_fact"] is True
    assert found["label"].startswith("after the fact")
    assert [v["metric"] for v in found["verdicts"]][:2] == ["max_mixed_error", "nonfinite_elements"]


def test_a_wrong_profile_is_one_line(folder, monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, folder, "--criteria", "cann-fp23")
    assert (code, out) == (2, "")
    assert "there is no criteria profile 'cann-fp23'; did you mean 'cann-fp32'" in err
