"""The line: a finished folder is replaced by a better one or stays as it is, whatever goes wrong in between."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

import deliverables
import samples
from deliverables import FakeEngine, engine_in_place, job_of, leave_record, make, tree, write_model
from npu_deliver import execute, pipeline
from npu_deliver.environment.engine import ReplayEngine
from npu_deliver.environment.image import replayed_image
from npu_deliver.errors import ConfigError, RecordError, RenderError, StepError, VerifyError
from npu_deliver.experiments.registry import read_record
from npu_deliver.plan import with_server
from npu_deliver.report import figures, render
from npu_deliver.review import verify
from npu_deliver.seal import manifest
from npu_deliver.seal.manifest import STATEMENT
from npu_deliver.staging import stage
from npu_eval import jsonio


@pytest.fixture
def job(tmp_path):
    write_model(tmp_path)
    return job_of(tmp_path)


@pytest.fixture
def finished(job):
    make(job)
    return job, tree(job.output)


def test_a_deliverable_is_made_sealed_and_verified(job):
    summary = make(job)
    assert str(summary.overall) == "PASS"
    assert verify.verify(job.output).holds
    assert not job.work.exists()
    assert sorted(p.name for p in job.output.parent.iterdir()) == [
        ".npu_deliverables.ledgers", ".npu_deliverables.lock", "adapter.py",
        "npu_deliverables", "photos", "spec.yaml", "tiny.pth"]  # fmt: skip


def test_no_path_of_this_machine_is_in_it(job, tmp_path):
    make(job)
    for name, data in tree(job.output).items():
        assert str(tmp_path).encode() not in data, name
        assert str(Path.home()).encode() + b"/" not in data, name


def test_making_it_again_runs_nothing_and_changes_nothing(finished):
    job, before = finished
    engine = FakeEngine()
    make(job, engine)
    assert engine.ran == []
    assert tree(job.output) == before


def test_a_fresh_run_runs_everything(finished):
    job, _ = finished
    engine = FakeEngine()
    make(job, engine, fresh=True)
    assert engine.ran == ["inference", "precision", "performance"]


def test_the_language_can_be_changed_without_a_run(finished):
    job, before = finished
    summary = pipeline_report(job, "en")
    assert "## 1. Conclusion" in (job.output / "readme.md").read_text(encoding="utf-8")
    after = tree(job.output)
    assert {name for name in before if before[name] != after[name]} == {
        "readme.md",
        "OPTIMIZATION_RECORD.md",
        "MANIFEST.json",
        STATEMENT,
    }
    assert str(summary.overall) == "PASS"


def test_a_server_is_added_without_running_anything_anew_and_verified(job):
    make(job)
    assert not (job.output / "deploy.sh").exists()
    engine = FakeEngine()
    assert make(with_server(job), engine).serve
    assert engine.ran == []
    assert os.access(job.output / "deploy.sh", os.X_OK)
    assert verify.verify(job.output).holds
    for page in ("MODEL_PATH=/path/to/weights bash deploy.sh", "curl --data-binary @photo.jpg"):
        assert page in (job.output / "readme.md").read_text(encoding="utf-8")
    (job.output / "deploy.sh").unlink()
    deliverables.reseal(job.output)
    assert [str(finding) for finding in verify.verify(job.output).findings] == ["deploy.sh: is missing"]


def pipeline_report(job, lang="zh"):
    with mock.patch.object(figures, "draw", deliverables.blank_pictures):
        return pipeline.report(job, lang)


# --- run and report --------------------------------------------------------------------------------------------------


def test_run_leaves_the_records_for_report(job):
    with engine_in_place(FakeEngine()):
        execution = pipeline.run(job, deliverables.OPTIONS)
    assert sorted(execution.records) == ["inference", "performance", "precision"]
    assert not job.output.exists()
    pipeline_report(job)
    assert verify.verify(job.output).holds
    assert not job.work.exists()


def test_report_without_a_record_says_what_to_do(job):
    with pytest.raises(RecordError, match="tiny: there is no record yet; run `npu-deliver run tiny` first") as told:
        pipeline_report(job)
    assert told.value.exit_code == 9


def test_report_on_half_a_run_says_what_is_missing(job):
    with engine_in_place(FakeEngine(instead={"performance": lambda *_: 70})), pytest.raises(StepError):
        pipeline.run(job, deliverables.OPTIONS)
    with pytest.raises(VerifyError, match=r"evaluation/records/performance\.json: is missing"):
        pipeline_report(job)
    assert not job.output.exists()


def test_report_on_a_spoilt_folder_leaves_it(finished):
    job, _ = finished
    path = job.output / "evaluation/records/precision.json"
    deliverables.change_file(
        path, '"seed"' if '"seed"' in path.read_text(encoding="utf-8") else '"count": ', '"kount": '
    )
    before = tree(job.output)
    with pytest.raises(RecordError):
        pipeline_report(job)
    assert tree(job.output) == before


def test_report_works_where_nothing_can_run(finished, monkeypatch):
    """Neither an interpreter nor an engine nor a weights file is asked for."""
    job, before = finished
    for name in ("prepare_environment", "build", "fetch_weights"):
        monkeypatch.setattr(pipeline, name, lambda *_: pytest.fail("was called"))
    (job.folder / "tiny.pth").unlink()
    pipeline_report(job)
    assert tree(job.output) == before


# --- replay ----------------------------------------------------------------------------------------------------------


def test_a_replayed_deliverable_is_stamped_and_holds(finished, tmp_path):
    job, _ = finished
    other = replace(job, output=tmp_path / "replayed")
    summary = make(other, ReplayEngine(job.output, read_record), replay=job.output)
    assert summary.stamps == ("replayed",)
    assert summary.hardware is None
    assert verify.verify(other.output).holds
    text = (other.output / "readme.md").read_text(encoding="utf-8")
    assert "hardware: NPU" not in text
    assert "\u56de\u653e" in text


def test_what_replay_needs_is_in_the_deliverable(finished):
    job, _ = finished
    where = pipeline.prepare_environment(job, replace(deliverables.OPTIONS, replay=job.output))
    assert where.image == replayed_image(job.output, read_record)
    assert where.engine.name == "replay"


# --- failures leave the finished folder ------------------------------------------------------------------------------


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device", "/some/file")


def measured(files):
    """What tells neither how many runs there were, as the failed one is told of, nor when they were."""
    telling = {verify.LEDGER, "summary.json", "MANIFEST.json", STATEMENT, "readme.md",
               f"{figures.FOLDER}/precision_chart.png"}  # fmt: skip
    kept = {name: data for name, data in files.items() if name not in telling and figures.FOLDER not in name}
    return {name: re.sub(rb"[0-9a-f]{12,64}|[0-9-]{10}T[0-9:+]{14}", b"", data) for name, data in kept.items()}


def contradicts(folder):
    raise VerifyError("is missing", where="readme.md")


@pytest.mark.parametrize(
    ("module", "name", "broken", "error"),
    [
        (stage, "stage", lambda *_: (_ for _ in ()).throw(ConfigError("no")), ConfigError),
        (execute, "execute", lambda *_, **__: (_ for _ in ()).throw(StepError("no")), StepError),
        (render, "render", lambda *_, **__: (_ for _ in ()).throw(RenderError("no")), RenderError),
        (manifest, "seal", full, OSError),
        (verify, "require", contradicts, VerifyError),
        (pipeline, "summarize", lambda *_: (_ for _ in ()).throw(RecordError("no")), RecordError),
        (pipeline, "publish", full, OSError),
    ],
)
def test_a_run_that_fails_anywhere_leaves_the_finished_folder(finished, monkeypatch, module, name, broken, error):
    job, before = finished
    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(error):
            make(job, fresh=True)
    assert tree(job.output) == before
    assert verify.verify(job.output).holds
    make(job)
    assert measured(tree(job.output)) == measured(before)


@pytest.mark.parametrize("experiment", ["inference", "precision", "performance"])
def test_a_step_that_fails_leaves_the_finished_folder(finished, experiment):
    job, before = finished
    engine = FakeEngine(instead={experiment: lambda *_: -9})
    with pytest.raises(StepError):
        make(job, engine, fresh=True)
    assert tree(job.output) == before
    again = FakeEngine()
    make(job, again)
    assert measured(tree(job.output)) == measured(before)


def test_what_a_compiler_of_operators_leaves_where_a_script_started_is_no_part(job):
    def compiling(step, folder, tell):
        (folder / "kernel_meta/kernel_meta_17").mkdir(parents=True)
        for name in ("kernel_meta/kernel_meta_17/conv2d.json", "kernel_meta/buildPidInfo.json", "fusion_result.json"):
            (folder / name).write_text("{}", encoding="utf-8")
        return leave_record(step, folder, tell)

    make(job, FakeEngine(instead={"precision": compiling}))
    assert verify.verify(job.output).holds
    assert not [path for path in job.output.rglob("*") if "kernel_meta" in path.name or "fusion" in path.name]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_a_full_disk_loses_nothing(finished, monkeypatch, share):
    """The disk fills somewhere in a run; the finished folder stays, and with room the next run succeeds."""
    job, before = finished
    written, room = [], [10**6]

    def fsync(handle):
        written.append(handle)
        if len(written) > room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(jsonio.os, "fsync", fsync)
        make(job, fresh=True)
        before = tree(job.output)
        room[0] = int(share * (len(written) - 1))
        written.clear()
        with pytest.raises(OSError, match="No space left"):
            make(job, fresh=True)
    assert tree(job.output) == before
    assert not list(job.output.parent.rglob(f"{jsonio.TEMPORARY_PREFIX}*"))
    make(job)
    assert measured(tree(job.output)) == measured(before)


def test_a_bad_verdict_is_published_all_the_same(job):
    wrong = samples.precision_data(
        ["inputs/cat.png"],
        differences=(samples.difference((1.0,), (2.0,), input="inputs/cat.png"),),
        repeats=(samples.difference((2.0,), (2.0,), input="inputs/cat.png"),),
    )
    summary = make(job, FakeEngine(change=lambda r: replace(r, data=wrong) if r.kind == "precision" else r))
    assert str(summary.overall) == "FAIL"
    assert verify.verify(job.output).holds


def test_an_mended_model_replaces_its_folder(finished):
    job, before = finished
    (job.folder / "adapter.py").write_text("# mended\n", encoding="utf-8")
    engine = FakeEngine()
    make(job, engine)
    assert engine.ran == ["inference", "precision", "performance"]
    assert tree(job.output) != before
    assert verify.verify(job.output).holds


# --- killed in the middle --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [1, 2])
def test_a_kill_between_the_renames_is_mended_by_the_next_run(finished, monkeypatch, kill):
    """Where folders cannot be exchanged, publishing is two renames; after each of them the next run finds its way."""
    job, before = finished
    real, renames = Path.rename, []

    def rename(self, target):
        done = real(self, target)
        renames.append(self)
        if len(renames) == kill:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(pipeline, "exchange", lambda one, other: False)
        with pytest.raises(KeyboardInterrupt):
            make(job)
    assert job.output.exists() == (kill == 2)
    engine = FakeEngine()
    make(job, engine)
    assert engine.ran == []
    assert tree(job.output) == before
    assert not job.work.exists()


def test_after_a_kill_between_the_renames_report_still_finds_the_folder(finished):
    job, before = finished
    job.work.mkdir()
    job.output.rename(job.work / "previous")
    pipeline_report(job)
    assert tree(job.output) == before


def test_a_killed_run_is_gone_on_with(job):
    """The process is killed in the second step, for real; the first is not run again."""
    script = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
import deliverables
from pathlib import Path
def die(step, folder, tell):
    (folder / "evaluation/records/.partial-x").touch()
    os.kill(os.getpid(), signal.SIGKILL)
job = deliverables.job_of(Path({str(job.folder.parent)!r}))
deliverables.make(job, deliverables.FakeEngine(instead={{"precision": die}}))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not job.output.exists()
    engine = FakeEngine()
    make(job, engine)
    assert engine.ran == ["precision", "performance"]
    runs = json.loads((job.output / "summary.json").read_text(encoding="utf-8"))["runs"]
    assert (runs["started"], runs["finished"], runs["failed"], runs["reported"]) == (4, 3, 1, 3)
    assert verify.verify(job.output).holds


# --- one at a time, and where --------------------------------------------------------------------------------------


def test_a_second_run_at_the_same_time_is_refused(finished):
    job, before = finished
    with job.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for do in (lambda: make(job), lambda: pipeline_report(job)):
            with pytest.raises(ConfigError, match="another run is making this deliverable; wait for it to end") as told:
                do()
            assert told.value.exit_code == 2
    assert tree(job.output) == before
    make(job)


def test_a_run_inside_a_run_is_refused(job):
    def nested(step, folder, tell):
        with pytest.raises(ConfigError, match="another run is making"):
            make(job)
        return deliverables.leave_record(step, folder, tell)

    make(job, FakeEngine(instead={"precision": nested}))


def test_a_folder_that_cannot_be_made_is_told(job, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file: is no folder"):
        make(replace(job, output=tmp_path / "file/out"))


def test_the_output_may_be_anywhere(job, tmp_path):
    there = replace(job, output=tmp_path / "a/b/out")
    make(there)
    assert verify.verify(there.output).holds
    assert not (job.folder / "npu_deliverables").exists()


def test_somebody_elses_folder_is_not_touched(finished, tmp_path):
    job, before = finished
    write_model(tmp_path, "huge")
    engine = FakeEngine()
    with pytest.raises(ConfigError, match="holds the deliverable of 'tiny'"):
        make(replace(job_of(tmp_path, "huge"), output=job.output), engine)
    assert engine.ran == []
    assert tree(job.output) == before


# --- weights and records ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["random", "default"])
def test_weights_without_a_file_are_not_fetched(tmp_path, source):
    write_model(tmp_path, weights={"source": source})
    assert pipeline.fetch_weights(job_of(tmp_path)) is None


def test_weights_are_found_beside_the_spec(job):
    assert pipeline.fetch_weights(job).path == job.folder / "tiny.pth"


def test_random_weights_are_stamped(tmp_path):
    write_model(tmp_path, real_weights=False)
    job = job_of(tmp_path)
    assert make(job).stamps == ("random-weights",)
    assert verify.verify(job.output).holds


def test_records_are_read_with_their_spec(finished):
    job, _ = finished
    spec_file, records = pipeline.read_records(job.output)
    assert set(records) == {"inference", "precision", "performance"}
    assert {r.spec_sha256 for r in records.values()} == {spec_file.evaluation.sha256}
    (job.output / "evaluation/records/precision.json").unlink()
    assert set(pipeline.read_records(job.output)[1]) == {"inference", "performance"}


def test_pictures_of_an_earlier_layout_go(finished):
    job, _ = finished
    shutil.copytree(job.output, job.work / "npu_deliverables")
    stray = job.work / "npu_deliverables" / figures.FOLDER / "old.png"
    stray.write_bytes(b"")
    pipeline_report(job)
    assert not (job.output / figures.FOLDER / "old.png").exists()
    assert read_record(job.output / "evaluation/records/precision.json")
