from __future__ import annotations

import argparse

import pytest
import torch

from npu_models import CheckpointError, load_checkpoint
from npu_models.checkpoint import unwrapped

WEIGHTS = {"backbone.conv1.weight": torch.ones(2, 3), "backbone.bn1.num_batches_tracked": torch.tensor(0)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"model": w, "iteration": 90000, "optimizer": {"state": {}}},
        lambda w: {"meta": {"epoch": 12, "CLASSES": ("person",)}, "state_dict": w},
        lambda w: {"state_dict": {f"module.{k}": v for k, v in w.items()}},
    ],
    ids=["bare", "detectron2", "mmdet", "data-parallel"],
)
def test_every_wrapping_gives_the_same_weights(tmp_path, wrap):
    torch.save(wrap(WEIGHTS), tmp_path / "model.pth")
    loaded = load_checkpoint(tmp_path / "model.pth")
    assert loaded.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded[key], WEIGHTS[key]) for key in WEIGHTS)


def test_wxinlong_names_become_mmdets(reference):
    lines = (reference.folder / "solov2_wxinlong_to_mmdet.names.txt").read_text().splitlines()
    names = dict(line.split() for line in lines if line and not line.startswith("#"))
    renamed = unwrapped({"state_dict": {old: torch.zeros(1) for old in names}})
    assert list(renamed) == list(names.values())


def test_names_of_early_fcos_files_are_brought_up_to_date():
    old = {f"bbox_head.fcos_{part}.weight": torch.zeros(1) for part in ("cls", "reg", "centerness")}
    assert list(unwrapped(old)) == [f"bbox_head.conv_{part}.weight" for part in ("cls", "reg", "centerness")]


def test_current_fcos_names_stay():
    new = {"bbox_head.conv_cls.weight": torch.zeros(1), "bbox_head.scales.0.scale": torch.tensor(1.0)}
    assert list(unwrapped(new)) == list(new)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"absent\.pth: no such file"):
        load_checkpoint(tmp_path / "absent.pth")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_said_to_be_truncated(tmp_path, part):
    path = tmp_path / "model.pth"
    torch.save({"state_dict": {"w": torch.zeros(4000)}}, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(CheckpointError, match="truncated"):
        load_checkpoint(path)


def test_a_web_page_saved_as_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.pth").write_text("<!DOCTYPE html><html>not found</html>")
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_objects_are_refused_with_a_way_to_convert_them(tmp_path, legacy):
    content = {"meta": argparse.Namespace(epoch=12), "state_dict": WEIGHTS}
    torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"pickled objects besides tensors.*weights_only=False"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path, bad):
    torch.save({"good": torch.ones(2), "head.weight": torch.tensor([1.0, bad])}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"head\.weight holds NaN or infinite"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({}, "no weights"),
        ({"epoch": 3}, "entry 'epoch' is a int"),
        (torch.ones(2), "holds a Tensor"),
    ],
)
def test_files_without_weights_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "model.pth")
