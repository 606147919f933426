"""A file that hides a library is named, from what Python prints; a library that fails by itself accuses nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from npu_eval.process.shadows import shadow_in


def died(folder: Path, code: str) -> str:
    """What Python prints of some code that looks for modules in a folder first."""
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=120,
                          env={"PYTHONPATH": str(folder)}, cwd=folder)  # fmt: skip
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("random.py", "x = 1\n", "import tempfile"),
        ("json.py", "raise RuntimeError('mine')\n", "import json"),
        ("numpy.py", "", "import numpy; numpy.zeros(1)"),
        ("torch.py", "", "from torch import nn"),
        ("torch.py", "", "import torch.nn"),
        ("yaml/__init__.py", "", "import yaml; yaml.safe_load"),
        ("PIL/readme.txt", "", "from PIL import Image"),
        ("queue.py", "def f(:\n", "import queue"),
        ("statistics.py", "import statistics\nstatistics.mean([1])\n", "import statistics"),
    ],
)
def test_the_file_is_named(tmp_path: Path, name: str, content: str, code: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    found = shadow_in(died(tmp_path, code), [tmp_path])
    assert found is not None
    assert found.name == name.partition("/")[0].removesuffix(".py")
    assert Path(found.path) in (path, path.parent)
    assert "rename" in found.fix


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "import torch"),
        ({"mine.py": "import absent\n"}, "import mine"),
        ({"mine.py": "1 / 0\n"}, "import mine"),
        ({"mine/__init__.py": "", "mine/queue.py": "1 / 0\n"}, "import mine.queue"),
        ({}, "import json; json.loads('{')"),
    ],
)
def test_what_fails_by_itself_accuses_nobody(tmp_path: Path, files: dict[str, str], code: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert shadow_in(died(tmp_path, code), [tmp_path]) is None
