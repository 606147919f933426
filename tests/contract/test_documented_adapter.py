"""The how-to's own model works as printed: its spec loads, and its adapter keeps the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from npu_deliver.spec.spec import Overrides, load
from npu_eval.models.adapter import checked_build, checked_forward, checked_preprocess, resolve

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "own-model.md"
PHOTOS = sorted((ROOT / "src" / "npu_deliver" / "staging" / "samples").glob("*.jpg"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    blocks = dict(re.findall(r"```(yaml|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    folder = tmp_path / "my_model"
    folder.mkdir()
    (folder / "spec.yaml").write_text(blocks["yaml"].replace("sha256: …", f"sha256: {'0' * 64}"), encoding="utf-8")
    (folder / "adapter.py").write_text(blocks["python"], encoding="utf-8")
    return tmp_path


def test_the_printed_spec_loads(root: Path) -> None:
    spec = load("my_model", root, overrides=Overrides(weights="random")).spec
    assert (spec.adapter, spec.task, spec.weights.source) == ("adapter.py", "features", "random")


def test_the_printed_adapter_keeps_the_contract(root: Path) -> None:
    adapter = resolve("adapter.py", root / "my_model")
    network = checked_build(adapter, "adapter.py")
    batch = checked_preprocess(adapter, PHOTOS[:2], "adapter.py")
    assert (batch.shape, batch.dtype) == ((2, 3, 224, 224), torch.float32)
    outputs = checked_forward(adapter, network, batch, "adapter.py")
    assert {name: tuple(tensor.shape) for name, tensor in outputs.items()} == {"features": (2, 8)}
