"""A rerun reads the original and says what is the same: to the bit, how far, or within the noise."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import deliverables
from deliverables import FakeEngine, tree
from npu_deliver import cli, intake, rerun
from npu_deliver.commands import reproducing
from npu_deliver.environment import Containers, Environment
from npu_deliver.errors import ConfigError, EngineError, WeightsError
from npu_deliver.image import local_image
from npu_deliver.rerun import Consent


@pytest.fixture
def again(monkeypatch, tmp_path, original):
    """Runs a folder again with a fake engine, which leaves what the scripts would leave."""

    def run(folder: Path, change=lambda record: record, weights: str | None = None, image=deliverables.IMAGE):
        engine = FakeEngine(change=change)
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
    assert engine.ran == ["inference", "precision", "performance"]
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


def test_a_folder_of_another_version_runs_its_own_code_and_is_judged_by_our_rules(tmp_path, monkeypatch):
    root, work = tmp_path / "models", tmp_path / "work"
    work.mkdir()
    deliverables.write_model(root)
    job = deliverables.job_of(root)
    with deliverables.rules_of_another_version():
        deliverables.make(job, pictures=True)
    where = Environment(image=deliverables.IMAGE, engine=EngineOfAnotherVersion())
    monkeypatch.setattr(rerun, "prepare", lambda *arguments, **options: where)
    found = rerun.rerun(job.output, Containers(), work, python=Path("python"), weights=str(root / "tiny/tiny.pth"),
                        consent=Consent())  # fmt: skip
    assert found.reproduced
    assert found.findings == 0
    assert found.other_version.startswith("made with npu-deliver 0.1.7 (rules 070707070707); this is npu-deliver")
    assert [each.what for each in found.changed] == ["verdict top5-agreement", "overall"]
    assert {old for _, old, _ in found.verdicts} == {"PASS"}
    lines = reproducing._lines(found)
    assert lines[0].endswith("by whose rules both runs are judged here")
    assert lines[1].startswith("~ verdict top5-agreement: NOT_MEASURED")


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
    monkeypatch.setattr("npu_deliver.engine.container.described", no_engine)

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
def test_with_trust_it_runs_and_sees_no_secret(hostile, monkeypatch, options):
    monkeypatch.setattr(rerun, "local_image", lambda python: deliverables.IMAGE)
    for name in ("HF_TOKEN", "OBS_AK", "OBS_SK", "NPU_DELIVER_SIGN_KEY", "DB_PASSWD"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("https_proxy", "http://me:hush@proxy.example:3128")
    monkeypatch.setenv("ASCEND_HOME_PATH", "/usr/local/Ascend")
    code, _, mark = hostile("--trust", *options)
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
    monkeypatch.setattr("npu_deliver.engine.container.described", lambda: "Docker")
    with pytest.raises(ConfigError, match=r"wants t0rch==1\.0 installed, which npu-deliver does not know"):
        rerun.prepare(taken, Containers(), python=Path("python"), consent=Consent())
