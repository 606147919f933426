"""A rerun reads the original and says what is the same: to the bit, how far, or within the noise."""

import hashlib
import os
import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

import deliverables
from deliverables import FakeEngine, tree
from npu_deliver import cli
from npu_deliver.environment.choice import Containers, Environment
from npu_deliver.environment.image import local_image
from npu_deliver.errors import ConfigError, EngineError, RecordError, VerifyError, WeightsError
from npu_deliver.experiments.registry import read_record
from npu_deliver.review import intake
from npu_deliver.review.rerun import recounting, rerun
from npu_deliver.review.rerun import words as rerun_words
from npu_deliver.review.rerun.rerun import Consent
from npu_eval.errors import ERROR_MARK
from npu_eval.experiments.precision.data import Recounted
from npu_eval.jsonio import dumps, file_sha256


def recount(step, folder, tell, change=lambda data: data):
    """What the second process leaves: counted from the outputs that the precision run recorded beside it."""
    (path,) = folder.parent.glob("*/evaluation/records/precision.json")
    data = change(read_record(path).data)
    found = Recounted(**{field.name: getattr(data, field.name) for field in fields(Recounted)})
    (folder / recounting.RESULT).write_text(dumps(found), encoding="utf-8")
    return 0


@pytest.fixture
def again(monkeypatch, tmp_path, original):
    """Runs a folder again with a fake engine, which leaves what the scripts would leave."""

    def run(
        folder: Path, change=lambda record: record, weights: str | None = None, image=deliverables.IMAGE, counts=recount
    ):
        engine = FakeEngine(change=change, instead={"recount": counts})
        where = Environment(image=image, engine=engine)
        monkeypatch.setattr(rerun, "prepare", lambda *arguments, **options: where)
        work = tmp_path / "work"
        work.mkdir()
        given = weights or str(original.folder / "tiny.pth")
        found = rerun.rerun(folder, Containers(), work, python=Path("python"), weights=given, consent=Consent())
        return found, engine

    return run


def changed_output(record):
    if record.kind != "precision":
        return record
    first = replace(record.data.differences[0], candidate_sha256="0" * 64)
    return replace(record, data=replace(record.data, differences=(first, *record.data.differences[1:])))


def test_the_same_results_are_reproduced_and_the_original_stays(folder, again):
    before = tree(folder)
    found, engine = again(folder)
    assert found.reproduced
    assert engine.ran == ["inference", "precision", "performance", "recount"]
    assert (found.code, found.exit_code) == ((), 0)
    assert all(output.identical for output in found.outputs)
    assert all(found.predictions.values())
    assert {old for _, old, _ in found.verdicts} == {"PASS"}
    assert all(latency.ratio == 1.0 and latency.within_noise for latency in found.latencies)
    assert found.findings == 0
    assert found.other_version is None
    assert tree(folder) == before


def test_a_differing_output_is_named_with_how_far_it_can_be(folder, again):
    found, _ = again(folder, changed_output)
    assert not found.reproduced
    differing = [output for output in found.outputs if not output.identical]
    assert [output.side for output in differing] == ["candidate"]
    low, high = differing[0].distance
    assert 0 <= low <= high < 1e-5


def test_a_slower_run_is_reproduced_all_the_same_and_said(folder, again):
    def slower(record):
        if record.kind != "performance":
            return record
        runs = tuple(replace(r, samples_s=tuple(3 * s for s in r.samples_s)) for r in record.data.runs)
        return replace(record, data=replace(record.data, runs=runs))

    found, _ = again(folder, slower)
    assert found.reproduced
    assert all(latency.ratio == pytest.approx(3.0) and not latency.within_noise for latency in found.latencies)


def test_other_predictions_are_not_reproduced(folder, again):
    def other(record):
        if record.kind != "inference":
            return record
        first = replace(record.data.results[0], predictions=record.data.results[0].predictions[:1])
        return replace(record, data=replace(record.data, results=(first, *record.data.results[1:])))

    found, _ = again(folder, other)
    assert not found.reproduced
    assert list(found.predictions.values()).count(False) == 1


def test_what_differs_in_the_environment_is_listed(folder, again):
    found, _ = again(folder, image=replace(deliverables.IMAGE, digest="sha256:" + "2" * 64))
    assert [what for what, _, _ in found.environment] == ["image"]


def test_the_maker_s_own_weights_must_be_given(folder, again, monkeypatch, original):
    with pytest.raises(ConfigError, match=r"its weights were the file 'tiny\.pth' of its maker; name your copy"):
        rerun._weights(intake.inspect(folder), None, rerun._records(intake.inspect(folder)), Consent())


@pytest.mark.parametrize("source", ["https://stranger.example/a.pth", "hf:stranger/net/a.pth", "modelscope:a/b/c.pth"])
def test_a_host_that_the_folder_names_is_asked_only_with_consent(folder, monkeypatch, source):
    taken = intake.inspect(folder)
    records = rerun._records(taken)
    evaluation = taken.spec.evaluation
    weights = replace(evaluation.weights, source=source)
    taken = replace(taken, spec=replace(taken.spec, evaluation=replace(evaluation, weights=weights)))
    asked = []
    monkeypatch.setattr(rerun, "fetch", lambda wanted, **_: asked.append(wanted))
    with pytest.raises(ConfigError, match="say --allow-download"):
        rerun._weights(taken, None, records, Consent(scripts=True, packages=True))
    assert asked == []
    rerun._weights(taken, None, records, Consent(addresses=True))
    rerun._weights(taken, "mine.pth", records, Consent())
    assert asked == [source, "mine.pth"]


class EngineOfAnotherVersion(FakeEngine):
    """Runs the code of the folder, which is of another version and writes its log as that one does."""

    def run(self, step, folder, tell):
        with deliverables.rules_of_another_version():
            return super().run(step, folder, tell)


@pytest.fixture
def of_another_version(tmp_path, monkeypatch):
    """Reruns a folder that another version made, with an engine."""
    root, work = tmp_path / "models", tmp_path / "work"
    work.mkdir()
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    with deliverables.rules_of_another_version():
        deliverables.make(job, pictures=True)

    def run(engine, **more):
        where = Environment(image=deliverables.IMAGE, engine=engine)
        monkeypatch.setattr(rerun, "prepare", lambda *arguments, **options: where)
        return rerun.rerun(job.output, Containers(), work, python=Path("python"), consent=Consent(),
                           weights=str(root / "tiny/tiny.pth"), **more)  # fmt: skip

    return run


def test_a_folder_of_another_version_runs_our_code_and_is_judged_by_our_rules(of_another_version):
    found = of_another_version(FakeEngine(instead={"recount": recount}))
    assert (found.reproduced, found.findings, found.code, found.exit_code) == (True, 0, None, 0)
    assert found.other_version.startswith("made with npu-deliver 0.1.7 (rules 070707070707); this is npu-deliver")
    assert [each.what for each in found.changed] == ["verdict top5-agreement", "overall"]
    assert {old for _, old, _ in found.verdicts} == {"PASS"}
    lines = rerun_words.lines(found, "en")
    assert lines[0].endswith("both runs are judged here by the rules of this one")
    assert lines[1].startswith("~ verdict top5-agreement: NOT_MEASURED")
    assert "so the two cannot be compared: pip install npu-deliver==0.1.7 and rerun it with that" in "\n".join(lines)


def test_the_folder_s_own_code_is_believed_in_nothing(of_another_version):
    engine = EngineOfAnotherVersion()
    found = of_another_version(engine, their_code=True)
    assert engine.ran == ["inference", "precision", "performance"]
    assert (found.reproduced, found.exit_code) == (True, 10)
    lines = rerun_words.lines(found, "en")
    assert lines[-1] == "the same to the bit by the word of the folder's own code; not verified"
    assert "what this shows:" not in lines
    assert any("its own copy of the code ran" in line for line in lines)


# --- whose code runs, and who is believed ----------------------------------------------------------------------------


def edited(folder):
    deliverables.change_file(folder / "npu_eval/agreement/compare.py", "CHUNK = 1 << 20", "CHUNK = 1 << 21")
    (folder / "npu_eval/extra.py").write_text("x = 1\n", encoding="utf-8")
    deliverables.reseal(folder)


def test_what_runs_is_our_code_with_the_author_s_adapter_and_inputs(folder, again, tmp_path):
    edited(folder)
    (folder / "torch.txt").write_text("not called for\n", encoding="utf-8")
    deliverables.reseal(folder)
    again(folder)
    laid_out = tmp_path / "work/npu_deliverables"
    ours = Path(rerun.travelling.source("npu_eval"))
    assert (laid_out / "npu_eval/agreement/compare.py").read_bytes() == (ours / "agreement/compare.py").read_bytes()
    assert not (laid_out / "npu_eval/extra.py").exists()
    assert not (laid_out / "torch.txt").exists()
    for name in ("adapter.py", "spec.json", "inputs/cat.png"):
        assert (laid_out / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "work/counted").iterdir()) == [
        "npu_eval", "recount.py", "recounted.json", "spec.json",
    ]  # fmt: skip


def test_edited_code_is_told_file_by_file_and_is_no_success(folder, again):
    edited(folder)
    found, _ = again(folder)
    assert [(each.file, each.how) for each in found.code] == [
        ("npu_eval/agreement/compare.py", "changed"),
        ("npu_eval/extra.py", "added"),
    ]
    assert (found.reproduced, found.exit_code) == (True, 8)
    text = "\n".join(rerun_words.lines(found, "en"))
    assert "✗ the folder runs code that is not the release's: 2 files differ from npu-deliver" in text
    assert "'CHUNK = 1 << 21', the release has 'CHUNK = 1 << 20'" in text


def test_outputs_are_believed_before_what_the_run_recorded_of_them(folder, again):
    def other(data):
        first = replace(data.differences[0], candidate_sha256="0" * 64, max_abs_diff=1.0)
        return replace(data, differences=(first, *data.differences[1:]))

    found, _ = again(folder, counts=lambda step, folder, tell: recount(step, folder, tell, other))
    assert [o.identical for o in found.outputs if o.side == "candidate"].count(False) == 1
    assert found.ran.deviations == (
        "precision: differences[0].candidate_sha256",
        "precision: differences[0].max_abs_diff",
    )
    assert found.exit_code == 8
    assert "✗ what the run recorded is not what its tensors give: precision: differences[0]" in "\n".join(
        rerun_words.lines(found, "en")
    )


def test_sums_in_another_order_are_no_deviation(folder, again):
    def reordered(data):
        first = data.differences[0]
        first = replace(first, sum_sq_diff=first.sum_sq_diff * (1 + 1e-13), dot=first.dot * (1 + 1e-13))
        return replace(data, differences=(first, *data.differences[1:]))

    found, _ = again(folder, counts=lambda step, folder, tell: recount(step, folder, tell, reordered))
    assert (found.ran.deviations, found.exit_code) == ((), 0)


def test_a_run_whose_outputs_cannot_be_counted_is_no_run(folder, again):
    def refused(step, folder, tell):
        tell(f"{ERROR_MARK}outputs.json: there are no outputs")
        return 9

    with pytest.raises(RecordError, match="there are no outputs"):
        again(folder, counts=refused)


@pytest.mark.parametrize("name", ["npu_eval/records/verdict.py", "spec.json", "inputs/cat.png"])
def test_what_is_changed_below_the_run_is_named(folder, again, name):
    def meddle(step, folder, tell):
        for path in folder.parent.glob(f"*/{name}"):
            if path.parent.parent != folder and path.parent != folder:
                path.write_bytes(path.read_bytes() + b"\n")
        return recount(step, folder, tell)

    found, _ = again(folder, counts=meddle)
    assert (found.ran.altered, found.exit_code) == ((name,), 8)


LEFT = {
    "a link to a record": lambda folder: (folder / "evaluation/records/more.json").symlink_to("/dev/zero"),
    "a folder that is a link": lambda folder: (folder / "evaluation/more").symlink_to("/"),
    "a pipe": lambda folder: os.mkfifo(folder / "evaluation/records/pipe.json"),
    "a record without an end": lambda folder: sparse(folder / "evaluation/records/long.json", 2**40),
    "a picture without an end": lambda folder: sparse(folder / "evaluation/results/long.png", 2**40),
}


def sparse(path, size):
    with path.open("wb") as stream:
        stream.truncate(size)


@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
def test_nothing_that_a_run_leaves_is_read_before_it_is_looked_at(folder, monkeypatch, tmp_path, leave):
    def run(step, copy, tell):
        code = deliverables.leave_record(step, copy, tell)
        leave(copy)
        return code

    engine = FakeEngine(instead={"inference": run})
    where = Environment(image=deliverables.IMAGE, engine=engine)
    monkeypatch.setattr(rerun, "prepare", lambda *arguments, **options: where)
    (tmp_path / "work").mkdir()
    taken = intake.inspect(folder)
    monkeypatch.setattr(rerun, "_weights", lambda *arguments: None)
    with pytest.raises(VerifyError, match="the step inference left it, and nothing of that was read"):
        rerun.rerun(folder, Containers(), tmp_path / "work", python=Path("python"), weights=None, consent=Consent())
    assert engine.ran == ["inference"]
    assert taken.spec.evaluation.inputs


def test_hashes_are_of_the_files_and_not_of_what_a_record_says(folder, again):
    def lying(record):
        if record.kind != "inference":
            return record
        first = replace(record.data.results[0], input_sha256="0" * 64)
        return replace(record, data=replace(record.data, results=(first, *record.data.results[1:])))

    found, _ = again(folder, lying)
    assert found.hashes.inputs == {"inputs/cat.png": file_sha256(folder / "inputs/cat.png")}
    assert found.hashes.weights_sha256 == hashlib.sha256(deliverables.WEIGHTS).hexdigest()
    assert found.ran.deviations == ("inference: input_sha256 of inputs/cat.png",)
    assert found.exit_code == 8


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_answer_says_what_it_shows_and_what_it_does_not(folder, again, lang):
    found, _ = again(folder)
    shows, hides = rerun_words.proof(found, lang)
    text = "\n".join(rerun_words.lines(found, lang))
    assert all(line in text for line in (*shows, *hides))
    assert len(shows) == 4
    assert any("adapter.py" in line for line in hides)
    assert len(hides) == 5
    assert not any("{" in line for line in (*shows, *hides))


def test_of_a_library_s_model_no_code_of_the_author_ran(folder, again):
    found, _ = again(folder)
    found = replace(found, ran=replace(found.ran, adapter="", contained=True))
    shows, hides = rerun_words.proof(found, "en")
    assert "no code of the author ran: the adapter is this release's own" in shows
    assert not any("author's code" in line for line in hides)


def test_both_languages_have_every_sentence_and_its_parts():
    def parts(text):
        return sorted(re.findall(r"{(\w+)}", text))

    english, chinese = rerun_words._ENGLISH, rerun_words._CHINESE
    assert english.keys() == chinese.keys()
    for code, sentence in english.items():
        assert parts(sentence) == parts(chinese[code]), code


def test_other_weights_are_refused(folder, again, tmp_path):
    (tmp_path / "other.pth").write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="sha256"):
        again(folder, weights=str(tmp_path / "other.pth"))


def no_engine():
    raise EngineError("no container engine answers", where="unix:///x.sock", fix="start Docker or Podman")


MARKING = "import os, pathlib\npathlib.Path({marker!r}).write_text('\\n'.join(os.environ))\n"


@pytest.fixture
def hostile(folder, original, tmp_path, monkeypatch, capsys):
    """Reruns a folder whose every Python file leaves a mark: (exit code, standard error, the mark's text or None)."""
    marker = tmp_path / "marker"
    for path in folder.rglob("*.py"):
        path.write_text(MARKING.format(marker=str(marker)), encoding="utf-8")
    deliverables.reseal(folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NPU_DELIVER_ENGINE", raising=False)
    monkeypatch.setattr("npu_deliver.environment.engine.container.described", no_engine)

    def run(*options: str) -> tuple[int, str, str | None]:
        monkeypatch.setattr(
            "sys.argv", ["npu-deliver", "rerun", str(folder), "--weights", str(original.folder / "tiny.pth"), *options]
        )
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capsys.readouterr().err, marker.read_text() if marker.exists() else None

    return run


@pytest.mark.parametrize(
    ("options", "variable"),
    [(("--engine", "local"), None), ((), "local"), ((), None), (("--engine", "auto"), "docker")],
)
def test_without_trust_nothing_of_a_stranger_runs_on_this_machine(hostile, monkeypatch, options, variable):
    if variable:
        monkeypatch.setenv("NPU_DELIVER_ENGINE", variable)
    code, said, mark = hostile(*options)
    assert code == 2
    assert "would run unprotected on this machine" in said
    assert "say --trust (TRUST=1)" in said
    assert len([line for line in said.splitlines() if line.strip()]) == 1
    assert mark is None


def test_an_engine_that_is_asked_for_and_absent_is_no_reason_to_run_without(hostile):
    code, said, mark = hostile("--engine", "docker", "--trust")
    assert (code, mark) == (3, None)
    assert "no container engine answers" in said


@pytest.mark.parametrize("options", [("--engine", "local"), ()])
def test_with_trust_none_of_its_scripts_runs_but_the_adapter(hostile, monkeypatch, options):
    monkeypatch.setattr(rerun, "local_image", lambda python: deliverables.IMAGE)
    code, said, mark = hostile("--trust", *options)
    assert (code, mark) == (4, None)  # before it comes to the adapter: no NPU is here
    assert "npu:0" in said


@pytest.mark.parametrize("options", [("--engine", "local"), ()])
def test_with_trust_it_runs_and_sees_no_secret(hostile, monkeypatch, options):
    monkeypatch.setattr(rerun, "local_image", lambda python: deliverables.IMAGE)
    for name in ("HF_TOKEN", "OBS_AK", "OBS_SK", "NPU_DELIVER_SIGN_KEY", "DB_PASSWD"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("https_proxy", "http://me:hush@proxy.example:3128")
    monkeypatch.setenv("ASCEND_HOME_PATH", "/usr/local/Ascend")
    code, _, mark = hostile("--trust", "--their-code", *options)
    assert code == 6  # it left no record, only the mark
    seen = set(mark.splitlines())
    assert {"PATH", "ASCEND_HOME_PATH", "NPU_DELIVER_IMAGE"} <= seen
    assert not seen & {"HF_TOKEN", "OBS_AK", "OBS_SK", "NPU_DELIVER_SIGN_KEY", "DB_PASSWD", "https_proxy"}


@pytest.mark.parametrize("name", ["json.py", "torch.py", "sitecustomize.py", "evaluation/pathlib.py"])
def test_with_trust_too_a_module_in_the_way_of_another_is_refused(hostile, folder, name):
    (folder / name).write_text("raise SystemExit('ran')\n", encoding="utf-8")
    deliverables.reseal(folder)
    code, said, mark = hostile("--engine", "local", "--trust")
    assert (code, mark) == (8, None)
    assert f"{name}: is no script of a deliverable, and an import would find it; nothing of it was run" in said


def test_asking_an_interpreter_imports_nothing_from_the_folder_one_stands_in(hostile, folder, tmp_path):
    for name in ("json.py", "torch.py", "sitecustomize.py"):
        (folder / name).write_text((folder / "inference.py").read_text(encoding="utf-8"), encoding="utf-8")
    local_image(Path(sys.executable))
    assert not (tmp_path / "marker").exists()


def test_an_unknown_package_is_not_installed_unasked(folder, monkeypatch):
    pytest.importorskip("docker")
    taken = replace(intake.inspect(folder), unknown_packages=("t0rch==1.0",))
    monkeypatch.setattr("npu_deliver.environment.engine.container.described", lambda: "Docker")
    with pytest.raises(ConfigError, match=r"wants t0rch==1\.0 installed, which npu-deliver does not know"):
        rerun.prepare(taken, Containers(), python=Path("python"), consent=Consent())
