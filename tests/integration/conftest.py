"""A folder of models for whole runs of the real command line, in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

MODELS = Path(__file__).parents[1] / "models"
COMMAND = [sys.executable, "-c", "from npu_deliver.cli import main; main()"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Delivered:
    """A root whose tiny model was delivered once, and what the command printed. Nobody may change it."""

    root: Path
    printed: subprocess.CompletedProcess[str]


def write_root(root: Path) -> Path:
    """A root with the tiny model and two photos of its own, one with a Chinese name."""
    shutil.copytree(MODELS / "tiny", root / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    photos = root / "tiny" / "photos"
    photos.mkdir()
    for name, colour in (("红.png", "#c00000"), ("blue dot.jpg", "#0000c0")):
        image = Image.new("RGB", (64, 48), "#dddddd")
        ImageDraw.Draw(image).ellipse((10, 10, 40, 40), fill=colour)
        image.save(photos / name)
    return root


def command_on(root: Path) -> Run:
    """`npu-deliver …` on that root."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=root.parent, capture_output=True, text=True, timeout=600,
            env={**os.environ, "NPU_DELIVER_ROOT": str(root), **environment},
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    root = write_root(tmp_path_factory.mktemp("delivered") / "deliverables")
    printed = command_on(root)("deliver", "tiny", "--json")
    assert printed.returncode == 0, printed.stderr
    return Delivered(root, printed)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "deliverables")


@pytest.fixture
def finished(root: Path, delivered: Delivered) -> Path:
    """The finished folder of the tiny model in ``root``, as if it had been delivered there a moment ago."""
    shutil.copytree(delivered.root, root, dirs_exist_ok=True)
    return root / "tiny" / "npu_deliverables"


@pytest.fixture
def command(root: Path) -> Run:
    return command_on(root)
