"""A folder of models for whole runs of the real command line, in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

MODELS = Path(__file__).parents[1] / "models"
COMMAND = [sys.executable, "-c", "from npu_deliver.cli import main; main()"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the tiny model and two photos of its own, one with a Chinese name."""
    root = tmp_path / "deliverables"
    shutil.copytree(MODELS / "tiny", root / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    photos = root / "tiny" / "photos"
    photos.mkdir()
    for name, colour in (("红.png", "#c00000"), ("blue dot.jpg", "#0000c0")):
        image = Image.new("RGB", (64, 48), "#dddddd")
        ImageDraw.Draw(image).ellipse((10, 10, 40, 40), fill=colour)
        image.save(photos / name)
    return root


@pytest.fixture
def command(root: Path) -> Run:
    """Run `npu-deliver …` on that root."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=root.parent, capture_output=True, text=True, timeout=600,
            env={**os.environ, "NPU_DELIVER_ROOT": str(root), **environment},
        )  # fmt: skip

    return run
