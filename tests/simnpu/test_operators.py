"""Which operators have a kernel is asked of the real torch_npu."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simnpu.conftest import Machine
from simnpu.models import forward, write_tiny

pytestmark = pytest.mark.slow

DETECTING = """from torchvision.ops import nms, roi_align

        boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0]], device=batch.device)
        nms(boxes, torch.tensor([0.9, 0.8], device=batch.device), 0.5)
        roi_align(batch, [boxes], 2)"""


def test_operators_without_a_kernel_are_listed(simnpu: Callable[..., Machine], tmp_path: Path) -> None:
    write_tiny(tmp_path, adapter=forward(DETECTING))
    done = simnpu(kernels=False, devices=0).cli("ops", "tiny", "--root", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    registered = {entry["operator"].partition(".")[0]: entry["registered"] for entry in found["operators"]}
    assert registered["torchvision::nms"] is False
    assert registered["torchvision::roi_align"] is False
    assert "aten::relu" in registered
    assert all(known for name, known in registered.items() if name.startswith("aten::")), registered
    assert not {"aten::conv2d", "aten::flatten"} & set(registered), "what is made of others is taken apart"
    assert found["versions"]["torch_npu"].startswith("2.")
    assert not (tmp_path / "tiny/npu_deliverables").exists(), "nothing is made"


def test_without_torch_npu_nothing_can_be_said(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    done = Machine({}).cli("ops", "tiny", "--root", str(tmp_path))
    assert done.returncode == 4
    assert "torch_npu is not installed" in done.stderr
