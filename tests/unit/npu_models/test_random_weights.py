"""Random weights for dry runs: seeded, alive, and enough for a detector to find something."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import npu_models
from npu_models.random_weights import randomise

NAMES = ("blendmask/R_50_1x", "fcos/r50_caffe_fpn_gn-head_1x", "solov2/light_r50_fpn_3x")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_signals_stay_finite_and_something_is_found(name: str, noise_image: Callable[[int, int, int], Tensor]) -> None:
    model = npu_models.build(name)
    randomise(model, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        batch = model.preprocess([noise_image(256, 320, 1)], resize=False)
        raw = model.raw_outputs(batch)
        assert all(bool(x.isfinite().all()) and 1e-3 < float(x.abs().max()) < 1e4 for x in raw.values())
        assert len(model.postprocess(raw, batch.image_sizes, batch.output_sizes)[0]) > 0


def test_the_generator_decides_every_weight() -> None:
    states = []
    for seed in (0, 0, 1):
        model = npu_models.build("solov2/light_r50_fpn_3x")
        randomise(model, torch.Generator().manual_seed(seed))
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])
