from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from npu_eval.models.checkpoint.names import (
    Arranged,
    arranged,
    counts_averages,
    covers,
    declared,
    flat_twins,
    is_averaged,
    prefixes,
    shared_prefixes,
)
from npu_eval.notation.phrases import ENGLISH

ONE, MANY = torch.ones(1), torch.ones(2, 3)
OWN: dict[str, Tensor] = dict(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)).state_dict())


@pytest.mark.parametrize(
    "place",
    ["ema", "state_dict_ema", "ema_state_dict", "model_ema", "params_ema", "ema.module", "teacher", "netG_ema",
     "swa_state_dict", "shadow", "state_dict ema_*", "module.encoder_k.", "target_network", "ema_model.module."],
)  # fmt: skip
def test_places_of_averaged_weights(place: str) -> None:
    assert is_averaged(place)


@pytest.mark.parametrize(
    "place", ["", "model", "state_dict", "student", "encoder_q.", "schema", "cinema.net", "backbone_keys"]
)
def test_places_of_others(place: str) -> None:
    assert not is_averaged(place)


words = st.text("abcdefg_", min_size=1, max_size=8)


@given(st.lists(words, max_size=3))
def test_any_prefix_is_found(parts: list[str]) -> None:
    prefix = "".join(f"{part}." for part in parts)
    state = {prefix + name: value for name, value in OWN.items()}
    assert prefixes(state, OWN)[0] == prefix
    assert covers(state, OWN, prefix)
    assert arranged(state, OWN, prefix) == Arranged(OWN, prefix)


def test_a_state_of_another_shape_does_not_cover() -> None:
    assert not covers(OWN | {"2.bias": ONE}, OWN, "")
    assert not covers({name: value for name, value in OWN.items() if name != "2.bias"}, OWN, "")
    assert covers({name: value for name, value in OWN.items() if "num_batches" not in name}, OWN, "")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("n_averaged", torch.tensor(5), "left-averaging"),
        ("steps", torch.tensor(5), "left-averaging"),
        ("module.num_updates", torch.tensor(5), "left-averaging"),
        ("total_ops", ONE, "left-profiler"),
        ("blocks.0.attn.freqs_cis", ONE, "left-frequencies"),
        ("tracker_model.mask_downsample.weight", ONE, "left-tracker"),
        ("detector.geometry_encoder.points_pool_project.bias", ONE, "left-points"),
        ("layer1.0.conv.total_params", ONE, "left-profiler"),
        ("extra.num_batches_tracked", torch.tensor(5), "left-steps"),
        ("criterion.weight", MANY, "left-loss"),
        ("loss_fn.margin", ONE, "left-loss"),
        ("cls_loss.weight", MANY, "left-loss"),
        ("val_accuracy.correct", ONE, "left-metric"),
        ("train_metrics.MulticlassAccuracy.tp", MANY, "left-metric"),
        ("queue", MANY, "left-queue"),
        ("module.queue_ptr", ONE, "left-queue"),
        ("projector.0.weight", MANY, "left-projector"),
        ("head.mlp.0.weight", MANY, "left-projector"),
        ("head.last_layer.weight_g", MANY, "left-projector"),
    ],
)
def test_what_may_be_left_out(name: str, value: Tensor, code: str) -> None:
    left, extra = declared({name: value}, "module.model." if name.startswith("module.") else "")
    assert (left, extra) == ({code: (name,)}, {})
    assert code in ENGLISH


def test_names_are_read_below_what_they_share_with_the_prefix() -> None:
    assert declared({"module.criterion.weight": MANY}, "module.model.")[0] == {
        "left-loss": ("module.criterion.weight",)
    }
    assert declared({"a.b.criterion.weight": MANY}, "x.")[1] == {"a.b.criterion.weight": MANY}


@pytest.mark.parametrize(
    "name",
    ["head.weight", "extra.weight", "classifier.bias", "decoder.conv.weight", "weight", "blocks.0.steps", "total_ops"],
)
def test_what_may_not(name: str) -> None:
    assert declared({name: MANY}) == ({}, {name: MANY})


@given(st.dictionaries(words, st.sampled_from([ONE, MANY]), max_size=5))
def test_nothing_is_lost(rest: dict[str, Tensor]) -> None:
    left, extra = declared(rest)
    assert sorted([*extra, *(name for names in left.values() for name in names)]) == sorted(rest)


def test_entries_that_have_lost_their_dots() -> None:
    twins = {f"ema_{name.replace('.', '_')}": value + 1 for name, value in OWN.items()}
    before, found = flat_twins(OWN | twins, OWN, "")
    assert before == "ema_"
    assert all(torch.equal(found[name], value + 1) for name, value in OWN.items())
    dotless = {f"model_ema.{name.replace('.', '')}": v for name, v in OWN.items() if "running" not in name}
    state = {f"model.{name}": value for name, value in OWN.items()} | dotless
    before, found = flat_twins(state, OWN, "model.")
    assert before == "model_ema."
    assert found.keys() == OWN.keys()
    assert flat_twins(OWN | {"ema_2_bias": ONE}, OWN, "") == ("", {})


def test_a_counter_of_averages_is_seen() -> None:
    assert counts_averages(arranged(OWN | {"n_averaged": torch.tensor(3)}, OWN, ""))
    assert not counts_averages(arranged(OWN | {"steps": torch.tensor(3)}, OWN, ""))


def test_beginnings_that_all_share() -> None:
    assert shared_prefixes(["a.b.c.w", "a.b.d.w"]) == ["a.", "a.b."]
    assert shared_prefixes(["a.w", "b.w"]) == shared_prefixes([]) == shared_prefixes(["w"]) == []
