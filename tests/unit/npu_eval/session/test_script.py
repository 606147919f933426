"""The entry scripts: first inside this process, which is quick, then as a stranger runs them, which is true."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import npu_eval
import samples
import tiny_model
from contexts import context, cpu_spec
from npu_deliver.experiments.registry import KINDS, read_record
from npu_eval.asked.profiles import default_criteria
from npu_eval.asked.spec import EvalSpec, Side, WeightsSpec
from npu_eval.errors import ERROR_MARK, AdapterError, ConfigError, DeviceError, error_line
from npu_eval.experiments.inference import run as inference
from npu_eval.experiments.inference.data import InferenceData
from npu_eval.experiments.performance import run as performance
from npu_eval.experiments.precision import run as precision
from npu_eval.jsonio import dumps, file_sha256
from npu_eval.models import autocasting
from npu_eval.records import codehash
from npu_eval.records.codehash import code_sha256
from npu_eval.records.log import log_text
from npu_eval.records.record import Record
from npu_eval.session import script as session

REPOSITORY = Path(__file__).parents[4]
QUICK = (*default_criteria("classification")[:-1], samples.criterion("sample_count", 1.0))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NPU_DELIVER_WEIGHTS", "NPU_DELIVER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    yield
    sys.modules.pop("adapter", None)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deliverable's folder as far as a script in this process sees it."""
    folder = tmp_path / "deliverable"
    folder.mkdir()
    shutil.copy(tiny_model.__file__, folder / "adapter.py")
    (folder / "inference.py").touch()
    write_spec(folder)
    monkeypatch.setattr(codehash, "__file__", str(folder / "npu_eval" / "records" / "codehash.py"))
    monkeypatch.setattr(sys, "argv", [str(folder / "inference.py"), "--save", str(folder / "evaluation")])
    monkeypatch.setenv("NPU_DELIVER_CACHE", str(tmp_path / "cache"))
    return folder


def write_spec(folder: Path, **changes: Any) -> EvalSpec:
    spec = cpu_spec(folder, **({"criteria": QUICK} | changes))
    (folder / "spec.json").write_text(dumps(samples.spec_file(evaluation=spec)), encoding="utf-8")
    return spec


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): file_sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def reason(capsys: pytest.CaptureFixture[str]) -> str:
    """What the script said of its death: exactly one marked line."""
    lines = capsys.readouterr().err.splitlines()
    told = [told for line in lines if (told := error_line(line)) is not None]
    assert len(told) == 1
    assert lines[-1].startswith(ERROR_MARK)
    return told[0]


# --- what a good run leaves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", [inference, precision, performance], ids=lambda module: module.KIND.name)
def test_a_run_by_hand_prints_its_log_and_changes_nothing(
    root: Path, experiment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    assert session.main(experiment, root, []) == 0
    assert files(root) == before
    out, err = capsys.readouterr()
    assert out.endswith("exit code  0\n")
    assert err.startswith("device: cpu (")
    assert "weights: random (seeded)" in err


@pytest.mark.parametrize("experiment", [inference, precision, performance], ids=lambda module: module.KIND.name)
def test_a_saved_run_keeps_its_record_and_exactly_the_log_that_it_prints(
    root: Path, experiment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = write_spec(root)
    before = files(root)
    assert session.main(experiment, root, ["--save", str(root / "evaluation")]) == 0
    kind = experiment.KIND.name
    record = read_record(root / "evaluation" / "records" / f"{kind}.json", spec_sha256=spec.sha256)
    log = (root / "evaluation" / "logs" / KINDS[kind].log).read_text(encoding="utf-8")
    assert log == log_text(record, spec.criteria) == capsys.readouterr().out
    assert set(files(root)) - set(before) == {f"evaluation/records/{kind}.json", f"evaluation/logs/{KINDS[kind].log}"}
    assert record.kind == kind
    assert record.code_sha256 == code_sha256(root)
    assert record.command == ("python", "inference.py", "--save", "evaluation")
    assert record.started_at <= record.finished_at
    assert record.provenance.reference_device == ("cpu" if kind == "precision" else None)
    assert record.provenance.weights.random
    assert record.provenance.weights.parameters == sum(p.numel() for p in tiny_model.TinyNetwork().parameters())


def saved(root: Path, experiment: Any, *flags: str) -> Record:
    assert session.main(experiment, root, [*flags, "--save", str(root / "evaluation")]) in (0, 1)
    return read_record(next((root / "evaluation" / "records").iterdir()))


def test_a_verdict_that_is_not_pass_is_exit_code_1_and_still_a_whole_result(root: Path) -> None:
    write_spec(root, criteria=(samples.criterion("relative_l2", 0.0),))
    assert session.main(precision, root, ["--save", str(root / "evaluation")]) == 1
    log = (root / "evaluation" / "logs" / KINDS["precision"].log).read_text(encoding="utf-8")
    assert "FAIL         relative_l2" in log
    assert log.endswith("exit code  1\n")


def test_the_seed_alone_decides_the_random_weights(root: Path) -> None:
    torch.manual_seed(123)
    first = saved(root, precision)
    torch.manual_seed(456)
    assert saved(root, precision).data == first.data
    write_spec(root, seed=1)
    assert saved(root, precision).data != first.data


def test_the_device_flag_changes_the_spec_and_so_the_hash_of_what_was_asked(root: Path) -> None:
    spec = write_spec(root, candidate=Side(device="npu:0", dtype="float32"))
    record = saved(root, inference, "--device", "cpu")
    assert record.provenance.device.name == "cpu"
    assert record.provenance.requested_device == "cpu"
    assert record.spec_sha256 != spec.sha256
    assert record.spec_sha256 == replace(spec, candidate=Side(device="cpu", dtype="float32")).sha256


def test_auto_is_recorded_as_asked_and_told_as_taken(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_spec(root, candidate=Side(device="auto", dtype="float32"))
    record = saved(root, inference)
    assert record.provenance.requested_device == "auto"
    assert record.provenance.device.name in ("cpu", "cuda:0", "npu:0")
    assert capsys.readouterr().err.splitlines()[0].endswith(" chosen by auto")


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["R_101_3x", "configs/BlendMask/R_101_3x.yaml", "R_101_3x.py"])
def test_the_config_flag_names_another_configuration_of_the_family(given: str) -> None:
    assert session._configured("npu_models:blendmask/R_50_1x", given) == "npu_models:blendmask/R_101_3x"


def test_an_adapter_with_one_configuration_takes_no_config(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert session.main(precision, root, ["--config", "other"]) == 2
    assert "'adapter.py' has one configuration only; leave --config out" in reason(capsys)


def trained(folder: Path, name: str = "tiny.pth") -> Path:
    torch.manual_seed(99)
    torch.save(tiny_model.TinyNetwork().state_dict(), folder / name)
    return folder / name


def test_weights_of_the_spec_are_loaded_and_their_origin_is_recorded(root: Path) -> None:
    path = trained(root)
    write_spec(root, weights=WeightsSpec(source="file:tiny.pth", sha256=file_sha256(path)))
    facts = saved(root, inference).provenance.weights
    assert (facts.source, facts.file, facts.sha256) == ("file:tiny.pth", "tiny.pth", file_sha256(path))
    assert (facts.random, facts.sha256_fixed_before, facts.size_bytes) == (False, True, path.stat().st_size)
    assert (facts.missing_keys, facts.unexpected_keys, facts.tensors) == ((), (), 4)


def test_which_weights_of_a_file_were_loaded_is_recorded_and_logged(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tiny_model.TinyNetwork().state_dict()
    averaged = {f"module.{name}": value * 2 for name, value in state.items()}
    torch.save({"model": state, "model_ema": averaged | {"n_averaged": torch.tensor(3)}}, root / "tiny.pth")
    spec = write_spec(root, weights=WeightsSpec(source="file:tiny.pth"))
    by_default = saved(root, inference)
    assert [note.code for note in by_default.provenance.weights.notes] == [
        "weights-averaged", "weights-prefix", "left-averaging",
    ]  # fmt: skip
    out, err = capsys.readouterr()
    assert "loaded 1   averaged weights (EMA) from model_ema, with which torchvision evaluates (references/" in out
    assert "weights: the prefix module. was taken off every name" in err
    plain = saved(root, inference, "--no-ema")
    assert [note.code for note in plain.provenance.weights.notes] == ["weights-plain-asked"]
    assert plain.data != by_default.data
    assert plain.spec_sha256 != by_default.spec_sha256 == spec.sha256
    write_spec(root, weights=WeightsSpec(source="file:tiny.pth", ema="plain"))
    assert saved(root, inference).data == plain.data
    asked = saved(root, inference, "--ema").provenance.weights.notes
    assert asked[0].code == "weights-averaged-asked"


def test_a_record_of_plain_weights_says_nothing_of_it_and_keeps_its_hash(root: Path) -> None:
    trained(root)
    write_spec(root, weights=WeightsSpec(source="file:tiny.pth"))
    saved(root, inference)
    assert "notes" not in next((root / "evaluation" / "records").iterdir()).read_text(encoding="utf-8")
    assert '"ema"' not in (root / "spec.json").read_text(encoding="utf-8")
    assert '"classes"' not in (root / "spec.json").read_text(encoding="utf-8")


def test_weights_that_are_at_hand_stand_for_the_reference_of_the_spec(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained(tmp_path, "fetched.pth")
    write_spec(root, weights=WeightsSpec(source="hf:owner/tiny/model.pth"))
    monkeypatch.setenv("NPU_DELIVER_WEIGHTS", str(path))
    facts = saved(root, inference).provenance.weights
    assert (facts.source, facts.sha256, facts.random) == ("hf:owner/tiny/model.pth", file_sha256(path), False)


def test_the_weights_flag_goes_before_what_is_at_hand(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPU_DELIVER_WEIGHTS", str(tmp_path / "not-there.pth"))
    other = trained(tmp_path, "other.pth")
    spec = write_spec(root)
    record = saved(root, inference, "--weights", str(other))
    assert record.provenance.weights.sha256 == file_sha256(other)
    assert not record.provenance.weights.sha256_fixed_before
    assert record.spec_sha256 != spec.sha256
    assert saved(root, inference, "--weights", "random").provenance.weights.random


def test_random_weights_stay_random_whatever_is_at_hand(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPU_DELIVER_WEIGHTS", str(trained(tmp_path)))
    assert saved(root, inference).provenance.weights.random


def test_default_weights_are_those_that_the_adapter_names(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_spec(root, weights=WeightsSpec(source="default"))
    assert session.main(inference, root, []) == 5
    assert reason(capsys) == "adapter.py: knows no default weights; name them in the spec or with --weights"
    trained(root)
    text = (root / "adapter.py").read_text(encoding="utf-8")
    (root / "adapter.py").write_text(
        text.replace(
            "    def build(", "    def default_weights(self):\n        return 'file:tiny.pth'\n\n    def build("
        )
    )
    assert saved(root, inference).provenance.weights.source == "file:tiny.pth"


# --- how a run dies --------------------------------------------------------------------------------------------------


def break_weights(root: Path, how: str) -> None:
    path = trained(root)
    state = torch.load(path, weights_only=True)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "other keys":
        torch.save({"model." + name: t for name, t in state.items() if "stem" in name}, path)
    elif how == "other shape":
        torch.save(state | {"head.weight": torch.zeros(7, 4), "head.bias": torch.zeros(7)}, path)
    elif how == "missing":
        path.unlink()
    write_spec(root, weights=WeightsSpec(source="file:tiny.pth"))


@pytest.mark.parametrize("how", ["truncated", "other keys", "other shape", "missing"])
def test_weights_that_do_not_fit_are_exit_code_5_with_one_line(
    root: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_weights(root, how)
    assert session.main(precision, root, ["--save", str(root / "evaluation")]) == 5
    assert "tiny.pth" in reason(capsys)
    assert not (root / "evaluation").exists()


def edit(root: Path, old: str, new: str) -> None:
    text = (root / "adapter.py").read_text(encoding="utf-8")
    assert old in text
    (root / "adapter.py").write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("return {\"logits\": model(batch)", "raise ValueError('no\\nluck'); return {\"logits\": model(batch)",
         "adapter.py: ValueError: no luck (adapter.py, line "),
        ("TinyNetwork().eval()", "TinyNetwork(1, 2)", "adapter.py: TypeError: "),
        ("TinyNetwork().eval()", "None", "adapter.py: build() must return a torch module, found NoneType"),
        ("return torch.stack(batch)", "return batch", "adapter.py: preprocess() must return a tensor with the 1"),
        ("return best_classes(", "return list(", "adapter.py: TypeError: "),
        ('task = "classification"', 'task = "detection"', "adapter.py: its task is 'detection', the spec says 'class"),
        ("def create_adapter", "def make_adapter", "adapter.py: defines no function create_adapter()"),
        ("import torch\n", "import torch\nimport not_there\n", "adapter.py: the Python package 'not_there'"),
    ],
)  # fmt: skip
def test_an_adapter_that_breaks_is_exit_code_5_with_one_line_that_names_it(
    root: Path, old: str, new: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(root, old, new)
    assert session.main(inference, root, ["--save", str(root / "evaluation")]) == 5
    assert reason(capsys).startswith(told)
    assert not (root / "evaluation").exists()


def test_a_missing_photo_is_exit_code_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "inputs" / "cat.png").unlink()
    for experiment in (inference, precision, performance):
        assert session.main(experiment, root, []) == 2
        assert reason(capsys).startswith("inputs/cat.png: the photo does not exist; restore it")


def test_another_photo_than_the_specs_is_exit_code_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = root / "inputs" / "cat.png"
    photo.write_bytes(photo.read_bytes() + b"\0")
    for experiment in (inference, precision, performance):
        assert session.main(experiment, root, []) == 2
        assert reason(capsys).startswith("inputs/cat.png: is not the photo that spec.json names")


def test_a_corrupt_photo_is_exit_code_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, spec = root / "inputs" / "cat.png", root / "spec.json"
    before = file_sha256(photo)
    photo.write_bytes(b"\x89PNG no")
    spec.write_text(spec.read_text(encoding="utf-8").replace(before, file_sha256(photo)), encoding="utf-8")
    for experiment in (inference, precision, performance):
        assert session.main(experiment, root, []) == 2
        assert reason(capsys).startswith("cat.png: not a readable image (")


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (["--device", "gpu"], 4, "device 'gpu' is unknown; use auto, cpu, cuda:0 or npu:0"),
        (["--device", "npu:0"], 4, "torch_npu is not installed"),
        (["--weights", "hf:"], 2, "hf:"),
        (["--input", "/no/such/photo.jpg"], 2, "/no/such/photo.jpg: the photo does not exist"),
        (["--output", "all.jpg"], 2, "all.jpg: 2 photos do not fit into one file"),
    ],
)
def test_a_flag_that_cannot_be_followed_is_told_in_one_line(
    root: Path, flags: list[str], code: int, told: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch_npu", None)
    assert session.main(inference, root, flags) == code
    assert told in reason(capsys)


@pytest.mark.parametrize("flags", [["--devise", "cpu"], ["--device"], ["photo.jpg"]])
def test_an_unknown_flag_is_exit_code_2_and_help_is_0(
    root: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        session.main(precision, root, flags)
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        session.main(precision, root, ["--help"])
    assert caught.value.code == 0
    assert "--device" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "{", '{"schema": "npu-deliver/spec/9"}'])
def test_a_deliverable_without_a_spec_is_exit_code_2(
    root: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "spec.json").unlink()
    if content is not None:
        (root / "spec.json").write_text(content)
    assert session.main(precision, root, []) == 2
    assert reason(capsys).startswith("spec.json: ")


def test_code_from_elsewhere_does_not_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(codehash, "__file__", "/elsewhere/npu_eval/records/codehash.py")
    assert session.main(precision, root, []) == 2
    assert "npu_eval was loaded from /elsewhere; unset PYTHONPATH" in reason(capsys)


class Failing:
    """An experiment that raises."""

    KIND = KINDS["inference"]
    DESCRIPTION = "fails"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        del parser

    def run(self, context: Any, arguments: argparse.Namespace) -> InferenceData:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyError("nothing\nhere"), 70, "this is a bug in npu-deliver, please report it: KeyError: 'nothing\\nhere'"),
        (RuntimeError("two\nlines"), 70, "this is a bug in npu-deliver, please report it: RuntimeError: two lines"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (DeviceError("gone", where="npu:0"), 4, "npu:0: gone"),
        (OSError(28, "No space left on device", "/full/disk"), 2, "/full/disk: No space left on device; free space"),
        (AdapterError("bad"), 5, "bad"),
    ],
)
def test_every_error_has_its_exit_code_and_one_marked_line(
    root: Path, error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert session.main(Failing(error), root, ["--save", str(root / "evaluation")]) == code
    assert reason(capsys).startswith(told)
    assert not (root / "evaluation").exists()


def test_a_bug_shows_its_traceback(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session.main(Failing(KeyError("x")), root, [])
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    session.main(Failing(ConfigError("x")), root, [])
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_exit_code_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "evaluation").write_text("a file is in the way")
    assert session.main(inference, root, ["--save", str(root / "evaluation")]) == 2
    assert "evaluation: is a file; name another folder with --save" in reason(capsys)


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_model_is_a_copy_in_the_sides_dtype(tmp_path: Path, dtype: str) -> None:
    made = context(tmp_path)
    model = made.model(Side(device="cpu", dtype=dtype), "cpu")
    assert {p.dtype for p in model.parameters()} == {session.dtype_of(Side(device="cpu", dtype=dtype))}
    assert {p.dtype for p in made.network.parameters()} == {torch.float32}
    assert not model.training


def test_a_model_that_does_not_fit_into_memory_is_the_devices_trouble_and_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = context(tmp_path)

    def full(*_: Any, **__: Any) -> Any:
        raise RuntimeError("NPU out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(DeviceError, match=r"^npu:0: the model does not fit into its memory"):
        made.model(made.spec.candidate, "npu:0")


def test_a_recorded_command_names_no_path_of_this_machine_below_the_deliverable(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "inference.py").touch()
    argv = [
        f"{tmp_path}/root/inference.py",
        "--save",
        f"{tmp_path}/root/evaluation",
        "--device",
        "npu:0",
        "/etc",
        "a b",
    ]
    assert session._relative(argv, tmp_path / "root") == [
        "inference.py", "--save", "evaluation", "--device", "npu:0", "/etc", "a b",
    ]  # fmt: skip


# --- as a stranger runs it -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deliverable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete folder: the scripts, our package, the adapter, photos and the spec. It imports nothing from here."""
    folder = tmp_path_factory.mktemp("stranger") / "npu_deliverables"
    shutil.copytree(REPOSITORY / "templates" / "npu_deliverables", folder, ignore=shutil.ignore_patterns("*.j2"))
    ours = Path(npu_eval.__file__).parent
    shutil.copytree(ours, folder / "npu_eval", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(tiny_model.__file__, folder / "adapter.py")
    write_spec(folder)
    return folder


def execute(script: Path, *flags: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NPU_DELIVER"))}
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:npu_eval", str(script), *flags],
        cwd=cwd, env=clean | {"OMP_NUM_THREADS": "1"} | environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "kind"),
    [("inference.py", "inference"), ("evaluation/eval_precision.py", "precision"),
     ("evaluation/eval_performance.py", "performance")],
)  # fmt: skip
def test_the_folder_runs_from_anywhere_with_a_foreign_package_in_the_way(
    deliverable: Path, tmp_path: Path, script: str, kind: str
) -> None:
    foreign = tmp_path / "foreign" / "npu_eval"
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("raise SystemExit('the foreign package was imported')\n")
    before = files(deliverable)
    done = execute(
        deliverable / script, "--save", str(tmp_path / "saved"), cwd=tmp_path, PYTHONPATH=str(foreign.parent)
    )
    assert done.returncode == 0, done.stderr
    assert files(deliverable) == before, "not even bytecode is left behind"
    record = read_record(tmp_path / "saved" / "records" / f"{kind}.json")
    assert record.code_sha256 == code_sha256(deliverable)
    assert record.command[:2] == ("python", script)
    assert (tmp_path / "saved" / "logs" / KINDS[kind].log).read_text(encoding="utf-8") == done.stdout


def test_a_script_tells_its_death_in_one_line_and_by_its_exit_code(deliverable: Path, tmp_path: Path) -> None:
    done = execute(deliverable / "inference.py", "--input", str(tmp_path / "none.jpg"), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith(ERROR_MARK)] == [
        f"{ERROR_MARK}{tmp_path / 'none.jpg'}: the photo does not exist; name a photo or a folder of photos"
    ]


def test_a_format_that_the_device_refuses_is_told_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write_spec(root, numeric_modes={"autocast": "float16"})
    monkeypatch.setattr(autocasting, "read", lambda kind, dtype: "off")
    with pytest.raises(DeviceError, match=r"^cpu: numeric mode autocast stays off: .* not take float16; name another"):
        session.open_context(root, spec, device="cpu", say=print)
