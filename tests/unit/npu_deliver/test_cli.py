"""The command line: one line and a documented exit code for each thing that goes wrong, and pure JSON on demand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import deliverables
from deliverables import FakeEngine, engine_in_place, write_model
from npu_deliver import cli, pipeline
from npu_deliver.errors import (
    AdapterError,
    DeviceError,
    EngineError,
    RecordError,
    RenderError,
    SpecError,
    StepError,
    VerifyError,
)
from npu_deliver.release import versions
from npu_deliver.report import figures

COMMANDS = tuple(command.__name__ for command in cli.COMMANDS)
TESTS = str(Path(deliverables.__file__).parent)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No colours, room for a line, and none of the variables that stand for flags."""
    for name in (
        "DEVICE",
        "WEIGHTS",
        "INPUT",
        "TIER",
        "REPORT_LANG",
        "NPU_DELIVER_ROOT",
        "FORCE_COLOR",
        "GITHUB_ACTIONS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(figures, "draw", deliverables.blank_pictures)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def call(*arguments: object, engine=None):
        monkeypatch.setattr(sys, "argv", ["npu-deliver", *map(str, arguments)])
        capsys.readouterr()
        with engine_in_place(engine or FakeEngine()), pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


@pytest.fixture
def local(monkeypatch):
    """An interpreter that need not be asked what is installed in it."""
    monkeypatch.setattr("npu_deliver.environment.choice.local_image", lambda python: deliverables.IMAGE)


@pytest.fixture
def root(tmp_path):
    write_model(tmp_path / "models")
    return tmp_path / "models"


def one_line(err: str, *words: str) -> str:
    """The error is the last line, and the only one that says so."""
    last = err.splitlines()[-1]
    assert [line for line in err.splitlines() if line.startswith("npu-deliver: ")] == [last]
    assert "Traceback" not in err
    for word in words:
        assert word in last
    return last


# --- which version ---------------------------------------------------------------------------------------------------


def test_it_says_which_version_it_is(run):
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out == f"{versions.named(versions.current())}\n"


# --- help ------------------------------------------------------------------------------------------------------------


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(re.search(rf"\b{name}\b", out) for name in COMMANDS)


def test_every_command_is_known_here():
    assert sorted(command.callback.__name__ for command in cli.app.registered_commands) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example_that_it_understands(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    example = re.search(rf"Example: +npu-deliver ({command}\b[^\n│]*)", out)
    assert example
    parsed, _, err = run(*example[1].split(), "--help")  # refused flags are refused before --help
    assert parsed == 0, err


def test_without_a_command_the_help_is_shown(run):
    code, out, err = run()
    assert code in (0, 2)
    assert "Usage" in out + err


@pytest.mark.parametrize("arguments", [("delver",), ("deliver",), ("deliver", "tiny", "--devise", "cpu"), ("verify",),
                                       ("deliver", "tiny", "--tier", "long"),
                                       ("deliver", "tiny", "--lang", "fr")])  # fmt: skip
def test_wrong_usage_is_exit_code_2(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err


# --- deliver, run, report --------------------------------------------------------------------------------------------


def test_deliver_makes_a_folder_and_tells_the_verdicts(run, root):
    code, out, err = run("deliver", "tiny", "--root", root)
    assert code == 0
    assert "PASS         output-error     relative_l2 < 0.01: worst 1e-07 (inputs/cat.png, logits)" in out
    assert f"verified: {root}/tiny/npu_deliverables" in out
    assert "[1/3] inference: python inference.py" in err


def test_a_verdict_that_is_not_pass_is_exit_code_1(run, root):
    def change(record):
        return (
            replace(record, data=replace(record.data, runs=record.data.runs[:1], throughput=record.data.throughput[:1]))
            if record.kind == "performance"
            else record
        )

    def few(record):
        if record.kind != "performance":
            return record
        runs = tuple(replace(run, samples_s=run.samples_s[:9], ended_by="limit") for run in record.data.runs)
        return replace(record, data=replace(record.data, runs=runs))

    assert run("deliver", "tiny", "--root", root, engine=FakeEngine(change=change))[0] == 0
    code, out, _ = run("deliver", "tiny", "--root", root, "--fresh", engine=FakeEngine(change=few))
    assert code == 1
    assert re.search(r"^FAIL +timed-calls +sample_count >= 64: worst 9", out, re.MULTILINE)


def test_json_is_all_that_stands_on_standard_output(run, root, local):
    for command, keys in {
        ("deliver", "tiny"): {"folder", "overall", "stamps", "verdicts"},
        ("plan", "tiny"): {"model", "folder", "image", "steps", "lines"},
        ("stage", "tiny"): {"folder", "spec_sha256", "code_sha256"},
        ("run", "tiny"): {"folder", "records", "kept"},
        ("report", "tiny"): {"folder", "overall", "stamps", "verdicts"},
        ("models",): {"models", "generic"},
    }.items():
        code, out, _ = run(*command, "--root", root, "--json")
        assert code == 0, command
        assert set(json.loads(out)) == keys
    of_versions = {
        "made_with",
        "measured_with",
        "checked_with",
        "changed",
        "unchecked",
        "uncompared",
        "doubts",
        "written",
        "remarks",
    }
    code, out, _ = run("verify", root / "tiny/npu_deliverables", "--json")
    assert (code, set(json.loads(out))) == (0, {"holds", "files", "overall", "stamps", "findings", *of_versions})
    assert json.loads(run("schema", "summary")[1])["title"] == "Summary"


def test_run_and_report_are_the_two_halves_of_deliver(run, root):
    code, out, _ = run("run", "tiny", "--root", root)
    assert (code, "next: npu-deliver report tiny" in out) == (0, True)
    code, out, _ = run("report", "tiny", "--root", root, "--lang", "en")
    assert code == 0
    assert "## 1. Conclusion" in (root / "tiny/npu_deliverables/readme.md").read_text(encoding="utf-8")


def test_the_root_and_the_language_may_come_from_the_environment(run, root, monkeypatch):
    monkeypatch.setenv("NPU_DELIVER_ROOT", str(root))
    monkeypatch.setenv("REPORT_LANG", "en")
    assert run("deliver", "tiny")[0] == 0
    assert "## 1. Conclusion" in (root / "tiny/npu_deliverables/readme.md").read_text(encoding="utf-8")


def test_no_other_variable_of_the_environment_changes_a_run(run, root, local, monkeypatch):
    """DEVICE and its like are common names; only who means this program gives them, as flags (the Makefile does)."""
    plain = run("plan", "tiny", "--root", root, "--json")
    for name, value in {"DEVICE": "npu:3", "WEIGHTS": "random", "TIER": "smoke", "INPUT": "x.jpg"}.items():
        monkeypatch.setenv(name, value)
    assert run("plan", "tiny", "--root", root, "--json") == plain


def test_plan_writes_nothing_and_tells_commands_and_files(run, root, local):
    before = sorted(root.rglob("*"))
    code, out, _ = run("plan", "tiny", "--root", root)
    assert code == 0
    assert "2. precision    python evaluation/eval_precision.py --device npu:0 --save evaluation" in out
    assert "-> evaluation/records/precision.json, evaluation/logs/precision_eval.log" in out
    assert sorted(root.rglob("*")) == before


def test_a_weights_path_starts_where_the_command_is_given(run, root, tmp_path, monkeypatch, local):
    """Not in the spec's folder, where a relative path of spec.yaml starts."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/other.pth").write_bytes(b"other weights")
    monkeypatch.chdir(tmp_path / "here")
    for source in ("other.pth", "./other.pth", "file:other.pth", str(tmp_path / "here/other.pth")):
        code, out, err = run("stage", "tiny", "--root", root, "--weights", source, "--json")
        assert code == 0, err
        staged = json.loads((Path(json.loads(out)["folder"]) / "spec.json").read_text(encoding="utf-8"))
        assert staged["evaluation"]["weights"]["source"] == "file:other.pth"


@pytest.mark.parametrize("source", ["random", "default"])
def test_words_for_weights_are_no_paths(run, root, local, source):
    code, out, err = run("stage", "tiny", "--root", root, "--weights", source, "--json")
    assert code == 0, err
    staged = json.loads((Path(json.loads(out)["folder"]) / "spec.json").read_text(encoding="utf-8"))
    assert staged["evaluation"]["weights"]["source"] == source


@pytest.mark.parametrize("source", ["", "$weight", "hugging:face", "~nobody-of-this-name/w.pth", "missing.pth"])
def test_weights_that_cannot_be_had_are_told(run, root, local, source):
    code, _, err = run("stage", "tiny", "--root", root, "--weights", source)
    assert code in (2, 5)
    one_line(err)


# --- models, schema, stage -------------------------------------------------------------------------------------------


def test_models_are_listed_with_the_broken_ones(run, root):
    (root / "broken").mkdir()
    (root / "broken/spec.yaml").write_text("name: [", encoding="utf-8")
    code, out, _ = run("models", "--root", root)
    assert code == 0
    assert re.search(r"^tiny +Tiny +classification +adapter\.py", out, re.MULTILINE)
    assert "broken                   (its spec.yaml is broken: npu-deliver plan broken says where)" in out
    assert "timm:<name of a timm model>" in out


def test_stage_tells_where(run, root, local):
    code, out, _ = run("stage", "tiny", "--root", root)
    assert code == 0
    folder = Path(out.removeprefix("staged in ").strip())
    assert (folder / "evaluation/eval_precision.py").is_file()


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("deliver", "tny"), 2, ["there is no model 'tny'; did you mean 'tiny'?"]),
        (("deliver", "tiny", "--device", "gpu"), 2, ["evaluation.device"]),
        (("deliver", "tiny", "--input", "no-photo.jpg"), 2, ["the photo does not exist"]),
        (("report", "tiny"), 9, ["there is no record yet; run `npu-deliver run tiny` first"]),
        (("schema", "sumary"), 2, ["did you mean 'summary'?"]),
    ],
)
def test_each_mistake_is_one_line(run, root, arguments, code, words, monkeypatch):
    monkeypatch.setenv("NPU_DELIVER_ROOT", str(root))
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    one_line(err, *words)


@pytest.mark.parametrize(
    ("error", "code"),
    [(SpecError, 2), (EngineError, 3), (DeviceError, 4), (AdapterError, 5), (StepError, 6), (RenderError, 7),
     (VerifyError, 8), (RecordError, 9)],
)  # fmt: skip
def test_each_error_has_its_exit_code(run, root, monkeypatch, error, code):
    def broken(*_):
        raise error("what", where="where", fix="fix")

    monkeypatch.setattr(pipeline, "deliver", broken)
    found, out, err = run("deliver", "tiny", "--root", root)
    assert (found, out, err) == (code, "", "npu-deliver: where: what; fix\n")


def test_a_failing_script_gives_its_own_exit_code_and_reason(run, root):
    def no_npu(step, folder, tell):
        tell("npu-deliver-error: npu:0: there is no NPU here; use DEVICE=cpu")
        return 4

    code, _, err = run("deliver", "tiny", "--root", root, engine=FakeEngine(instead={"inference": no_npu}))
    assert code == 4
    one_line(err, "npu-deliver: inference: npu:0: there is no NPU here; use DEVICE=cpu")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), ["No space left on device; free space"]),
        (PermissionError(13, "Permission denied", "/out/x"), ["/out/x: Permission denied"]),
        (OSError("odd"), ["odd; free space"]),
    ],
)
def test_an_error_of_the_file_system_is_one_line(run, root, monkeypatch, error, words):
    def broken(*_):
        raise error

    monkeypatch.setattr(pipeline, "deliver", broken)
    code, _, err = run("deliver", "tiny", "--root", root)
    assert code == 2
    one_line(err, *words, "name another folder with --output")


def test_an_output_that_cannot_be_a_folder_is_one_line(run, root, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("deliver", "tiny", "--root", root, "--output", tmp_path / "file/out")
    assert code == 2
    one_line(err, str(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_output_folder_is_one_line(run, root, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code, _, err = run("deliver", "tiny", "--root", root, "--output", closed / "out")
    assert code == 2
    one_line(err, "Permission denied")


def test_a_bug_is_told_as_one(run, root, monkeypatch):
    monkeypatch.setattr(pipeline, "deliver", lambda *_: 1 / 0)
    code, _, err = run("deliver", "tiny", "--root", root)
    assert code == 70
    assert "ZeroDivisionError" in err
    assert err.splitlines()[-1] == "npu-deliver: this is a bug in npu-deliver; please report it with the lines above"


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["deliver", "run", "report"])
def test_an_interrupt_is_told_with_the_way_on(run, root, monkeypatch, command):
    monkeypatch.setattr(pipeline, command, interrupted)
    code, out, err = run(command, "tiny", "--root", root)
    assert (code, out) == (130, "")
    one_line(err, "interrupted; finished steps are kept, the same command goes on from there")


def test_an_interrupt_in_a_script_is_one_too(run, root):
    code, _, err = run("deliver", "tiny", "--root", root, engine=FakeEngine(instead={"precision": lambda *_: 130}))
    assert code == 130
    one_line(err, "interrupted")
    engine = FakeEngine()
    assert run("deliver", "tiny", "--root", root, engine=engine)[0] == 0
    assert engine.ran == ["precision", "performance"]


def test_ctrl_c_for_real(root, tmp_path):
    """The signal comes while a step runs: its process is gone, the first step is kept, the next run goes on."""
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
import deliverables
from npu_deliver import cli
from npu_deliver.environment.engine import LocalEngine
from npu_deliver.plan import Step
def sleeping(step, folder, tell):
    code = "import os, time; print(os.getpid()); time.sleep(60)"
    slow = Step(experiment=step.experiment, command=("python", "-c", code),
                record="r", log="l", devices=(), image="i", mounts=(), timeout_s=60.0)
    with LocalEngine(deliverables.IMAGE) as engine:
        return engine.run(slow, folder, tell)
sys.argv = ["npu-deliver", "deliver", "tiny", "--root", {str(root)!r}]
with deliverables.engine_in_place(deliverables.FakeEngine(instead={{"precision": sleeping}})):
    cli.main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "[2/3]" in "".join(lines) and re.fullmatch(r" +\d+\n", line):
                break
        child = int(lines[-1])
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert out == ""
    assert rest.splitlines()[-1].startswith("npu-deliver: interrupted; finished steps are kept")
    assert "Traceback" not in rest
    for _ in range(500):
        if not Path(f"/proc/{child}").exists() or ") Z " in Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.01)
    else:
        pytest.fail("the step's process goes on")
    assert (root / "tiny/.npu_deliverables.work/npu_deliverables/evaluation/records/inference.json").is_file()


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify_says_that_a_folder_holds(run, folder):
    code, out, err = run("verify", folder)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(folder))}: holds together; \d+ files; verdict PASS\n", out)


def test_verify_says_what_a_folder_is_stamped(run, folder_on_cpu):
    code, out, _ = run("verify", folder_on_cpu)
    assert code == 0
    assert out.endswith("verdict PASS; stamped: no-npu\n")


def test_verify_names_each_contradiction_and_exits_with_8(run, folder):
    (folder / "inference.py").unlink()
    deliverables.change_file(folder / "readme.md", "32.0 GiB", "64.0 GiB")
    code, out, _ = run("verify", folder)
    assert code == 8
    assert "✗ inference.py: is missing" in out
    assert re.search(r"✗ readme\.md: line \d+ is .*64\.0 GiB.*, rendering its records gives .*32\.0 GiB", out)
    assert re.search(r"contradicts itself in \d+ places", out)
    code, out, _ = run("verify", folder, "--json")
    assert code == 8
    found = json.loads(out)
    assert found["holds"] is False
    assert {"file": "inference.py", "what": "is missing"} in found["findings"]


@pytest.mark.parametrize("what", ["nothing", "file", "empty"])
def test_verify_of_what_is_no_deliverable(run, tmp_path, what):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    code, _, err = run("verify", tmp_path / what)
    assert code == 2
    one_line(err, {"nothing": "there is no such folder", "file": "is a file", "empty": "is no deliverable"}[what])


def test_a_report_is_signed_and_the_signature_checked(run, root, tmp_path):
    assert run("deliver", "tiny", "--root", root)[0] == 0
    key = tmp_path / "key.pem"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = tmp_path / "key.pub"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    code, _, err = run("report", "tiny", "--root", root, "--sign-key", key)
    assert (code, err) == (0, "")
    code, out, _ = run("verify", root / "tiny/npu_deliverables", "--public-key", public)
    assert code == 0
    assert out.endswith("; signed by key.pub\n")
    code, _, err = run("report", "tiny", "--root", root, "--sign-key", public)
    assert code == 2
    one_line(err, "key.pub: is no private key without a passphrase")


# --- what is loaded --------------------------------------------------------------------------------------------------

HEAVY = ("torch", "torchvision", "timm", "numpy", "docker", "matplotlib", "transformers")


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (["--help"], ("jinja2", "yaml", "PIL")),
        (["deliver", "--help"], ("jinja2", "yaml", "PIL")),
        (["verify", "FOLDER"], ("jinja2", "yaml", "PIL")),
        (["models", "--root", "FOLDER"], ("jinja2", "PIL")),
        (["schema", "summary"], ("jinja2", "PIL")),
    ],
)
def test_light_commands_load_nothing_heavy(arguments, more, original):
    arguments = [str(original.output) if a == "FOLDER" else a for a in arguments]
    script = f"""
import sys
sys.argv = ["npu-deliver", *{arguments!r}]
from npu_deliver.cli import main
try:
    main()
except SystemExit as end:
    loaded = sorted({{name.partition(".")[0] for name in sys.modules}} & set({(*HEAVY, *more)!r}))
    print("LOADED", end.code or 0, *loaded)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "LOADED 0", done.stdout[-500:] + done.stderr[-500:]


def test_the_installed_command_is_this_one():
    command = shutil.which("npu-deliver", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("npu-deliver is not installed beside this interpreter")
    done = subprocess.run(
        [command, "verify", "/nowhere/at/all"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == "npu-deliver: /nowhere/at/all: there is no such folder; name the folder of a deliverable\n"
