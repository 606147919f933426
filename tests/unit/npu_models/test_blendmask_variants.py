"""AdelaiDet's quicker BlendMasks: what their configurations change, and nothing else."""

from __future__ import annotations

import pytest
import torch

import npu_models
from npu_models import Target
from npu_models.random_weights import randomise

BASE = "blendmask/R_50_1x"
SHORT, SYNCED, NORMED = (
    f"blendmask/{name}" for name in ("550_R_50_3x", "RT_R_50_4x_syncbn_shtw", "RT_R_50_4x_bn-head_syncbn_shtw")
)
HEAD = "proposal_generator.fcos_head."


def entries(name: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in npu_models.build(name).state_dict().items()}


def quicker(base: dict[str, tuple[int, ...]], gone: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The base's entries with three shared convolutions for the towers, and two in the basis module."""
    found = {}
    for key, shape in base.items():
        if key.startswith((*gone, f"{HEAD}cls_tower.", f"{HEAD}bbox_tower.", "basis_module.tower.2.")):
            continue
        for old, new in (("4", "3"), ("5", "4")):  # after the upsampling every step is one earlier
            if key.startswith(f"basis_module.tower.{old}."):
                key = key.replace(f"tower.{old}.", f"tower.{new}.", 1)
                break
        found[key] = shape
    for step in (0, 3, 6):
        found |= {f"{HEAD}share_tower.{step}.weight": (256, 256, 3, 3), f"{HEAD}share_tower.{step}.bias": (256,)}
    return found


GROUP_NORMS = {f"{HEAD}share_tower.{step}.{part}": (256,) for step in (1, 4, 7) for part in ("weight", "bias")}


def test_550_has_one_level_less_and_a_shared_tower() -> None:
    assert entries(SHORT) == quicker(entries(BASE), ("backbone.top_block.p7.",)) | GROUP_NORMS
    assert entries("blendmask/550_R_50_1x") == entries(SHORT)


def test_the_real_time_network_ends_at_p5_and_its_norms_count_batches() -> None:
    base = quicker(entries(BASE), ("backbone.top_block.",)) | GROUP_NORMS
    norms = {key.rpartition(".")[0] for key in base if key.startswith("backbone.") and key.endswith("running_mean")}
    assert entries(SYNCED) == base | {f"{norm}.num_batches_tracked": () for norm in norms}
    assert len(norms) == 53  # of a ResNet-50 with its four shortcuts


def test_the_head_may_have_a_batch_norm_for_each_level() -> None:
    wanted = {key: shape for key, shape in entries(SYNCED).items() if key not in GROUP_NORMS}
    for step in (1, 4, 7):
        for level in range(3):
            norm = f"{HEAD}share_tower.{step}.{level}"
            wanted |= {f"{norm}.{part}": (256,) for part in ("weight", "bias", "running_mean", "running_var")}
            wanted[f"{norm}.num_batches_tracked"] = ()
    assert entries(NORMED) == wanted


@pytest.mark.parametrize(("name", "wide", "long"), [(SHORT, (550, 733), (458, 916)), (SYNCED, (512, 683), (368, 736))])
def test_photos_are_resized_as_the_configuration_says(name: str, wide: tuple[int, int], long: tuple[int, int]) -> None:
    with torch.device("meta"):
        preprocessing = npu_models.build(name).preprocessing
    assert preprocessing.size_of((480, 640)) == wide
    assert preprocessing.size_of((400, 800)) == long


@pytest.mark.parametrize(("name", "last"), [(SHORT, 6), (NORMED, 5)])
def test_it_detects_trains_and_is_the_same_when_optimised(name: str, last: int) -> None:
    torch.manual_seed(0)
    model = npu_models.build(name)
    randomise(model, torch.Generator().manual_seed(1))
    image = torch.randint(0, 256, (96, 128, 3), dtype=torch.uint8)
    batch = model.preprocess([image], resize=False)
    with torch.inference_mode():
        raw = model.raw_outputs(batch)
    for kind in ("p", "logits_p", "reg_p", "ctr_p", "top_p"):
        assert [key for key in raw if key.rstrip("0123456789") == kind] == [f"{kind}{n}" for n in range(3, last + 1)]
    assert raw["bases"].shape == (1, 4, 24, 32)
    (found,) = model.detect([image], resize=False)
    assert len(found) > 0
    masks = torch.zeros((1, 96, 128), dtype=torch.bool)
    masks[0, 20:70, 30:110] = True
    target = Target(torch.tensor([[30.0, 20.0, 110.0, 70.0]]), torch.tensor([7]), masks=masks)
    losses = model.losses(batch, [target])
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values(), torch.zeros(())).backward()
    trained = {key.partition(".res")[2][:1] for key, p in model.named_parameters() if p.grad is not None}
    assert ("2" in trained) == (name == NORMED)
    model.optimise()
    with torch.inference_mode():
        quick = model.raw_outputs(batch)
    for key, value in raw.items():
        assert float((quick[key] - value).abs().max() / value.abs().max()) < 1e-5, key


def test_each_level_of_the_head_has_its_own_norm() -> None:
    model = npu_models.build(NORMED)
    head = model.get_submodule("proposal_generator.fcos_head")
    state = model.state_dict()
    state[f"{HEAD}share_tower.7.1.bias"].fill_(5.0)
    x = torch.zeros(1, 256, 4, 4)
    with torch.inference_mode():
        towers = [head(x, level)[3] for level in range(3)]
    assert float(towers[1].mean()) > 4.9
    assert float(towers[0].mean()) == float(towers[2].mean()) < 0.1
