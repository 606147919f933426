"""The other layouts on a tiny network: their own scripts run, from any working directory, and leave what verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import Run
from npu_eval.asked.layout import LAYOUTS


@pytest.mark.parametrize("name", ["eval_results", "flat"])
def test_its_scripts_run_and_what_they_leave_verifies(root: Path, command: Run, name: str) -> None:
    layout, folder = LAYOUTS[name], root / "tiny" / name
    made = command("deliver", "tiny", "--profile", name, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["overall"] == "PASS"
    assert command("report", "tiny", "--profile", name, "--lang", "en").returncode == 0
    assert "adaptation report" in (folder / layout.at("readme.md")).read_text(encoding="utf-8")
    script = folder / layout.at("evaluation/eval_precision.py")
    told = subprocess.run([sys.executable, script, "--help"], cwd="/", capture_output=True, text=True)
    assert (told.returncode, f"example: python {layout.at('evaluation/eval_precision.py')} " in told.stdout) == (
        0,
        True,
    )
    checked = command("audit", str(folder))
    assert checked.returncode == 0, checked.stdout
