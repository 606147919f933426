"""The cross checks on whole folders: silent on honest ones, and heard through `verify` on those that were made anew."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import deliverables
import samples
from deliverables import FakeEngine, make, tree
from npu_deliver import cli
from npu_deliver.experiments.registry import asked
from npu_deliver.review import verify
from npu_deliver.review.plausibility import checks as plausibility
from npu_deliver.review.plausibility.checks import Weighed


def forged(tmp_path, change, **model):
    """A folder whose records were changed before anything else was derived: consistent by construction."""
    deliverables.write_model(tmp_path, **model)
    job = deliverables.job_of(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "weigh", lambda folder, now=None: Weighed())
        make(job, FakeEngine(change=change))
    return job.output


def backwards(record):
    return replace(record, started_at=record.finished_at, finished_at=record.started_at)


def test_honest_folders_are_silent(original, original_on_cpu):
    for job in (original, original_on_cpu):
        assert plausibility.weigh(job.output) == Weighed()
        assert verify.verify(job.output).doubts == ()


def test_a_contradiction_is_one_of_verify_and_names_the_record(tmp_path):
    folder = forged(tmp_path, lambda record: backwards(record) if record.kind == "inference" else record)
    found = verify.verify(folder)
    assert {finding.file for finding in found.findings} == {"evaluation/records/inference.json"}
    assert not found.holds
    result = CliRunner().invoke(cli.app, ["verify", str(folder)])
    assert result.exit_code == 8
    assert "before it started" in result.output


def test_a_contradiction_is_one_whatever_version_made_the_folder(tmp_path):
    with deliverables.another_version():
        folder = forged(tmp_path, lambda record: backwards(record) if record.kind == "inference" else record)
    assert any("before it started" in finding.what for finding in verify.verify(folder).findings)


def test_a_doubt_is_told_and_fails_nothing(original, monkeypatch):
    weighed = plausibility.weigh
    early = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    monkeypatch.setattr(verify, "weigh", lambda folder: weighed(folder, early))
    result = CliRunner().invoke(cli.app, ["verify", str(original.output)])
    assert result.exit_code == 0
    assert "? hard to believe: evaluation/ledger.jsonl: its last line is at" in result.output
    assert "holds together; 4 doubts; " in result.output
    told = json.loads(CliRunner().invoke(cli.app, ["verify", "--json", str(original.output)]).output)
    assert told["holds"] is True
    assert len(told["doubts"]) == 4
    assert set(told["doubts"][0]) == {"file", "what"}


@pytest.mark.parametrize("name", ["spec.json", "evaluation/ledger.jsonl", *(
    f"evaluation/records/{kind}.json" for kind in asked(samples.eval_spec()))])  # fmt: skip
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[]"])
def test_what_cannot_be_read_is_left_to_others(original, tmp_path, name, content):
    folder = shutil.copytree(original.output, tmp_path / "folder")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    before = tree(folder)
    assert plausibility.weigh(folder).doubts == ()
    assert tree(folder) == before


def test_lists_that_do_not_fit_together_are_a_contradiction_and_no_crash(folder):
    path = folder / "evaluation/records/precision.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["data"]["rankings"][0]["candidate_classes"] *= 2
    path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert any("holds what no measurement gives" in each.what for each in plausibility.weigh(folder).contradictions)
