"""What an experiment works with, around the tiny model and a folder of small photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import samples
from npu_eval.asked.spec import EvalSpec, InputFile, Side, TimingProtocol, WeightsSpec
from npu_eval.device.device import Device, open_device
from npu_eval.jsonio import file_sha256
from npu_eval.session.script import Context
from tiny_model import TinyClassifier


def photos(root: Path, names: tuple[str, ...] = ()) -> tuple[InputFile, ...]:
    """Small photos of different content below ``root/inputs``; without names those that are there, else two."""
    (root / "inputs").mkdir(parents=True, exist_ok=True)
    there = tuple(sorted(path.name for path in (root / "inputs").glob("*.*g")))
    names = names or there or ("cat.png", "flower.png")
    for number, name in enumerate(n for n in names if n not in there):
        noise = torch.randint(0, 256, (12, 20, 3), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
        Image.fromarray(noise.numpy()).save(root / "inputs" / name)
    return tuple(InputFile(path=f"inputs/{name}", sha256=file_sha256(root / "inputs" / name)) for name in names)


def cpu_spec(root: Path, **changes: Any) -> EvalSpec:
    """A spec that runs in a moment on the CPU: random weights, and photos that it makes."""
    spec = samples.eval_spec(
        weights=WeightsSpec(source="random"),
        inputs=changes.pop("inputs", None) or photos(root),
        candidate=Side(device="cpu", dtype="float32"),
        timing=TimingProtocol(tier="smoke", batch_sizes=(1, 2), limit_s=0.1, warmup_limit_s=0.05),
    )
    return replace(spec, **changes)


def context(
    root: Path, *, adapter: Any = None, device: Device | None = None, said: list[str] | None = None, **changes: Any
) -> Context:
    """The context of an experiment on the tiny model, seeded; ``changes`` are of the spec."""
    adapter = adapter or TinyClassifier()
    torch.manual_seed(0)
    return Context(
        root=root,
        spec=cpu_spec(root, **changes),
        adapter=adapter,
        device=device or open_device("cpu"),
        network=adapter.build(),
        weights=samples.random_weights(),
        say=(said if said is not None else []).append,
    )
