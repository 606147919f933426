from __future__ import annotations

import pytest
import torch

from npu_models.training.recipes import recipe_of
from npu_models.training.schedules import learning_rate, parameter_groups

FCOS, BLENDMASK, SOLOV2 = "fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x", "solov2/r50_fpn_1x"
EPOCH = 7330


def rates(recipe, iterations):
    return [learning_rate(recipe, iteration, EPOCH) for iteration in iterations]


def test_fcos_warms_up_at_a_third_until_iteration_498_and_drops_after_8_and_11_epochs():
    recipe = recipe_of(FCOS)
    assert rates(recipe, (0, 498)) == pytest.approx([0.01 / 3] * 2, rel=1e-15)
    assert rates(recipe, (499, 500)) == [0.01] * 2
    edges = [edge for epoch in (7, 8, 11) for edge in (epoch * EPOCH - 1, epoch * EPOCH)]
    wanted = [0.01, 0.01, 0.01, 0.001, 0.001, 0.0001]
    assert rates(recipe, edges) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ("mmdet", {0: 0.001, 1: 0.001 + 0.999 / 499, 498: 0.001 + 0.999 * 498 / 499, 499: 1, 500: 1}),
        ("WXinlong/SOLO", {0: 0.01, 1: 0.01 + 0.99 / 500, 499: 0.01 + 0.99 * 499 / 500, 500: 1}),
    ],
)
def test_solov2_warms_up_linearly(origin, wanted):
    recipe = recipe_of(SOLOV2, origin)
    assert rates(recipe, wanted) == pytest.approx([0.01 * factor for factor in wanted.values()], rel=1e-15)


@pytest.mark.parametrize(("origin", "drops"), [("mmdet", (8, 11)), ("WXinlong/SOLO", (9, 11))])
def test_solov2_drops_where_its_original_does(origin, drops):
    recipe = recipe_of(SOLOV2, origin)
    for count, drop in enumerate(drops):
        found = rates(recipe, (drop * EPOCH - 1, drop * EPOCH))
        assert found == pytest.approx([0.01 * 0.1**count, 0.01 * 0.1 ** (count + 1)], rel=1e-15)


def test_blendmasks_schedule_counts_iterations_whatever_an_epoch_has():
    recipe = recipe_of(BLENDMASK)
    iterations = (0, 500, 999, 1000, 59_999, 60_000, 79_999, 80_000, 89_999)
    factors = (0.001, 0.5005, 0.001 + 0.999 * 0.999, 1, 1, 0.1, 0.1, 0.01, 0.01)
    assert rates(recipe, iterations) == pytest.approx([0.01 * factor for factor in factors], rel=1e-12)
    assert learning_rate(recipe, 60_000, 3) == rates(recipe, [60_000])[0]


def summary(name, fresh):
    """(rate, decay) → how many parameters; and the names behind each."""
    network = fresh(name)
    groups = parameter_groups(network, recipe_of(name).optimiser)
    names = {id(parameter): key for key, parameter in network.named_parameters()}
    return {
        (group["lr"], group["weight_decay"]): [names[id(parameter)] for parameter in group["params"]]
        for group in groups
    }


def test_fcos_gives_biases_of_convolutions_twice_the_rate_and_no_bias_any_decay(fresh):
    groups = summary(FCOS, fresh)
    assert {key: len(names) for key, names in groups.items()} == {
        (0.01, 1e-4): 61 + 8 + 5,  # weights of convolutions and norms, scales
        (0.02, 0.0): 11,
        (0.01, 0.0): 8,
    }
    assert all(".gn.bias" in name for name in groups[0.01, 0.0])
    assert "bbox_head.conv_cls.bias" in groups[0.02, 0.0]


def test_solov2_has_one_group(fresh):
    assert {key: len(names) for key, names in summary(SOLOV2, fresh).items()} == {(0.01, 1e-4): 194}


def test_blendmask_lets_norms_alone_go_without_decay(fresh):
    groups = summary(BLENDMASK, fresh)
    assert {key: len(names) for key, names in groups.items()} == {(0.01, 1e-4): 95, (0.01, 0.0): 34}
    assert "proposal_generator.fcos_head.cls_logits.bias" in groups[0.01, 1e-4]


def test_synchronised_norms_stay_norms_and_frozen_parameters_stay_out():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.SyncBatchNorm(4), torch.nn.Conv2d(4, 4, 1))
    model[2].requires_grad_(requires_grad=False)
    plain, undecayed = parameter_groups(model, recipe_of(BLENDMASK).optimiser)
    assert [len(group["params"]) for group in (plain, undecayed)] == [2, 2]
    assert undecayed["weight_decay"] == 0
    assert [group["lr_factor"] for group in (plain, undecayed)] == [1, 1]


def test_torchs_optimiser_takes_the_groups(fresh):
    network = fresh(FCOS)
    optimiser = recipe_of(FCOS).optimiser
    made = torch.optim.SGD(parameter_groups(network, optimiser), lr=optimiser.learning_rate, momentum=0.9)
    assert sorted(group["lr"] for group in made.param_groups) == [0.01, 0.01, 0.02]
