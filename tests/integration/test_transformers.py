"""A model of transformers from a folder: its configuration travels, so the finished folder runs by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tiny_transformers
from integration.conftest import Run


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
