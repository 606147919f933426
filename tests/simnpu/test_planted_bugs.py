"""The bugs that porting is made of, planted into a model that works: each is caught, and the culprit named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simnpu.conftest import Done, Machine
from simnpu.models import forward, write_tiny

pytestmark = pytest.mark.slow


def the_line(done: Done) -> str:
    return next(line for line in reversed(done.stderr.splitlines()) if line.startswith("npu-deliver: "))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('outputs["logits"] = outputs["logits"] + torch.zeros(10)', r"same device"),
        ('outputs["logits"] = outputs["logits"].cuda()', r"CUDA|NVIDIA|cuda"),
    ],
    ids=["a tensor made on the CPU", "a .cuda() that was left"],
)
def test_a_tensor_on_the_wrong_device_names_the_adapter(
    simnpu: Callable[..., Machine], tmp_path: Path, body: str, said: str
) -> None:
    write_tiny(tmp_path, adapter=forward(body))
    done = simnpu().cli("run", "tiny", "--root", str(tmp_path))
    assert done.returncode == 5, done.stderr
    line = the_line(done)
    assert "adapter.py" in line
    assert any(word in line for word in said.split("|"))


def test_an_operator_that_silently_runs_on_the_cpu_fails_the_run(
    simnpu: Callable[..., Machine], tmp_path: Path
) -> None:
    body = """from torchvision.ops import nms

        boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0]], device=batch.device)
        if batch.device.type == "npu":
            nms(boxes, torch.tensor([0.9, 0.8], device=batch.device), 0.5)"""
    folder = write_tiny(tmp_path, adapter=forward(body))
    done = simnpu().cli("deliver", "tiny", "--root", str(tmp_path), "--lang", "en")
    assert done.returncode == 1, done.stderr
    assert "FAIL (simulated) no-cpu-fallback" in done.stdout
    record = json.loads((folder / "npu_deliverables/evaluation/records/precision.json").read_text())
    (found,) = record["provenance"]["fallbacks"]
    assert found["operator"] == "torchvision::nms"
    assert found["calls"] == 2, "one photo, run twice"
    assert (
        "torchvision::nms (2 calls)"
        in (folder / "npu_deliverables/evaluation/logs/precision_eval.simulated.log").read_text()
    )
    assert "torchvision::nms" in (folder / "npu_deliverables/readme.simulated.md").read_text()


TIMING = """
import json, sys, torch
from npu_eval.device.device import open_device, timed
device = open_device("npu:0")
x = torch.ones(8, device="npu:0")
def call():
    y = x
    for _ in range(20):
        y = y + 1
if sys.argv[1] == "planted":
    object.__setattr__(device, "synchronize", lambda: None)
print("\\n" + json.dumps(timed(device, call)[0]))
"""


def test_a_timing_loop_that_does_not_synchronise_is_seen(simnpu: Callable[..., Machine]) -> None:
    machine = simnpu(latency_us=20_000)  # 20 kernels take the device 0.4 s, whatever else the machine does
    sound, planted = (json.loads(machine.python(TIMING, how).stdout.splitlines()[-1]) for how in ("sound", "planted"))
    assert sound >= 0.4
    assert planted < sound, "without waiting only the time to submit is seen"
