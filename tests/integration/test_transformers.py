"""A model of transformers from a folder: its configuration travels, so the finished folder runs by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tiny_transformers
from integration.conftest import Run

SAM3 = Path(__file__).parents[2] / "deliverables" / "sam3"


@pytest.mark.slow
def test_a_whole_deliverable_from_a_folder(root: Path, command: Run) -> None:
    checkpoint = tiny_transformers.write(root.parent / "small-convnext", "convnextv2")
    photos = root / "tiny" / "photos"
    made = command("deliver", "transformers:./small-convnext", "--device", "cpu", "--tier", "smoke", "--budget", "0",
                   "--input", str(photos), "--json")  # fmt: skip
    assert made.returncode == 0, made.stderr
    folder = root / "transformers_small-convnext" / "npu_deliverables"
    assert command("verify", str(folder)).returncode == 0
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))["evaluation"]
    assert (spec["adapter"], spec["task"]) == ("transformers:small-convnext", "classification")
    assert spec["weights"]["source"] == "file:model.safetensors"
    assert (folder / "model/config.json").read_bytes() == (checkpoint / "config.json").read_bytes()
    assert "transformers==" in (folder / "requirements.txt").read_text(encoding="utf-8")
    for page in folder.rglob("*"):
        assert not page.is_file() or str(checkpoint).encode() not in page.read_bytes(), page

    script = [sys.executable, "inference.py", "--weights", str(checkpoint / "model.safetensors")]
    script += ["--input", str(photos), "--output", str(root / "out")]
    alone = subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=300)
    assert alone.returncode == 0, alone.stderr
    assert len(list((root / "out").iterdir())) == 2

    config = folder / "model/config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"cat"', '"cow"'), encoding="utf-8")
    changed = command("verify", str(folder))
    assert changed.returncode == 8
    assert "model/config.json" in changed.stdout + changed.stderr


@pytest.mark.slow
def test_a_whole_deliverable_of_a_small_sam3(root: Path, command: Run) -> None:
    shutil.copytree(SAM3, root / "sam3", ignore=shutil.ignore_patterns("npu_deliverables", ".*", "__pycache__"))
    checkpoint = tiny_transformers.write_sam3(root.parent / "small-sam3")
    made = command("deliver", "sam3", "--weights", str(checkpoint), "--device", "cpu", "--tier", "smoke",
                   "--budget", "0", "--words", "shoe, hot dog", "--input", str(root / "tiny" / "photos"),
                   "--json")  # fmt: skip
    assert made.returncode in (0, 1), made.stderr  # random weights give objects of nearly equal scores
    folder = root / "sam3" / "npu_deliverables"
    assert command("verify", str(folder)).returncode == 0
    record = json.loads((folder / "evaluation/records/precision.json").read_text(encoding="utf-8"))
    outputs = {entry["output"] for entry in record["data"]["differences"]}
    assert outputs == {"pred_logits", "pred_boxes", "pred_masks", "presence_logits", "semantic_seg"}
    assert (folder / "model/config.json").is_file()
    asked = json.loads((folder / "spec.json").read_text(encoding="utf-8"))["evaluation"]["classes"]
    assert asked == {"count": 2, "names": ["shoe", "hot dog"]}
    assert (folder / "npu_eval/sam3/vocabulary/merges.txt.gz").is_file()
