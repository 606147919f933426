"""A data set on its way along the line: planned when it is named, kept while it is the same, checked like the rest."""

import pytest

import deliverables
from deliverables import FakeEngine, job_of, write_model
from npu_deliver import execute, pipeline, plan
from npu_deliver.errors import SpecError
from npu_deliver.experiments.registry import read_record
from npu_deliver.review import verify
from npu_deliver.seal import manifest
from npu_deliver.staging import stage
from npu_eval.weights.fetch import fetch

ALL = ["inference", "precision", "performance"]
RESULTS = "evaluation/results/dataset.jsonl"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "imagenet"
    folder.mkdir(parents=True)
    (folder / "labels.csv").write_text("file,label\na.png,1\n", encoding="utf-8")
    write_model(tmp_path)
    return folder


def run(root, **overrides):
    """(what ran, the folder) of a run; ``overrides`` are those of the command line."""
    job = job_of(root, **overrides)
    weights = fetch("tiny.pth", sha256=None, base=job.folder, say=print)
    staged = stage.stage(job, deliverables.IMAGE, weights)
    steps = plan.plan(job.spec, deliverables.IMAGE, weights=weights.path)
    engine = FakeEngine()
    execute.execute(steps, engine, staged, consoles=job.work / "console", earlier=None)
    return engine.ran, staged.folder


def test_a_data_set_is_a_step_more_and_costs_no_other_step_again(tmp_path, data):
    assert run(tmp_path)[0] == ALL
    assert run(tmp_path, data=data)[0] == ["dataset"]
    assert run(tmp_path, data=data)[0] == []


def test_another_limit_data_set_or_label_is_another_result(tmp_path, data):
    run(tmp_path, data=data)
    assert run(tmp_path, data=data, limit=5)[0] == ["dataset"]
    (data / "labels.csv").write_text("file,label\na.png,2\n", encoding="utf-8")
    assert run(tmp_path, data=data, limit=5)[0] == ["dataset"]
    other = data.rename(data.with_name("other"))
    assert run(tmp_path, data=other, limit=5)[0] == ["dataset"]


def test_results_that_are_not_the_records_are_made_again(tmp_path, data):
    _, folder = run(tmp_path, data=data)
    (folder / RESULTS).write_text("other results\n", encoding="utf-8")
    assert run(tmp_path, data=data)[0] == ["dataset"]


def test_what_is_not_asked_for_any_more_is_gone(tmp_path, data):
    _, folder = run(tmp_path, data=data)
    assert (folder / RESULTS).is_file()
    assert run(tmp_path)[0] == []
    assert not [p.name for p in folder.rglob("*dataset*") if "evaluation" in p.parts and p.suffix != ".py"]


def test_a_data_set_that_is_not_there_is_told_before_anything_runs(tmp_path, data):
    with pytest.raises(SpecError, match="no such folder"):
        run(tmp_path, data=tmp_path / "nowhere")
    deliverables.write_model(tmp_path, dataset={"path": str(data), "against": "other.jsonl"})
    with pytest.raises(SpecError, match="no such results"):
        run(tmp_path)


@pytest.fixture
def finished(tmp_path, data, monkeypatch):
    monkeypatch.setattr(pipeline.figures, "draw", deliverables.blank_pictures)
    job = job_of(tmp_path, data=data)
    with deliverables.engine_in_place(FakeEngine()):
        pipeline.deliver(job, deliverables.OPTIONS)
    return job.output


def test_the_finished_folder_holds_together(finished):
    assert verify.verify(finished).findings == ()
    assert "95.00 %" in (finished / "readme.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (lambda folder: (folder / RESULTS).unlink(), RESULTS),
        (lambda folder: (folder / RESULTS).write_text("better results\n", encoding="utf-8"), RESULTS),
        (lambda folder: deliverables.change_file(folder / "readme.md", "95.00 %", "96.00 %"), "readme.md"),
        (lambda folder: (folder / "evaluation/records/dataset.json").unlink(), "summary.json"),
    ],
)
def test_a_change_is_found_although_resealed(finished, change, file):
    change(finished)
    manifest.seal(finished)
    assert file in {finding.file for finding in verify.verify(finished).findings}


def test_a_replay_has_the_results_too(tmp_path, finished, data):
    from npu_deliver.environment.engine import ReplayEngine

    job = job_of(tmp_path, data=data)
    weights = fetch("tiny.pth", sha256=None, base=job.folder, say=print)
    staged = stage.stage(job, deliverables.IMAGE, weights)
    steps = plan.plan(job.spec, deliverables.IMAGE, weights=weights.path)
    with ReplayEngine(finished, read_record) as engine:
        found = execute.execute(steps, engine, staged, consoles=job.work / "console", earlier=None)
    assert found.records["dataset"].provenance.replayed_from is not None
    assert (staged.folder / RESULTS).read_bytes() == (finished / RESULTS).read_bytes()
