from __future__ import annotations

import pytest
import torch
from torch import nn

import npu_models
import two_ranks
from npu_models.training.sync_norm import SyncNorm, synchronise


@pytest.mark.slow
def test_two_ranks_are_normalised_as_one_batch(of_two):
    batches = [two_ranks.uneven_batch(rank) for rank in range(two_ranks.WORLD)]
    wanted = two_ranks.normed(two_ranks.fresh_norm(), torch.cat(batches))
    wanted |= {key: wanted[key][: len(batches[0])] for key in ("given", "input")}
    found = of_two["norm"]["first"]
    assert found.keys() == wanted.keys()
    for key in wanted:
        torch.testing.assert_close(found[key], wanted[key], rtol=1e-12, atol=1e-12)


def test_without_a_process_group_it_is_a_plain_norm():
    plain, other = two_ranks.fresh_norm(), nn.Sequential(two_ranks.fresh_norm())
    synchronise(other, ["0"])
    batch = two_ranks.uneven_batch(0)
    for training in (True, False):
        wanted, found = plain.train(training)(batch), other.train(training)(batch)
        assert torch.equal(found, wanted)
    assert torch.equal(other[0].running_var, plain.running_var)


def test_parameters_and_buffers_are_the_same_ones_under_the_same_names():
    model = nn.ModuleDict({"a": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), "b": nn.BatchNorm2d(4)}).eval()
    before = {key: value.data_ptr() for key, value in model.state_dict().items()}
    synchronise(model, ["a.1"])
    assert {key: value.data_ptr() for key, value in model.state_dict().items()} == before
    assert isinstance(model["a"][1], SyncNorm)
    assert not model["a"][1].training
    assert type(model["b"]) is nn.BatchNorm2d


def test_an_accelerator_gets_torchs_own():
    model = nn.Sequential(nn.BatchNorm2d(4, device="meta"))
    synchronise(model, ["0"])
    assert type(model[0]) is nn.SyncBatchNorm
    synchronise(model, ["0"])  # a second time changes nothing
    assert type(model[0]) is nn.SyncBatchNorm


def test_another_module_is_refused():
    with pytest.raises(ValueError, match="0 is a Conv2d, not a batch norm"):
        synchronise(nn.Sequential(nn.Conv2d(3, 3, 1)), ["0"])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("fcos/r50_caffe_fpn_gn-head_1x", set()),
        ("solov2/r50_fpn_1x", set()),
        ("blendmask/R_50_1x", {"basis_module.refine", "basis_module.tower"}),
    ],
)
def test_norms_over_ranks_are_those_of_the_recipe(name, parts, fresh):
    names = fresh(name).norms_over_ranks()
    assert {".".join(key.split(".")[:2]) for key in names} == parts
    assert len(names) == (7 if parts else 0)  # three levels are refined, the tower has four norms


def test_the_real_time_variants_train_the_norms_of_backbone_and_head_over_ranks():
    with torch.device("meta"):
        plain = npu_models.build("blendmask/RT_R_50_4x_syncbn_shtw").norms_over_ranks()
        headed = npu_models.build("blendmask/RT_R_50_4x_bn-head_syncbn_shtw").norms_over_ranks()
    count = {"backbone": 53, "basis_module": 6}
    assert {part: sum(key.startswith(f"{part}.") for key in plain) for part in count} == count
    assert {key.split(".")[0] for key in headed} == {*count, "proposal_generator"}
    assert len(headed) == len(plain) + 9  # three shared convolutions with a norm for each of three levels


def test_a_network_is_synchronised_there_alone(fresh):
    model = npu_models.build("blendmask/R_50_1x")
    names = set(model.norms_over_ranks())
    state = list(model.state_dict())
    model.synchronise_norms()
    assert {key for key, module in model.named_modules() if isinstance(module, SyncNorm)} == names
    assert [type(model.basis_module.seg_head[k]) for k in (1, 4)] == [nn.BatchNorm2d] * 2
    assert list(model.state_dict()) == state
