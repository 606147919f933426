from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from contexts import context
from npu_eval.asked.spec import Side
from npu_eval.errors import AdapterError, RecordError
from npu_eval.experiments.precision import run as precision
from npu_eval.jsonio import file_sha256
from npu_eval.records.bundle import Bundle, BundleWriter, open_bundle
from npu_eval.references import make as make_reference
from npu_eval.references.outputs import state_sha256
from npu_eval.references.tensor_file import read_tensors, write_tensors
from tiny_detector import TinyDetector
from tiny_model import TinyClassifier

NOTHING = argparse.Namespace(outputs=None)


def made(root: Path, folder: Path, **changes: Any) -> Bundle:
    """A bundle made in one tree."""
    where = context(root, **changes)
    make_reference.run(where, BundleWriter(folder), spec_sha256=where.spec.sha256)
    return open_bundle(folder)


def against(root: Path, bundle: Bundle, **changes: Any) -> Any:
    """The precision experiment in another tree, with a bundle."""
    return precision.run(replace(context(root, **changes), bundle=bundle), NOTHING)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("adapter", [TinyClassifier, TinyDetector])
def test_a_bundle_of_another_tree_gives_what_a_direct_run_gives(
    tmp_path: Path, adapter: Callable[[], Any], dtype: str
) -> None:
    changes = {"adapter": adapter(), "reference": Side(device="cpu", dtype=dtype)}
    bundle = made(tmp_path / "there", tmp_path / "bundle", **changes)
    assert against(tmp_path / "here", bundle, **changes) == precision.run(
        context(tmp_path / "here", **changes), NOTHING
    )


def test_nothing_of_the_reference_is_computed_again(tmp_path: Path) -> None:
    bundle = made(tmp_path, tmp_path / "bundle")

    class OnlyNarrow(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            assert batch.dtype is torch.float32
            return super().forward(model, batch)

    assert against(tmp_path, bundle, adapter=OnlyNarrow()).differences


def test_the_network_decides_not_where_its_weights_came_from(tmp_path: Path) -> None:
    bundle = made(tmp_path, tmp_path / "bundle")
    here = replace(context(tmp_path), bundle=bundle)
    with torch.no_grad():
        here.network.get_parameter("head.bias")[0] += 1e-6
    with pytest.raises(RecordError, match=r"^bundle: was made with other weights: what the network holds differs"):
        precision.run(here, NOTHING)


def test_another_preprocessing_is_refused_with_how_far_it_is(tmp_path: Path) -> None:
    class Brighter(TinyClassifier):
        def preprocess(self, photos: Any) -> torch.Tensor:
            return super().preprocess(photos) + 0.25

    class Larger(TinyClassifier):
        def preprocess(self, photos: Any) -> torch.Tensor:
            return super().preprocess(photos).repeat(1, 1, 2, 1)

    bundle = made(tmp_path, tmp_path / "bundle")
    with pytest.raises(RecordError, match=r"'inputs/cat\.png' is preprocessed to other values .* difference 0\.25\)"):
        against(tmp_path, bundle, adapter=Brighter())
    with pytest.raises(RecordError, match=r"is preprocessed to torch\.float32 \(1, 3, 32, 16\) here"):
        against(tmp_path, bundle, adapter=Larger())


def test_another_photo_is_refused(tmp_path: Path) -> None:
    bundle = made(tmp_path / "there", tmp_path / "bundle")
    (tmp_path / "here" / "inputs").mkdir(parents=True)
    for name in ("cat.png", "flower.png"):
        Image.linear_gradient("L").convert("RGB").save(tmp_path / "here" / "inputs" / name)
    with pytest.raises(RecordError, match=r"was made with another photo as 'inputs/cat\.png': its sha256 differs"):
        against(tmp_path / "here", bundle)


def test_a_missing_output_is_named(tmp_path: Path) -> None:
    whole = made(tmp_path, tmp_path / "whole")
    writer = BundleWriter(tmp_path / "bundle")
    for member in whole.members("input"):
        tensors = read_tensors(whole.path(member))
        del tensors["float64/features"]
        writer.add(member.name, member.kind, lambda path, tensors=tensors: write_tensors(path, tensors))
    bundle = writer.finish(replace(whole.description, members=writer.members))
    said = r"^bundle/input-000\.safetensors: holds no output 'features' in float64 of 'inputs/cat\.png'"
    with pytest.raises(RecordError, match=said):
        against(tmp_path, bundle)


def test_outputs_that_the_candidate_alone_has_are_named(tmp_path: Path) -> None:
    class More(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return {**super().forward(model, batch), "new": batch}

    with pytest.raises(AdapterError, match="outputs new exist on one side only"):
        against(tmp_path, made(tmp_path, tmp_path / "bundle"), adapter=More())


def test_a_member_altered_after_the_start_is_still_found(tmp_path: Path) -> None:
    bundle = made(tmp_path, tmp_path / "bundle")
    path = tmp_path / "bundle" / "input-001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"^bundle/input-001\.safetensors: is altered: its sha256"):
        against(tmp_path, bundle)


def test_the_hash_of_a_network_is_of_names_and_values() -> None:
    torch.manual_seed(0)
    network = TinyClassifier().build()
    before = state_sha256(network)
    assert state_sha256(nn.ModuleDict({"inner": network})) != before
    torch.manual_seed(0)
    assert state_sha256(TinyClassifier().build()) == before
    assert state_sha256(network.double()) != before


def test_the_same_outputs_make_the_same_members(tmp_path: Path) -> None:
    for name in ("one", "two"):
        made(tmp_path, tmp_path / name)
    for member in ("input-000.safetensors", "input-001.safetensors"):
        assert file_sha256(tmp_path / "one" / member) == file_sha256(tmp_path / "two" / member)
