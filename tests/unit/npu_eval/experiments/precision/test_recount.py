"""Outputs that were kept give, in another process, the very numbers that the run counted; altered ones are refused."""

import argparse
import json
import struct
from dataclasses import fields, replace

import pytest

from contexts import context
from npu_eval.asked.spec import Side
from npu_eval.errors import ConfigError, RecordError
from npu_eval.experiments.precision import recount
from npu_eval.experiments.precision import run as precision
from npu_eval.experiments.precision.data import Recounted
from npu_eval.experiments.precision.kept_outputs import DESCRIPTION, kept_inputs
from npu_eval.references.tensor_file import read_tensors, write_tensors


def kept(folder, **changes):
    """(the spec, what the run counted), with its outputs in ``folder/outputs``."""
    made = context(folder, **changes)
    return made.spec, precision.run(made, argparse.Namespace(outputs=folder / "outputs"))


def said(line):
    """Nobody listens."""


@pytest.mark.parametrize(
    "changes",
    [
        {"repeats": 1},
        {"repeats": 3},
        {"candidate": Side(device="cpu", dtype="bfloat16")},
        {"reference": Side(device="cpu", dtype="float32")},
    ],
)
def test_kept_outputs_give_the_numbers_of_the_run(tmp_path, changes):
    spec, data = kept(tmp_path, **changes)
    again = recount.recounted(tmp_path / "outputs", spec, said)
    for field in fields(Recounted):
        assert getattr(again, field.name) == getattr(data, field.name), field.name
    assert data.floors
    assert data.rankings


def test_sides_that_are_the_floor_already_are_kept_once(tmp_path):
    spec, _ = kept(tmp_path, repeats=2)
    names = read_tensors(tmp_path / "outputs/input-000.safetensors").keys()
    assert {name.partition("/")[0] for name in names} == {"reference", "candidate", "repeat-1"}
    assert kept_inputs(tmp_path / "outputs", spec)[0].floor == ("reference", "candidate")


def test_what_lies_there_is_not_overwritten(tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something already"):
        kept(tmp_path)


def told(folder, change):
    path = folder / "outputs" / DESCRIPTION
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value["inputs"][0])
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"input": "inputs/other.png"},
        {"file": "../../etc/passwd"},
        {"file": "input-001.safetensors"},
        {"repeats": 0},
        {"floor": ["candidate", "candidate"]},
        {"floor": ["candidate"]},
        {"outputs": []},
        {"outputs": ["absent"]},
    ],
)
def test_a_description_of_other_runs_is_refused(tmp_path, change):
    spec, _ = kept(tmp_path, repeats=2)
    told(tmp_path, lambda one: one.update(change))
    with pytest.raises(RecordError):
        recount.recounted(tmp_path / "outputs", spec, said)


def test_outputs_of_another_spec_are_refused(tmp_path):
    spec, _ = kept(tmp_path, repeats=2)
    with pytest.raises(RecordError, match="other runs"):
        recount.recounted(tmp_path / "outputs", replace(spec, repeats=3), said)


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"schema": "npu-deliver/outputs/1", "inputs": []}', "[" * 10**5]
)
def test_a_description_that_is_none_is_refused(tmp_path, text):
    spec, _ = kept(tmp_path)
    path = tmp_path / "outputs" / DESCRIPTION
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError):
        recount.recounted(tmp_path / "outputs", spec, said)


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04N.",
        header({"reference/logits": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}) + b"\0" * 8,
        header({"reference/logits": {"dtype": "F32", "shape": [10**30, 0], "data_offsets": [0, 0]}}),
        header({"reference/logits": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}) + b"\0" * 8,
    ],
)
def test_a_file_that_no_writer_of_ours_makes_is_refused(tmp_path, content):
    spec, _ = kept(tmp_path)
    (tmp_path / "outputs/input-000.safetensors").write_bytes(content)
    with pytest.raises(RecordError):
        recount.recounted(tmp_path / "outputs", spec, said)


def test_links_are_not_followed(tmp_path):
    spec, _ = kept(tmp_path)
    path = tmp_path / "outputs/input-000.safetensors"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="is missing"):
        recount.recounted(tmp_path / "outputs", spec, said)


def test_tensors_that_were_changed_give_other_numbers(tmp_path):
    spec, data = kept(tmp_path)
    path = tmp_path / "outputs/input-000.safetensors"
    tensors = read_tensors(path)
    path.unlink()
    write_tensors(path, {name: t if name.startswith("reference/") else t + 1 for name, t in tensors.items()})
    again = recount.recounted(tmp_path / "outputs", spec, said)
    assert again.differences[0].candidate_sha256 != data.differences[0].candidate_sha256
    assert again.differences[0].reference_sha256 == data.differences[0].reference_sha256
    assert again.differences[0].max_abs_diff == pytest.approx(1.0, rel=1e-3)


def test_the_process_that_counts_needs_outputs_to_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NPU_DELIVER_OUTPUTS", raising=False)
    assert recount.main(tmp_path) == 2
    assert "no outputs are named" in capsys.readouterr().err
