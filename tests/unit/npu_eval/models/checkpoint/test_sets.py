"""Which weights of a file are taken: by what fits, and by a rule that is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from npu_eval.errors import AdapterError, WeightsError
from npu_eval.models.checkpoint.sets import EMA, PLAIN, RULES, Chosen, choose, exchanges, sets_in

OWN: dict[str, Tensor] = dict(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)).state_dict())


def state(value: float, before: str = "") -> dict[str, Tensor]:
    """The network's entries, all of one value."""
    return {before + name: torch.full_like(entry, value) for name, entry in OWN.items()}


RAW, AVERAGED = 1.0, 2.0


def chosen(content: Any, ema: str = "", **more: Any) -> Chosen:
    return choose(content, OWN, **({"mapping": "by_name", "ema": ema, "rename": None, "where": "w.pth"} | more))


def value(content: Any, ema: str = "") -> float:
    found = chosen(content, ema)
    assert found.entries.keys() == OWN.keys()
    (only,) = {float(entry.flatten()[0]) for entry in found.entries.values()}
    return only


def told(content: Any, ema: str = "") -> str:
    return "; ".join(map(str, chosen(content, ema).notes))


PAIRS = {
    "timm": ({"state_dict": state(RAW), "state_dict_ema": state(AVERAGED)}, "timm"),
    "torchvision": (
        {"model": state(RAW), "model_ema": {"n_averaged": torch.tensor(4), **state(AVERAGED, "module.")}},
        "torchvision",
    ),
    "ultralytics": ({"model": state(RAW), "ema": state(AVERAGED)}, "Ultralytics"),
    "rt-detr": ({"model": state(RAW), "ema": {"module": state(AVERAGED), "updates": 7}}, "RT-DETR"),
    "basicsr": ({"params": state(RAW), "params_ema": state(AVERAGED)}, "Real-ESRGAN"),
    "dino": ({"student": state(RAW, "module.backbone."), "teacher": state(AVERAGED, "backbone.")}, "DINO"),
    "names in one dictionary": ({"state_dict": state(RAW, "student.") | state(AVERAGED, "teacher.")}, "DINO"),
    "unknown": ({"state_dict": state(RAW), "ema_state_dict": state(AVERAGED)}, "says otherwise"),
    "unknown, in another order": ({"ema_weights": state(AVERAGED), "net": state(RAW)}, "says otherwise"),
    "lightning": ({"state_dict": state(RAW, "model.") | state(AVERAGED, "ema_model.module.")}, "says otherwise"),
    "dots lost": (
        {"state_dict": state(RAW, "model.")
         | {f"model_ema.{name.replace('.', '')}": entry for name, entry in state(AVERAGED).items()}},
        "says otherwise",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
def test_averaged_weights_are_the_default_and_both_are_told(kind: str) -> None:
    content, by = PAIRS[kind]
    assert value(content) == AVERAGED
    words = told(content)
    assert words.startswith("averaged weights (EMA) from ")
    assert by in words
    assert "those before averaging, in " in words


@pytest.mark.parametrize("kind", PAIRS)
def test_who_asks_gets_the_one_or_the_other(kind: str) -> None:
    content, _ = PAIRS[kind]
    assert value(content, EMA) == AVERAGED
    assert value(content, PLAIN) == RAW
    assert "as asked; those before averaging, in" in told(content, EMA)
    assert "as asked; the averaged ones (EMA), in" in told(content, PLAIN)


EXCHANGED = {
    "mmengine": {
        "meta": {"mmengine_version": "0.10"},
        "state_dict": state(AVERAGED),
        "ema_state_dict": state(RAW, "module."),
    },
    "mmengine by its steps": {
        "state_dict": state(AVERAGED),
        "ema_state_dict": {"steps": torch.tensor(9), **state(RAW, "module.")},
    },
    "mmcv": {"state_dict": state(AVERAGED) | {f"ema_{n.replace('.', '_')}": v for n, v in state(RAW).items()}},
}  # fmt: skip


@pytest.mark.parametrize("kind", EXCHANGED)
def test_hooks_that_exchange_the_two_when_they_save(kind: str) -> None:
    content = EXCHANGED[kind]
    assert value(content) == value(content, EMA) == AVERAGED
    assert value(content, PLAIN) == RAW
    assert "puts them when it saves (" in told(content)


def test_a_contrastive_training_evaluates_its_queries() -> None:
    content = {
        "state_dict": state(RAW, "module.encoder_q.")
        | state(AVERAGED, "module.encoder_k.")
        | {"module.queue": torch.ones(3)}
    }
    assert value(content) == RAW
    assert value(content, EMA) == AVERAGED
    assert (
        "weights before averaging from state_dict module.encoder_q., with which MoCo evaluates (main_lincls.py)"
        in told(content)
    )
    assert "queue of a contrastive training, left out: 1 (module.queue)" in told(content)


@pytest.mark.parametrize(
    "content",
    [{"ema_state_dict": state(AVERAGED)}, {"state_dict_ema": state(AVERAGED)}, {"state_dict": state(AVERAGED, "ema.")},
     {"n_averaged": torch.tensor(5), **state(AVERAGED, "module.")}],
)  # fmt: skip
def test_averaged_weights_alone(content: Any) -> None:
    assert value(content) == value(content, EMA) == AVERAGED
    assert "averaged weights (EMA, SWA) from" in told(content)
    with pytest.raises(
        WeightsError, match=r"w\.pth: it holds no other weights that fit, only averaged ones under .*leave out"
    ):
        value(content, PLAIN)


def test_plain_weights_alone_are_no_averaged_ones() -> None:
    assert told({"model": state(RAW), "epoch": 3}) == ""
    with pytest.raises(WeightsError, match="it holds no averaged weights that fit, only plain ones under model"):
        value({"model": state(RAW)}, EMA)


def test_another_networks_weights_are_no_pair() -> None:
    """The teacher of a distillation is larger."""
    content = {"model": state(RAW), "teacher": {"wide.weight": torch.ones(9, 9)}}
    assert value(content) == RAW
    assert told(content) == "tensors of something else under teacher, not used: 1"


def test_two_that_fit_are_never_chosen_from() -> None:
    content = {"state_dict": state(RAW), "best_state_dict": state(3.0)}
    with pytest.raises(
        WeightsError, match=r"two sets of weights fit the network, state_dict and best_state_dict; save the one"
    ):
        value(content)
    with pytest.raises(WeightsError, match=r"state_dict net_a\. and state_dict net_b\.; .*startswith\('net_a\.'\)"):
        value({"state_dict": state(RAW, "net_a.") | state(3.0, "net_b.")})
    assert value({"state_dict": state(RAW), "model": state(RAW)}) == RAW


prefix = st.lists(st.sampled_from(["module", "model", "net", "_orig_mod", "backbone", "x"]), max_size=3)


@given(prefix, st.sampled_from(["", "model", "state_dict"]))
def test_one_prefix_of_all_names_is_taken_off_and_told(parts: list[str], key: str) -> None:
    before = "".join(f"{part}." for part in parts)
    content = {key: state(RAW, before)} if key else state(RAW, before)
    assert value(content) == RAW
    assert told(content) == (f"the prefix {before} was taken off every name" if before else "")


def test_what_is_declared_is_left_out_and_told() -> None:
    content = {"state_dict": state(RAW, "model.") | {"criterion.weight": torch.ones(7), "total_ops": torch.ones(1)}}
    assert value(content) == RAW
    assert told(content) == (
        "the prefix model. was taken off every name; entries of a loss function, left out: 1 (criterion.weight); "
        "counters of a profiler, left out: 1 (total_ops)"
    )


def test_what_is_not_declared_stays_for_the_strict_loading() -> None:
    found = chosen(state(RAW, "model.") | {"decoder.weight": torch.ones(7)})
    assert "decoder.weight" in found.entries
    assert found.extra == ("decoder.weight",)
    assert chosen({"w": torch.ones(1)}).entries.keys() == {"w"}


def test_entries_that_are_no_tensors_are_told() -> None:
    assert (
        told({**state(RAW), "epoch": 3, "args": object()}) == "entries that are no tensors, left out: 2 (epoch, args)"
    )


def test_where_sets_are_looked_for() -> None:
    content = {
        "best": torch.ones(1),
        "checkpoint": {"model": {"module": state(RAW)}},
        "optimizer": {"momentum": state(3.0)},
        "optimizer_states": [state(3.0)],
        "grad_scaler": {"scale": torch.ones(1)},
    }
    assert [found.place for found in sets_in(content)] == ["", "checkpoint.model.module"]
    assert value(content) == RAW
    assert sets_in([torch.ones(1)]) == ()


def test_who_exchanges() -> None:
    assert not exchanges({"meta": {"mmengine_version": "0.10"}, "state_dict": {}})
    assert not exchanges([])


def test_nothing_to_choose_from() -> None:
    with pytest.raises(WeightsError, match="holds no weights"):
        chosen({"epoch": 3})


def test_by_order_counts() -> None:
    other = {f"x.{i}": entry for i, entry in enumerate(OWN.values())}
    found = chosen({"model": other, "model_ema": other}, PLAIN, mapping="by_order")
    assert found.entries.keys() == other.keys()
    found = chosen(
        {"model": other | {"criterion.weight": torch.ones(2)}, "d": {"w": torch.ones(2)}}, mapping="by_order"
    )
    assert found.entries.keys() == other.keys()


def older(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An adapter's renaming."""
    if not all(name.startswith("old.") for name in entries):
        raise AdapterError("is no old checkpoint")
    return {name.removeprefix("old."): entry for name, entry in entries.items()}


def test_an_adapter_renames_before_anything_is_compared() -> None:
    assert chosen(state(RAW, "old."), rename=older).entries.keys() == OWN.keys()
    content = {"state_dict": state(RAW, "model.old.") | {"criterion.weight": torch.ones(2)}}
    found = chosen(content, rename=older)
    assert found.entries.keys() == OWN.keys()
    assert [note.code for note in found.notes] == ["weights-prefix", "left-loss"]
    averaged = chosen({"model": state(RAW, "old."), "model_ema": state(AVERAGED, "old.")}, rename=older)
    assert float(averaged.entries["2.bias"][0]) == AVERAGED
    with pytest.raises(AdapterError, match="is no old checkpoint"):
        chosen({"new": state(RAW)}, rename=older)


def test_each_rule_is_of_two_places() -> None:
    assert len({(rule.plain, rule.averaged) for rule in RULES}) == len(RULES)
    assert all(rule.framework and rule.source and rule.default in (EMA, PLAIN) for rule in RULES)
