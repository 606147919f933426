from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import samples
import tiny_model
from contexts import context, cpu_spec
from npu_deliver.experiments.registry import read_record
from npu_eval.asked.spec import Side
from npu_eval.errors import AdapterError, ConfigError, error_line
from npu_eval.experiments.precision import run as precision
from npu_eval.jsonio import dumps
from npu_eval.records import codehash
from npu_eval.records.bundle import BundleWriter, check_whole, open_bundle
from npu_eval.references import make as make_reference
from npu_eval.references.tensor_file import read_tensors
from npu_eval.session import script as session
from tiny_model import TinyClassifier


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A deliverable's folder as far as a script in this process sees it."""
    folder = tmp_path / "deliverable"
    folder.mkdir()
    shutil.copy(tiny_model.__file__, folder / "adapter.py")
    (folder / "spec.json").write_text(dumps(samples.spec_file(evaluation=cpu_spec(folder))), encoding="utf-8")
    monkeypatch.setattr(codehash, "__file__", str(folder / "npu_eval" / "records" / "codehash.py"))
    monkeypatch.setattr(sys, "argv", [str(folder / "make_reference.py"), "--output", "elsewhere"])
    monkeypatch.delenv("NPU_DELIVER_REFERENCE", raising=False)
    yield folder
    sys.modules.pop("adapter", None)


def reason(capsys: pytest.CaptureFixture[str]) -> str:
    """What the script said of its death."""
    (line,) = [told for line in capsys.readouterr().err.splitlines() if (told := error_line(line)) is not None]
    return line


def test_a_bundle_holds_every_output_in_both_dtypes_and_what_the_network_saw(tmp_path: Path) -> None:
    where = context(tmp_path)
    make_reference.run(where, BundleWriter(tmp_path / "b"), spec_sha256=where.spec.sha256)
    bundle = open_bundle(tmp_path / "b")
    assert [entry.path for entry in bundle.description.inputs] == ["inputs/cat.png", "inputs/flower.png"]
    for entry, photo in zip(bundle.description.inputs, where.photos(), strict=True):
        assert (entry.outputs, entry.dtypes) == (("logits", "features"), ("float64", "float32"))
        tensors = read_tensors(tmp_path / "b" / entry.member)
        batch = where.preprocess([photo])
        assert torch.equal(tensors["input"], batch)
        with torch.inference_mode():
            assert torch.equal(tensors["float32/logits"], where.network(batch))
        assert tensors["float64/features"].dtype is torch.float64


def test_a_network_that_cannot_run_in_another_dtype_is_recorded_in_its_own(tmp_path: Path) -> None:
    class Narrow(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return super().forward(model, batch.float())

    said: list[str] = []
    narrow = Side(device="cpu", dtype="float32")
    where = context(tmp_path, adapter=Narrow(), said=said, reference=narrow)
    make_reference.run(where, BundleWriter(tmp_path / "b"), spec_sha256=where.spec.sha256)
    assert {entry.dtypes for entry in open_bundle(tmp_path / "b").description.inputs} == {("float32",)}
    assert len([line for line in said if line.startswith("[reference] float64 is left out: adapter.py: ")]) == 1
    with pytest.raises(AdapterError):
        make_reference.run(context(tmp_path, adapter=Narrow()), BundleWriter(tmp_path / "c"), spec_sha256="")


def test_too_little_room_is_told_with_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    said = r"the reference bundle needs about 0\.00 GiB and 0\.00 GiB are free; free some space"
    with pytest.raises(ConfigError, match=said):
        make_reference.run(context(tmp_path), BundleWriter(tmp_path / "b"), spec_sha256="")


def test_the_script_leaves_a_whole_bundle_and_nothing_else(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "bundle"
    output.parent.mkdir()
    assert make_reference.main(root, ["--output", str(output)]) == 0
    assert [path.name for path in output.parent.iterdir()] == ["bundle"]
    bundle = open_bundle(output)
    check_whole(bundle)
    assert bundle.description.command == ("python", "make_reference.py", "--output", "elsewhere")
    assert bundle.description.provenance.weights.random


def test_an_earlier_bundle_is_replaced_and_nothing_else_is(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bundle"
    for _ in range(2):
        assert make_reference.main(root, ["--output", str(output)]) == 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    capsys.readouterr()
    assert make_reference.main(root, ["--output", str(tmp_path / "mine")]) == 2
    assert reason(capsys).endswith("holds something that is no reference bundle; name another folder with --output")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_a_failure_keeps_the_earlier_bundle(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "bundle"
    assert make_reference.main(root, ["--output", str(output)]) == 0
    before = open_bundle(output).sha256
    monkeypatch.setattr(make_reference, "write_tensors", _full)
    assert make_reference.main(root, ["--output", str(output)]) == 2
    assert open_bundle(output).sha256 == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def _full(path: Path, tensors: Any) -> None:
    raise OSError(28, "No space left on device", str(path))


def test_the_precision_script_takes_a_bundle_and_says_so(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(*flags: str) -> Any:
        assert session.main(precision, root, [*flags, "--save", str(tmp_path / "evaluation")]) in (0, 1)
        return read_record(tmp_path / "evaluation/records/precision.json")

    direct = record()
    assert make_reference.main(root, ["--output", str(tmp_path / "bundle")]) == 0
    capsys.readouterr()
    found = record("--reference", str(tmp_path / "bundle"))
    sha256 = open_bundle(tmp_path / "bundle").sha256
    assert found.data == direct.data
    assert found.provenance.reference_bundle.sha256 == sha256
    assert direct.provenance.reference_bundle is None
    out = capsys.readouterr().out
    assert f"bundle     sha256 {sha256}\n" in out
    assert "made on    cpu (" in out
    monkeypatch.setenv("NPU_DELIVER_REFERENCE", str(tmp_path / "bundle"))
    assert record().provenance.reference_bundle.sha256 == sha256


@pytest.mark.parametrize(("device", "code"), [("npu:0", 4), ("gpu", 4), ("cuda:7", 4)])
def test_a_device_that_cannot_make_a_reference(
    root: Path, tmp_path: Path, device: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_reference.main(root, ["--output", str(tmp_path / "b"), "--device", device]) == code
    assert device in reason(capsys)
    assert not (tmp_path / "b").exists()


def test_damage_is_told_by_the_script_before_it_computes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_reference.main(root, ["--output", str(tmp_path / "bundle")]) == 0
    with (tmp_path / "bundle" / "input-001.safetensors").open("ab") as stream:
        stream.write(b"x")
    capsys.readouterr()
    assert session.main(precision, root, ["--reference", str(tmp_path / "bundle")]) == 9
    assert reason(capsys).startswith("bundle/input-001.safetensors: is altered: it has ")
    assert session.main(precision, root, ["--reference", str(tmp_path / "nothing")]) == 2
