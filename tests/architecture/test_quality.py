"""Style and types are part of the tests, so that one command tells whether a change is fit to land."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize("command", [["check", "."], ["format", "--check", "."]], ids=["ruff", "ruff format"])
def test_ruff(command: list[str]) -> None:
    done = subprocess.run([TOOLS / "ruff", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_mypy() -> None:
    done = subprocess.run([TOOLS / "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
