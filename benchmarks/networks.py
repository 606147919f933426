"""CPU seconds of the three networks, plain and optimised, beside a peer's in the same process, by turns.

    python benchmarks/networks.py --size 800 --threads 2 --pairs 5

End to end = picture in, detections out, at one size for both. A pair is ours and the peer's, one after the other, the
order changing from pair to pair; the ratio is the median over the pairs, with the least and the greatest. CPU seconds
are of all threads of this process, so that other work on the machine is not counted.

The peers are torchvision's: its FCOS for FCOS, of the same backbone, pyramid and towers; Mask R-CNN for BlendMask and
SOLOv2, of the same backbone and pyramid and for the same task, but another method: that ratio compares methods too.
The peer's weights are random, so it finds nothing to suppress or to paste. Ours are the formula weights of the recorded
reference outputs if ``NPU_DELIVER_TEST_DATA`` leads to them, so that as many objects are found as there; else seeded
random ones under which a detector detects.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor

import npu_models
from npu_models import Network
from npu_models.random_weights import randomise

PEERS = {
    "blendmask/R_50_1x": "maskrcnn_resnet50_fpn",
    "fcos/r50_caffe_fpn_gn-head_1x": "fcos_resnet50_fpn",
    "solov2/r50_fpn_1x": "maskrcnn_resnet50_fpn",
}


def cpu_seconds(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def by_turns(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> list[tuple[float, float]]:
    """CPU seconds of each pair, after a first run of each that chooses kernels and fills caches."""
    ours()
    theirs()
    found = []
    for number in range(pairs):
        if number % 2:
            second, first = cpu_seconds(theirs), cpu_seconds(ours)
        else:
            first, second = cpu_seconds(ours), cpu_seconds(theirs)
        found.append((first, second))
    return found


def peer(name: str, size: int) -> Callable[[], object]:
    """A torchvision model with random weights, on a picture of the same size; nothing of it is downloaded."""
    build = getattr(torchvision.models.detection, PEERS[name])
    model = build(weights=None, weights_backbone=None, min_size=size, max_size=size).eval()
    image = picture(size).permute(2, 0, 1).float() / 255
    return lambda: model([image])


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


def rows(name: str, size: int, pairs: int) -> list[tuple[str, ...]]:
    model = npu_models.build(name)
    weights = formula_weights(name, model)
    if weights is None:
        randomise(model, torch.Generator().manual_seed(2))
    else:
        model.load_state_dict(weights)
    image = picture(size)
    table = []
    with torch.inference_mode():
        theirs = peer(name, size)
        for variant in ("plain", "optimised"):
            if variant == "optimised":
                model.optimise()
            measured = by_turns(lambda: model.detect([image], resize=False), theirs, pairs)
            found = len(model.detect([image], resize=False)[0])
            ratios = sorted(ours / other for ours, other in measured)
            seconds = [f"{statistics.median(side):.2f}" for side in zip(*measured, strict=True)]
            spread = [f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"]
            table.append((name, variant, PEERS[name], *seconds, *spread, str(found)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(PEERS), help="names; all that have a peer by default")
    parser.add_argument("--size", type=int, default=800, help="side of the square picture in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    header = ("model", "variant", "peer", "CPU s", "peer CPU s", "ratio", "of the pairs", "found")
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.size} x {arguments.size}")
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for name in arguments.models:
        for row in rows(name, arguments.size, arguments.pairs):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
