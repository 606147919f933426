"""One process of data-parallel steps on the CPU: python two_ranks.py RANK FOLDER.

Two of them find each other through a file in FOLDER and leave what they computed there; `run` starts them. The same
functions compute the step of one process with the images of both, in the test's own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn

import npu_models
from npu_models import Target, resnet, solov2
from npu_models.training.encoded import Encoded
from npu_models.training.sync_norm import synchronise

WORLD = 2
BY_ALL_RANKS = ("fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x")
BY_EACH_RANK = ("solov2/light_r50_fpn_3x",)
"""The models whose originals divide by what all ranks count, and those that divide by each rank's own count."""
SIZE = (64, 64)
KEPT = 5000
OBJECTS = {"uneven": (3, 1), "one empty": (3, 0)}
"""Scene → how many objects the images of each rank show."""


class Losses(nn.Module):
    """A network's losses as a module, which is what data-parallel training wraps."""

    def __init__(self, network: npu_models.Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, targets: Sequence[Target] | Encoded, normalisers: Tensor | None) -> Tensor:
        """The sum of the losses."""
        return torch.stack(list(self.network.losses(images, targets, normalisers).values())).sum()


def network(name: str) -> npu_models.Network:
    """The same weights in every process, with one block a stage, in float64 and training mode but for batch norms.

    Those of the semantic head of BlendMask are never computed over the ranks.
    """
    torch.manual_seed(11)
    with mock.patch.dict(resnet._BLOCKS, {50: (1, 1, 1, 1)}):
        made = npu_models.build(name).double().train()
    return norms(made, training=False)


def norms(made: npu_models.Network, *, training: bool) -> npu_models.Network:
    """Put the batch norms that the original computes over all ranks into training mode, or all into evaluation mode."""
    chosen = made.norms_over_ranks()
    for name, module in made.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(training and name in chosen)
    return made


def normed(norm: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """What a batch norm of 3 channels gives for a (N, 3, h, w) batch, its gradients, and what it remembers."""
    batch = batch.clone().requires_grad_()
    for _ in range(2):
        norm.zero_grad()
        batch.grad = None
        given = norm(batch)
        (given * torch.linspace(-1, 2, given[0].numel()).view(given[0].shape)).square().sum().backward()
    named = {"given": given.detach(), "input": batch.grad} | {key: p.grad for key, p in norm.named_parameters()}
    return {key: value for key, value in (named | dict(norm.named_buffers())).items() if value is not None}


def fresh_norm() -> nn.BatchNorm2d:
    """A plain one in float64, with weights that are not those of a fresh one."""
    norm = nn.BatchNorm2d(3).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        norm.bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    return norm


def uneven_batch(rank: int) -> Tensor:
    """(2, 3, 5, 7) on the first rank, (1, 3, 5, 7) on the second, far from a mean of 0."""
    generator = torch.Generator().manual_seed(70 + rank)
    return torch.randn(2 - rank, 3, 5, 7, generator=generator).double() * (1 + rank) + 3


def images(rank: int) -> Tensor:
    """(2, 3, 64, 64) of noise; the seed decides."""
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(rank)).double()


def targets(rank: int, scene: str) -> list[Target]:
    """The two images of a rank: rectangles, and everything else that a target can hold."""
    return [_target(number, 10 * rank + index) for index, number in enumerate((OBJECTS[scene][rank], 0))]


def step(model: nn.Module, batch: Tensor, wanted: Sequence[Target], normalisers: Tensor | None = None) -> Any:
    """The gradients of one step by name: the first values of each."""
    model.zero_grad(set_to_none=True)
    model(batch, wanted, normalisers).backward()
    named = ((key.removeprefix("module.").removeprefix("network."), p) for key, p in model.named_parameters())
    return {key: kept(parameter) for key, parameter in named if parameter.grad is not None}


def kept(parameter: nn.Parameter) -> Tensor:
    """The first values of its gradient."""
    assert parameter.grad is not None
    return parameter.grad.flatten()[:KEPT].clone()


def run(folder: Path) -> Mapping[str, Mapping[str, dict[str, Tensor]]]:
    """Model → scene → gradients of two ranks; "local" is the uneven scene, divided by each rank's own count, and
    "synchronised" the same with norms in training. "norm" → "first" is what one norm had on the first rank.

    Raises AssertionError with what the processes wrote where one of them fails.
    """
    commands = [[sys.executable, __file__, str(rank), str(folder)] for rank in range(WORLD)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        said = [process.communicate(timeout=240)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    found: Mapping[str, Mapping[str, dict[str, Tensor]]] = torch.load(folder / "gradients.pt", weights_only=True)
    return found


def _target(objects: int, seed: int) -> Target:
    generator = torch.Generator().manual_seed(seed)
    low = (torch.rand(objects, 2, generator=generator) * 24).floor()
    boxes = torch.cat([low, low + 20 + (torch.rand(objects, 2, generator=generator) * 16).floor()], dim=1)
    classes = torch.randint(0, 80, (objects,), generator=generator)
    masks = torch.zeros((objects, *SIZE), dtype=torch.uint8)
    semantic = torch.zeros(SIZE, dtype=torch.int64)
    for index, (x1, y1, x2, y2) in enumerate(boxes.long().tolist()):
        masks[index, y1:y2, x1:x2] = 1
        semantic[y1:y2, x1:x2] = classes[index] + 1
    return Target(boxes, classes, masks, semantic=semantic)


def _steps(name: str, rank: int) -> dict[str, dict[str, Tensor]]:
    model = network(name)
    parallel = nn.parallel.DistributedDataParallel(Losses(model), broadcast_buffers=False)
    found = {scene: step(parallel, images(rank), targets(rank, scene)) for scene in OBJECTS}
    if name in BY_ALL_RANKS:
        wanted = model.encoder()(targets(rank, "uneven"), SIZE, torch.float64)
        found["local"] = step(parallel, images(rank), targets(rank, "uneven"), wanted.normalisers)
    if model.norms_over_ranks():
        made = norms(network(name).synchronise_norms(), training=True)
        parallel = nn.parallel.DistributedDataParallel(Losses(made), broadcast_buffers=False)
        found["synchronised"] = step(parallel, images(rank), targets(rank, "uneven"))
    return found


def _synchronised_norm(rank: int) -> dict[str, Tensor]:
    holder = nn.Sequential(fresh_norm())
    synchronise(holder, ["0"])
    found = normed(holder[0], uneven_batch(rank))
    for key in ("weight", "bias"):
        dist.all_reduce(found[key])
    return found


def _main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    solov2.GRIDS = (8, 6, 4, 3, 2)  # type: ignore[assignment]  # a fiftieth of the cells, and the same code
    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=WORLD)
    found = {name: _steps(name, rank) for name in (*BY_ALL_RANKS, *BY_EACH_RANK)}
    found["norm"] = {"first": _synchronised_norm(rank)}
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
