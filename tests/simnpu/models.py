"""Models for the simulated NPU: the tiny one, and ways to break its adapter as ports are broken."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

TINY = Path(__file__).parents[1] / "models" / "tiny"
FORWARD = "class Tiny"


def write_tiny(root: Path, name: str = "tiny", *, adapter: str = "", **evaluation: Any) -> Path:
    """The tiny model below a root; ``adapter`` is appended to its adapter.py, ``evaluation`` changes its spec."""
    folder = root / name
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "photos").mkdir()
    Image.linear_gradient("L").convert("RGB").save(folder / "photos/gradient.png")
    spec = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))
    spec["evaluation"] |= {"reference": {"device": "cpu", "dtype": "float32"}, "device": "npu:0"} | evaluation
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    with (folder / "adapter.py").open("a", encoding="utf-8") as stream:
        stream.write(adapter)
    return folder


def forward(body: str) -> str:
    """An adapter whose forward pass is this; ``outputs`` are those of the unbroken one."""
    return f"""

class Broken(type(create_adapter())):
    def forward(self, model, batch):
        import torch

        outputs = super().forward(model, batch)
        {body}
        return outputs


def create_adapter():
    return Broken()
"""
