"""Seconds of the three networks, plain and optimised, beside those of the original code.

    python benchmarks/networks.py --size 800 --threads 2 --repeats 5

Network = normalised tensor in, raw outputs out. End to end = picture in, detections out. The best of the repeats is
shown: on a shared machine the others measure the neighbours. CPU seconds are of all threads of this process.

The originals' figures are one machine's (2 cores of an AMD EPYC with AVX-512, 800 x 800, 2 threads, formula weights);
the ratio says something on such a machine only. The weights are the formula weights of the recorded reference outputs
if ``NPU_DELIVER_TEST_DATA`` leads to them, so that as many objects are found as there; else seeded random ones.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import npu_models
from npu_models import Network
from npu_models.random_weights import randomise

ORIGINAL = {
    # end to end, wall and CPU
    "blendmask/R_50_1x": (2.30, 4.5),
    "fcos/r50_caffe_fpn_gn-head_1x": (2.05, 4.0),
    "solov2/r50_fpn_1x": (3.54, 6.9),
}


@dataclass(frozen=True)
class Seconds:
    """The best of several runs."""

    wall: float
    cpu: float


def measure(run: Callable[[], object], repeats: int) -> Seconds:
    run()  # the first run chooses kernels and fills caches
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Seconds(min(walls), min(cpus))


def picture(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randint(0, 256, (size // 32 + 1, size // 32 + 1, 3), generator=generator)
    blocks = coarse.repeat_interleave(32, 0).repeat_interleave(32, 1)[:size, :size]
    return ((3 * blocks + torch.randint(0, 256, (size, size, 3), generator=generator)) // 4).to(torch.uint8)


def formula_weights(name: str, model: Network) -> dict[str, Tensor] | None:
    """The weights of the recorded reference outputs, or None where there is no such data."""
    root = Path(os.environ.get("NPU_DELIVER_TEST_DATA", "/nonexistent"))
    files = [place / "formula.py" for place in (root / "reference", root.parent / "reference")]
    found = [file for file in files if file.is_file()]
    if not found:
        return None
    specification = importlib.util.spec_from_file_location("reference_formula", found[0])
    assert specification is not None
    assert specification.loader is not None
    formula = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(formula)
    caffe = name.startswith("fcos/")
    return {k: torch.from_numpy(formula.tensor(k, tuple(v.shape), caffe)) for k, v in model.state_dict().items()}


def rows(name: str, size: int, repeats: int) -> list[tuple[str, ...]]:
    model = npu_models.build(name)
    weights = formula_weights(name, model)
    if weights is None:
        randomise(model, torch.Generator().manual_seed(2))
    else:
        model.load_state_dict(weights)
    image = picture(size)
    table = []
    with torch.inference_mode():
        batch = model.preprocess([image], resize=False)
        for variant in ("plain", "optimised"):
            if variant == "optimised":
                model.optimise()
            network = measure(lambda: model.raw_outputs(batch), repeats)
            whole = measure(lambda: model.detect([image], resize=False), repeats)
            found = len(model.detect([image], resize=False)[0])
            original = ORIGINAL.get(name)
            pairs = zip((whole.wall, whole.cpu), original or (), strict=False)
            ratios = [f"{ours / theirs:.2f}" for ours, theirs in pairs] or ["-", "-"]
            seconds = [f"{value:.2f}" for value in (network.wall, network.cpu, whole.wall, whole.cpu)]
            shown = [f"{value:.2f}" for value in original] if original else ["-", "-"]
            table.append((name, variant, *seconds, *shown, *ratios, str(found)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(ORIGINAL), help="names; all with a figure by default")
    parser.add_argument("--size", type=int, default=800, help="side of the square picture in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    header = ("model", "variant", "net s", "net CPU s", "end-to-end s", "e2e CPU s", "original s", "original CPU s",
              "ratio", "CPU ratio", "found")  # fmt: skip
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.size} x {arguments.size}")
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for name in arguments.models:
        for row in rows(name, arguments.size, arguments.repeats):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
