"""What every engine does, whatever carries its steps out: the same calls, the same files, nothing left running."""

import shutil
import textwrap
from dataclasses import replace

import pytest

import deliverables
from deliverables import FakeEngine, job_of, make_record, write_model
from npu_deliver import plan
from npu_deliver.environment.engine import LocalEngine, ReplayEngine
from npu_deliver.experiments.registry import read_record
from npu_deliver.staging import stage
from npu_eval.asked.spec import read_spec_file
from npu_eval.records.log import exit_code, log_text, verdicts_of
from npu_eval.records.record import record_text
from npu_eval.weights.fetch import fetch

SCRIPT = """
    import pathlib, shutil, sys
    for line in pathlib.Path("recorded/log").read_text(encoding="utf-8").splitlines():
        print(line)
    for name in sys.argv[1:]:
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("recorded/log", sys.argv[1])
    shutil.copy("recorded/record", sys.argv[2])
"""


@pytest.fixture
def staged(tmp_path):
    write_model(tmp_path)
    job = job_of(tmp_path)
    weights = fetch("tiny.pth", sha256=None, base=job.folder, say=print)
    folder = stage.stage(job, deliverables.IMAGE, weights).folder
    return folder, plan.plan(job.spec, deliverables.IMAGE, weights=weights.path)[1]


def local(folder, step):
    """The local engine with a script that leaves a record as the real one does."""
    spec_file = read_spec_file(folder / "spec.json")
    spec, record = spec_file.evaluation, make_record(step, folder, spec_file)
    (folder / "recorded").mkdir()
    (folder / "recorded/log").write_text(log_text(record, spec.criteria), encoding="utf-8")
    (folder / "recorded/record").write_text(record_text(record), encoding="utf-8")
    return LocalEngine(deliverables.IMAGE), replace(
        step, command=("python", "-c", textwrap.dedent(SCRIPT), step.log, step.record)
    )


def replay(folder, step):
    source = folder.parent / "source"
    shutil.copytree(folder, source)
    FakeEngine().run(step, source, str)
    return ReplayEngine(source, read_record), step


def fake(folder, step):
    return FakeEngine(), step


@pytest.fixture(params=[local, replay, fake], ids=lambda maker: maker.__name__)
def engine_and_step(request, staged):
    return request.param(*staged)


def test_a_step_leaves_its_record_and_its_log_and_tells_it(staged, engine_and_step):
    folder, _ = staged
    engine, step = engine_and_step
    told: list[str] = []
    with engine as running:
        assert running is engine
        code = engine.run(step, folder, told.append)
    spec = read_spec_file(folder / "spec.json").evaluation
    record = read_record(folder / step.record, spec_sha256=spec.sha256)
    text = log_text(record, spec.criteria)
    assert (folder / step.log).read_text(encoding="utf-8") == text
    assert told == text.splitlines()
    assert code == exit_code(record, verdicts_of(record, spec.criteria)) == 0


def test_a_step_can_be_run_again(staged, engine_and_step):
    folder, _ = staged
    engine, step = engine_and_step
    with engine:
        engine.run(step, folder, str)
        first = read_record(folder / step.record)
        engine.run(step, folder, str)
    assert read_record(folder / step.record).data == first.data


def test_an_engine_may_be_left_before_it_ran_anything(engine_and_step):
    engine, _ = engine_and_step
    with engine:
        pass
    assert engine.name in ("local", "replay", "fake")


def test_an_error_inside_passes_through(engine_and_step):
    engine, _ = engine_and_step
    with pytest.raises(KeyboardInterrupt), engine:
        raise KeyboardInterrupt
