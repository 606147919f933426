"""Steps run once: what is finished and still valid is kept, anything else is run again, and each failure says why."""

import logging
from dataclasses import replace

import pytest

import deliverables
import samples
from deliverables import FakeEngine, job_of, leave_record, write_model
from npu_deliver import execute, plan
from npu_deliver.errors import AdapterError, ConfigError, DeviceError, RecordError, StepError
from npu_deliver.experiments.registry import read_record
from npu_deliver.staging import stage
from npu_eval.errors import ERROR_MARK
from npu_eval.records.record import write_record
from npu_eval.weights.fetch import fetch

ALL = ["inference", "precision", "performance"]


class Bench:
    """A staged folder with its steps."""

    def __init__(self, root):
        if not (root / "tiny").exists():
            write_model(root)
        self.job = job_of(root)
        weights = fetch("tiny.pth", sha256=None, base=self.job.folder, say=print)
        self.staged = stage.stage(self.job, deliverables.IMAGE, weights)
        self.steps = plan.plan(self.job.spec, deliverables.IMAGE, weights=weights.path)
        self.folder = self.staged.folder
        self.consoles = self.job.work / "console"

    def run(self, engine=None, earlier=None):
        engine = engine or FakeEngine()
        found = execute.execute(self.steps, engine, self.staged, consoles=self.consoles, earlier=earlier)
        assert set(found.records) == set(ALL)
        assert [kind for kind in ALL if kind not in found.kept] == engine.ran
        return found


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_everything_runs_once_and_is_kept_then(bench, caplog):
    caplog.set_level(logging.INFO, "npu_deliver")
    first = bench.run()
    assert first.kept == ()
    assert "[2/3] precision: python evaluation/eval_precision.py --device npu:0 --save evaluation" in caplog.text
    caplog.clear()
    second = bench.run()
    assert second.kept == tuple(ALL)
    assert second.records == first.records
    ended = first.records["precision"].finished_at
    assert f"[2/3] precision: kept from {ended} (same spec, code and environment)" in caplog.text


def test_a_run_goes_on_after_the_last_finished_step(bench):
    broken = FakeEngine(instead={"performance": lambda step, folder, tell: 70})
    with pytest.raises(StepError):
        bench.run(broken)
    assert broken.ran == ALL
    assert bench.run().kept == ("inference", "precision")


def tamper(bench, kind, change):
    path = bench.folder / f"evaluation/records/{kind}.json"
    write_record(path, change(read_record(path)))


@pytest.mark.parametrize(
    ("spoil", "again"),
    [
        (lambda b: (b.folder / "evaluation/records/precision.json").unlink(), ["precision"]),
        (
            lambda b: (b.folder / "evaluation/records/precision.json").write_text(
                '{"schema": "npu-del', encoding="utf-8"
            ),
            ["precision"],
        ),
        (lambda b: (b.folder / "evaluation/records/precision.json").write_bytes(b"\xff"), ["precision"]),
        (lambda b: tamper(b, "precision", lambda r: replace(r, spec_sha256="0" * 64)), ["precision"]),
        (lambda b: tamper(b, "precision", lambda r: replace(r, code_sha256="0" * 64)), ["precision"]),
        (
            lambda b: tamper(b, "precision", lambda r: replace(r, provenance=replace(r.provenance, image="sha256:0"))),
            ["precision"],
        ),
        (lambda b: tamper(b, "precision", lambda r: replace(r, finished_at="later")), ["precision"]),
        (lambda b: (b.folder / "evaluation/logs/performance_eval.log").unlink(), ["performance"]),
        (
            lambda b: deliverables.change_file(b.folder / "evaluation/logs/performance_eval.log", "ms", "s"),
            ["performance"],
        ),
        (lambda b: (b.folder / "evaluation/results/cat.png").unlink(), ["inference"]),
        (lambda b: deliverables.write_photo(b.folder / "evaluation/results/cat.png", (1, 1, 1)), ["inference"]),
    ],
)
def test_what_is_not_whole_is_run_again(bench, spoil, again):
    bench.run()
    spoil(bench)
    engine = FakeEngine()
    bench.run(engine)
    assert engine.ran == again
    assert bench.run().kept == tuple(ALL)


@pytest.mark.parametrize("what", ["spec", "code", "image"])
def test_everything_runs_again_under_another(bench, tmp_path, what, monkeypatch):
    bench.run()
    if what == "spec":
        deliverables.change_file(tmp_path / "tiny/spec.yaml", "device: npu:0", "device: npu:1")
    elif what == "code":
        (tmp_path / "tiny/adapter.py").write_text("# mended\n", encoding="utf-8")
    else:
        monkeypatch.setattr(deliverables, "IMAGE", replace(deliverables.IMAGE, digest="sha256:other"))
    assert Bench(tmp_path).run().kept == ()


def test_everything_runs_again_with_another_file_of_the_same_name(bench):
    """An address without a fixed hash may give another file tomorrow."""
    bench.run()
    bench.staged = replace(bench.staged, weights_sha256="0" * 64)
    broken = FakeEngine()
    with pytest.raises(StepError, match="ended without a valid record"):
        bench.run(broken)
    assert broken.ran == ["inference"]


def test_another_reference_bundle_runs_again_what_compares_with_it(bench, monkeypatch):
    bench.run()
    origin = samples.bundle_origin()
    monkeypatch.setattr(execute, "open_bundle", lambda folder: origin)
    bench.steps = tuple(plan.referring(step, bench.folder) for step in bench.steps)

    def compared(record):
        return replace(record, provenance=replace(record.provenance, reference_bundle=origin))

    with pytest.raises(StepError, match="ended without a valid record"):
        bench.run(FakeEngine())
    engine = FakeEngine(instead={"precision": lambda *step: leave_record(*step, compared)})
    assert bench.run(engine).kept == ("inference", "performance")
    assert bench.run().kept == tuple(ALL)


def test_a_mended_title_runs_nothing_again(bench, tmp_path):
    bench.run()
    deliverables.change_file(tmp_path / "tiny/spec.yaml", "title: Tiny", "title: Tiny 2")
    assert Bench(tmp_path).run().kept == tuple(ALL)


def test_the_records_of_a_finished_folder_are_taken_over(bench, tmp_path):
    bench.run()
    earlier = tmp_path / "earlier"
    bench.folder.rename(earlier)
    again = Bench(tmp_path)
    assert again.run(earlier=earlier).kept == tuple(ALL)
    assert deliverables.tree(again.folder / "evaluation") == deliverables.tree(earlier / "evaluation")


def test_a_finished_folder_that_was_spoilt_is_not_taken_over(bench, tmp_path):
    bench.run()
    earlier = tmp_path / "earlier"
    bench.folder.rename(earlier)
    (earlier / "evaluation/results/cat.png").unlink()
    deliverables.change_file(earlier / "evaluation/logs/precision_eval.log", "1", "2")
    again = Bench(tmp_path)
    assert again.run(earlier=earlier).kept == ("performance",)


def test_an_older_record_never_stands_in_for_a_step_that_failed(bench):
    bench.run()
    tamper(bench, "precision", lambda r: replace(r, spec_sha256="0" * 64))
    with pytest.raises(StepError, match="ended without a valid record"):
        bench.run(FakeEngine(instead={"precision": lambda step, folder, tell: 0}))
    assert not (bench.folder / "evaluation/records/precision.json").exists()


# --- failures --------------------------------------------------------------------------------------------------------


def dies(code, *lines):
    def run(step, folder, tell):
        for line in lines:
            tell(line)
        return code

    return FakeEngine(instead={"precision": run})


@pytest.mark.parametrize(
    ("code", "error"),
    [(2, ConfigError), (4, DeviceError), (5, AdapterError), (9, RecordError), (70, StepError), (3, StepError)],
)
def test_a_script_that_says_why_it_dies_is_believed(bench, code, error):
    engine = dies(code, "device: …", f"{ERROR_MARK}npu:0: there is no NPU; use DEVICE=cpu", "one more line")
    with pytest.raises(error) as told:
        bench.run(engine)
    assert type(told.value) is error
    assert str(told.value) == "precision: npu:0: there is no NPU; use DEVICE=cpu"
    assert engine.ran == ["inference", "precision"]


def test_the_last_reason_counts(bench):
    with pytest.raises(DeviceError, match="second"):
        bench.run(dies(4, f"{ERROR_MARK}first", f"{ERROR_MARK}second"))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            -9,
            "precision: was killed by signal 9, as the kernel does where memory is full; free memory, or ",
        ),
        (-11, "precision: was killed by signal 11; its last words: word; its output is in "),
        (2, "precision: ended with exit code 2; its last words: word; its output is in "),
        (137, "precision: ended with exit code 137; its last words: word"),
    ],
)
def test_a_script_that_dies_without_a_word_of_its_own(bench, code, told):
    with pytest.raises(StepError) as error:
        bench.run(dies(code, "first", "word", "  ", ""))
    assert str(error.value).startswith(told)
    assert error.value.exit_code == 6


def test_a_script_without_any_output(bench):
    with pytest.raises(StepError, match="its last words: no output"):
        bench.run(dies(6))


def test_an_interrupted_script_is_an_interrupt(bench):
    with pytest.raises(KeyboardInterrupt):
        bench.run(dies(130, f"{ERROR_MARK}interrupted"))


@pytest.mark.parametrize("code", [0, 1])
def test_no_record_is_an_error_whatever_the_exit_code(bench, code):
    with pytest.raises(StepError, match="ended without a valid record; its output is in"):
        bench.run(dies(code, "all is well"))


@pytest.mark.parametrize("code", [0, 1])
def test_a_library_that_raises_at_its_end_spoils_no_step_that_left_its_record(bench, code):
    def noisy(step, folder, tell):
        leave_record(step, folder, tell)
        for line in ("Traceback (most recent call last):", '  File "te_fusion/run.py", line 9, in run', "EOFError"):
            tell(line)
        return code

    assert bench.run(FakeEngine(instead={"precision": noisy})).kept == ()


def test_a_record_under_another_spec_is_no_record(bench):
    def other(step, folder, tell):
        return leave_record(step, folder, tell, lambda r: replace(r, spec_sha256="0" * 64))

    with pytest.raises(StepError, match="ended without a valid record"):
        bench.run(FakeEngine(instead={"precision": other}))


def test_a_verdict_that_is_not_pass_is_no_failure(bench):
    wrong = samples.precision_data(
        ["inputs/cat.png"], differences=(samples.difference((1.0,), (2.0,), input="inputs/cat.png"),)
    )

    def change(record):
        return replace(record, data=wrong) if record.kind == "precision" else record

    assert bench.run(FakeEngine(change=change)).kept == ()
    assert bench.run().kept == tuple(ALL)


# --- the console -----------------------------------------------------------------------------------------------------


def test_the_whole_console_is_kept_also_of_what_failed(bench):
    with pytest.raises(StepError):
        bench.run(dies(70, "one", "", "three"))
    assert (bench.consoles / "precision.txt").read_text(encoding="utf-8") == "one\n\nthree\n"
    assert (bench.consoles / "inference.txt").read_text(encoding="utf-8").startswith("Inference\n")


def test_the_console_is_kept_when_the_engine_gives_up(bench):
    def hangs(step, folder, tell):
        tell("working")
        raise StepError("ran longer than 1 s and was stopped", where=step.experiment)

    with pytest.raises(StepError, match="ran longer"):
        bench.run(FakeEngine(instead={"precision": hangs}))
    assert (bench.consoles / "precision.txt").read_text(encoding="utf-8") == "working\n"


def test_each_line_is_told_as_it_comes(bench, caplog):
    caplog.set_level(logging.INFO, "npu_deliver")
    with pytest.raises(StepError):
        bench.run(dies(70, "a line"))
    assert "    a line" in caplog.messages


def test_forgetting_leaves_the_code(bench):
    bench.run()
    execute.forget(bench.staged)
    assert not any((bench.folder / "evaluation" / name).exists() for name in ("records", "logs", "results"))
    assert (bench.folder / "evaluation/eval_precision.py").is_file()
    assert bench.run().kept == ()


def test_half_written_files_go(bench):
    half = bench.folder / "evaluation/records/.partial-abc"
    half.parent.mkdir(parents=True)
    half.touch()
    execute.clean(bench.job.work)
    assert not half.exists()
