"""The whole line on a tiny detector: detections matched, training steps compared, masks drawn, all of it verified."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

import tiny_detector
from integration.conftest import Run


@pytest.fixture
def detector(root: Path) -> Path:
    """The tiny detector beside the tiny classifier, with its photos."""
    folder = root / "seer"
    shutil.copytree(root / "tiny" / "photos", folder / "photos")
    shutil.copy(tiny_detector.__file__, folder / "adapter.py")
    spec = {
        "name": "seer", "adapter": "adapter.py", "task": "instance-segmentation", "model": {"title": "Seer"},
        "weights": {"source": "random"}, "inputs": ["photos"], "requirements": ["torchvision"],
        "evaluation": {"device": "cpu", "timing": {"tier": "smoke", "batch_sizes": [1]},
                       "training": {"steps": 2, "side": 64}},
    }  # fmt: skip
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder


def test_a_detector_with_training_is_made_verified_and_protected(detector: Path, command: Run) -> None:
    made = command("deliver", "seer")
    assert made.returncode in (0, 1), made.stderr  # a busy machine may make fewer calls than the default profile wants
    folder = detector / "npu_deliverables"
    assert command("verify", str(folder)).returncode == 0
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    status = {v["criterion"]: v["status"] for v in summary["verdicts"]}
    assert {name for name, verdict in status.items() if verdict != "PASS"} <= {"timed-calls"}
    assert {"detection-match", "detection-box", "detection-mask", "detection-score", "loss-error"} <= status.keys()
    assert [e["experiment"] for e in summary["evidence"]] == ["inference", "precision", "performance", "training"]
    assert "### 检测结果一致性" in (folder / "readme.md").read_text(encoding="utf-8")
    assert command("report", "seer", "--lang", "en").returncode in (0, 1)
    page = folder / "readme.md"
    text = page.read_text(encoding="utf-8")
    assert "### Agreement of the detections" in text
    assert "evaluation/screenshots/training_chart.png" in text
    row = next(line for line in text.splitlines() if line.startswith("| 1 | loss_fit"))
    loss = row.split("|")[3].strip()
    page.write_text(text.replace(row, row.replace(loss, "7.777e-01", 1)), encoding="utf-8")
    found = command("verify", str(folder))
    assert found.returncode == 8
    assert re.search(r"7\.777e-01.*rendering its records gives", found.stdout)
