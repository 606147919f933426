"""Two gloo processes and one process with the images of both: the same gradients."""

from __future__ import annotations

import pytest
import torch

import two_ranks
from npu_models.training.ranks import mean_over_ranks


def together(name, scene, *, norms=False):
    model = two_ranks.Losses(two_ranks.norms(two_ranks.network(name), training=norms))
    images = torch.cat([two_ranks.images(rank) for rank in range(two_ranks.WORLD)])
    wanted = [target for rank in range(two_ranks.WORLD) for target in two_ranks.targets(rank, scene)]
    return two_ranks.step(model, images, wanted)


def farthest(found, wanted):
    """Part of the network → the distance of its gradient relative to its length."""
    assert found.keys() == wanted.keys()
    parts = {}
    for key in wanted:
        parts.setdefault(key.partition(".")[0], []).append(key)
    return {
        part: float(
            torch.stack([(found[key] - wanted[key]).norm() for key in keys]).norm()
            / torch.stack([wanted[key].norm() for key in keys]).norm()
        )
        for part, keys in parts.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", two_ranks.BY_ALL_RANKS)
def test_two_ranks_have_the_gradients_of_one_process_with_all_images(name, of_two):
    found = of_two[name]
    for scene in two_ranks.OBJECTS:
        distances = farthest(found[scene], together(name, scene))
        assert max(distances.values()) <= 1e-12, (scene, distances)
    divided_alone = farthest(found["local"], together(name, "uneven"))
    assert min(divided_alone.values()) > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", two_ranks.BY_ALL_RANKS)
def test_accumulated_parts_have_the_gradients_of_two_ranks_to_the_bit(name, of_two):
    network = two_ranks.network(name)
    losses, encoder = two_ranks.Losses(network), network.encoder()
    parts = [encoder(two_ranks.targets(rank, "uneven"), two_ranks.SIZE, torch.float64) for rank in (0, 1)]
    normalisers = torch.stack([part.normalisers for part in parts]).mean(dim=0)
    for rank, part in enumerate(parts):
        (losses(two_ranks.images(rank), part, normalisers) / two_ranks.WORLD).backward()
    for key, wanted in of_two[name]["uneven"].items():
        assert torch.equal(two_ranks.kept(network.get_parameter(key)), wanted), key


@pytest.mark.slow
def test_two_ranks_have_the_gradients_of_one_process_with_norms_in_training_too(of_two):
    name = "blendmask/R_50_1x"
    distances = farthest(of_two[name]["synchronised"], together(name, "uneven", norms=True))
    assert max(distances.values()) <= 1e-9, distances  # norms of 64 pixels magnify the last bits


@pytest.mark.slow
@pytest.mark.parametrize("name", two_ranks.BY_EACH_RANK)
def test_a_rank_without_an_object_goes_on_with_finite_gradients(name, of_two):
    for gradients in of_two[name].values():
        assert all(bool(torch.isfinite(x).all()) for x in gradients.values())
    kernels = of_two[name]["one empty"]["mask_head.conv_kernel.weight"]
    assert kernels.abs().max().item() > 0


def test_without_a_process_group_values_stay_what_they_are():
    values = torch.tensor([3.0, 1.5])
    assert mean_over_ranks(values) is values
