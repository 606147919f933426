"""What the tests of the networks share: the recorded outputs of the originals, and weights that find things.

The recorded outputs lie in ``$NPU_DELIVER_TEST_DATA/reference`` or beside that folder; without them those tests skip.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import npu_models
import two_ranks
from npu_models import Batch, Detections, Network, Target

NAMES = {
    "blendmask/R_50_1x": "blendmask_r50_1x",
    "fcos/r50_caffe_fpn_gn-head_1x": "fcos_r50_caffe_mmdet",
    "solov2/r50_fpn_1x": "solov2_r50_mmdet",
}
MAX_DENSE_ERROR = 1e-5  # of the largest value; the originals differ from themselves by up to 2.3e-6


@dataclass
class Reference:
    """The recorded case of each model: weights, image and targets by formula, outputs from the original code."""

    folder: Path
    formula: ModuleType
    _models: dict[str, Network] = field(default_factory=dict)
    _raw: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def arrays(self, name: str) -> Any:
        return np.load(self.folder / f"{NAMES[name]}.npz")

    def entries(self, name: str) -> list[tuple[str, tuple[int, ...], str]]:
        """Name, shape and kind of each checkpoint entry."""
        rows = []
        for line in (self.folder / f"{NAMES[name]}.state_dict.txt").read_text().splitlines():
            key, shape, _dtype, kind = line.split()
            rows.append((key, () if shape == "scalar" else tuple(int(n) for n in shape.split("x")), kind))
        return rows

    def weights(self, name: str) -> dict[str, Tensor]:
        caffe = name.startswith("fcos/")
        return {k: torch.from_numpy(self.formula.tensor(k, s, caffe)) for k, s, _ in self.entries(name)}

    def new_model(self, name: str) -> Network:
        model = npu_models.build(name)
        model.load_state_dict(self.weights(name), strict=True)
        return model

    def model(self, name: str) -> Network:
        """The model with formula weights, shared: do not change it."""
        if name not in self._models:
            self._models[name] = self.new_model(name)
        return self._models[name]

    def batch(self, name: str) -> Batch:
        return self.model(name).preprocess([torch.from_numpy(self.formula.image_u8(320, 416))], resize=False)

    def raw(self, name: str) -> dict[str, Tensor]:
        if name not in self._raw:
            with torch.inference_mode():
                self._raw[name] = self.model(name).raw_outputs(self.batch(name))
        return self._raw[name]

    def target(self) -> Target:
        formula = self.formula
        return Target(
            boxes=torch.tensor(formula.TARGET_BOXES, dtype=torch.float32),
            classes=torch.tensor(formula.TARGET_CLASSES),
            masks=torch.from_numpy(formula.target_bitmasks()),
            polygons=[[ring] for ring in formula.target_polygons()],
            semantic=torch.from_numpy(formula.target_semantic()),
        )

    def assert_dense(self, name: str, raw: dict[str, Tensor]) -> None:
        """Every recorded tensor of case A agrees: its shape, its checksums, and the part of it that was kept."""
        arrays = self.arrays(name)
        recorded = sorted(
            {key.split("/")[1] for key in arrays.files if key.startswith("A/") and key.endswith("/shape")}
        )
        recorded.remove("input")
        assert len(recorded) >= 16
        for tensor in recorded:
            mine = raw[tensor].numpy()
            assert mine.shape == tuple(arrays[f"A/{tensor}/shape"]), tensor
            summary = arrays[f"A/{tensor}/summary"]
            largest = summary[2]
            difference = np.abs(self.formula.summary(tensor, mine) - summary)
            assert difference.max() <= MAX_DENSE_ERROR * largest, tensor
            kept = arrays[f"A/{tensor}/sub"]
            steps = tuple(slice(None, None, _step(n, k)) for n, k in zip(mine.shape, kept.shape, strict=True))
            assert np.abs(mine[steps] - kept).max() <= MAX_DENSE_ERROR * largest, tensor

    def recorded_masks(self, name: str) -> Any:
        arrays = self.arrays(name)
        count, height, width = arrays["A/det_masks_shape"]
        return np.unpackbits(arrays["A/det_masks_packed"], axis=-1)[:count, :height, :width].astype(bool)


def _step(full: int, kept: int) -> int:
    """The power of two that takes ``kept`` of ``full``."""
    return next(step for step in (1, 2, 4, 8, 16) if len(range(0, full, step)) == kept)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # a busy machine loses more by spinning threads than these sizes gain


@pytest.fixture(scope="session")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What two processes of a data-parallel step computed; see `two_ranks.run`."""
    return two_ranks.run(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="session")
def reference() -> Reference:
    root = os.environ.get("NPU_DELIVER_TEST_DATA")
    if root is None:
        pytest.skip("NPU_DELIVER_TEST_DATA is not set: no recorded outputs of the original models")
    places = [Path(root) / "reference", Path(root).parent / "reference"]
    found = [place for place in places if (place / "formula.py").is_file()]
    if not found:
        pytest.skip(f"no recorded outputs of the original models in {places[0]} or {places[1]}")
    specification = importlib.util.spec_from_file_location("reference_formula", found[0] / "formula.py")
    assert specification is not None
    assert specification.loader is not None
    formula = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(formula)
    return Reference(found[0], formula)


@pytest.fixture(scope="session")
def lively() -> Callable[[str], Network]:
    """A function: a fresh model of the name with seeded weights under which signals neither die nor explode."""

    def make(name: str) -> Network:
        model = npu_models.build(name)
        generator = torch.Generator().manual_seed(20)
        third_norm = ("bn3", "conv3.norm")
        with torch.no_grad():
            for key, module in model.named_modules():
                if isinstance(module, nn.Conv2d):
                    fan_in = module.weight[0].numel()
                    gain = 1 / 64 if fan_in == 147 and model.preprocessing.std[0] == 1 else 1.0  # stems see raw pixels
                    gain *= 0.25 if "lateral" in key else 1.0
                    module.weight.normal_(0, gain * math.sqrt(2 / fan_in), generator=generator)
                    if module.bias is not None:
                        module.bias.normal_(0, 0.03, generator=generator)
                if hasattr(module, "running_var"):
                    module.running_mean.normal_(0, 0.06, generator=generator)
                    module.running_var.uniform_(0.8, 1.2, generator=generator)
                    module.weight.uniform_(0.9, 1.1, generator=generator)
                    module.weight.mul_(0.5 if key.endswith(third_norm) else 1.0)
            for key, parameter in model.named_parameters():
                if key.endswith(("cls_logits.bias", "conv_cls.bias")):
                    parameter.fill_(-4.5)
                if key.endswith(("bbox_pred.bias", "conv_reg.bias", "tower.5.bias")):
                    parameter.fill_(2.5)
        return model

    return make


@pytest.fixture(scope="session")
def fresh() -> Callable[[str], Network]:
    """A function: a model as `build` makes it, made once; do not change it."""
    made: dict[str, Network] = {}

    def get(name: str) -> Network:
        if name not in made:
            torch.manual_seed(3)
            made[name] = npu_models.build(name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def noise_image() -> Callable[[int, int, int], Tensor]:
    """A function of height, width and seed: blocks of colour and pixel noise, (H, W, 3) uint8."""

    def make(height: int, width: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.randint(0, 256, (height // 16 + 1, width // 16 + 1, 3), generator=generator)
        blocks = coarse.repeat_interleave(16, 0).repeat_interleave(16, 1)[:height, :width]
        fine = torch.randint(0, 256, (height, width, 3), generator=generator)
        return ((3 * blocks + fine) // 4).to(torch.uint8)

    return make


@pytest.fixture(scope="session")
def shapes() -> Callable[[], tuple[Tensor, Target]]:
    """A function: one generated 128x160 training image of three bright octagons, with everything a target can hold."""

    def make() -> tuple[Tensor, Target]:
        image = torch.full((128, 160, 3), 40, dtype=torch.uint8)
        boxes = torch.tensor([[8.0, 12.0, 60.0, 70.0], [70.0, 20.0, 150.0, 110.0], [20.0, 80.0, 60.0, 120.0]])
        masks = torch.zeros((3, 128, 160), dtype=torch.uint8)
        semantic = torch.zeros((128, 160), dtype=torch.int64)
        classes = torch.tensor([2, 7, 40])
        y, x = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(160) + 0.5, indexing="ij")
        polygons = []
        for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            inside = ((x - (x1 + x2) / 2) / (x2 - x1)).abs() + ((y - (y1 + y2) / 2) / (y2 - y1)).abs() < 0.5
            masks[index] = inside
            semantic[inside] = int(classes[index]) + 1
            image[inside] = torch.tensor([60 * index + 90, 200, 250 - 70 * index], dtype=torch.uint8)
            polygons.append([[(x1 + x2) / 2, y1, x2, (y1 + y2) / 2, (x1 + x2) / 2, y2, x1, (y1 + y2) / 2]])
        return image, Target(boxes, classes, masks, polygons, semantic)

    return make


@pytest.fixture(scope="session")
def loss_falls(
    shapes: Callable[[], tuple[Tensor, Target]],
) -> Callable[..., tuple[dict[str, float], dict[str, float]]]:
    """A function: the losses of a fresh model before and after a few steps of training on one generated image."""

    def train(name: str, learning_rate: float = 0.002) -> tuple[dict[str, float], dict[str, float]]:
        torch.manual_seed(5)
        model = npu_models.build(name).train()
        image, target = shapes()
        batch = model.preprocess([image], resize=False)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=learning_rate, momentum=0.9)
        history = []
        for _ in range(3):
            losses = model.losses(batch, [target])
            total = torch.stack(list(losses.values())).sum()
            assert bool(torch.isfinite(total))
            history.append({key: value.item() for key, value in losses.items()})
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(trained, 10.0)
            optimizer.step()
        return history[0], history[-1]

    return train


@pytest.fixture(scope="session")
def matched() -> Callable[[Detections, Detections], list[tuple[int, int]]]:
    """A function: pairs of indices of equal detections, by class and box to 1e-2 pixels, each used once."""

    def pair(first: Detections, second: Detections) -> list[tuple[int, int]]:
        pairs, free = [], set(range(len(second)))
        for index in range(len(first)):
            same = [
                other
                for other in free
                if first.classes[index] == second.classes[other]
                and bool((first.boxes[index] - second.boxes[other]).abs().max() <= 1e-2)
            ]
            if same:
                best = min(same, key=lambda other: abs(float(first.scores[index] - second.scores[other])))
                free.remove(best)
                pairs.append((index, best))
        return pairs

    return pair
