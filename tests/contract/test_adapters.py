"""What every adapter promises, whatever reference it came by. A new generic adapter is one more line in REFERENCES."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import tiny_model
import tiny_transformers
from npu_eval.asked.spec import TASKS
from npu_eval.errors import AdapterError
from npu_eval.models.adapter import (
    Adapter,
    SupportsClassification,
    SupportsDefaultWeights,
    SupportsPrediction,
    checked_build,
    checked_forward,
    checked_predictions,
    checked_preprocess,
    resolve,
)
from npu_eval.weights.naming import parse

REFERENCES = (
    "adapter.py",
    # one small model of each family of timm: convolutions, attention, both, neither normalised nor plain
    "timm:test_resnet",
    "timm:test_vit",
    "timm:test_convnext",
    "timm:test_efficientnet",
    "timm:test_nfnet",
    "timm:test_byobnet",
    "timm:test_coatnet",
    "timm:test_mambaout",
    # and of torchvision
    "torchvision:shufflenet_v2_x0_5",
    "torchvision:mnasnet0_5",
    # and of transformers, one for each kind of output
    *(f"transformers:{kind}" for kind in tiny_transformers.KINDS),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deliverable")
    shutil.copy(tiny_model.__file__, folder / "adapter.py")
    generator = torch.Generator().manual_seed(0)
    for name, size in (
        ("wide.png", (90, 160)),
        ("tall.jpg", (170, 90)),
        ("tiny.png", (1, 1)),
        ("other.png", (100, 100)),
    ):
        noise = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(noise.numpy()).save(folder / name)
    Image.new("L", (64, 48), 90).save(folder / "grey.png")
    Image.new("RGBA", (64, 48), (1, 2, 3, 4)).save(folder / "clear.png")
    for kind in tiny_transformers.KINDS:
        tiny_transformers.write(folder / kind, kind)
    return folder


@pytest.fixture(scope="module", params=REFERENCES)
def adapter(request: pytest.FixtureRequest, root: Path) -> Iterator[Adapter]:
    yield resolve(request.param, root)
    sys.modules.pop("adapter", None)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an adapter reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def built(adapter: Adapter, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return checked_build(adapter, "adapter")


def batch_of(adapter: Adapter, root: Path, *names: str) -> torch.Tensor:
    return checked_preprocess(adapter, [root / name for name in names], "adapter")


def outputs_of(adapter: Adapter, network: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    return checked_forward(adapter, network, batch, "adapter")


def test_it_is_an_adapter_of_a_known_task(adapter: Adapter) -> None:
    assert isinstance(adapter, Adapter)
    assert adapter.task in TASKS


def test_its_network_is_on_the_cpu_in_float32_and_in_eval_mode(adapter: Adapter) -> None:
    network = built(adapter)
    assert not any(module.training for module in network.modules())
    tensors = [*network.parameters(), *network.buffers()]
    assert {t.device.type for t in tensors} == {"cpu"}
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(t).all() for t in tensors)


def test_its_random_initialisation_depends_on_the_seed_and_on_nothing_else(adapter: Adapter) -> None:
    first = built(adapter, 7).state_dict()
    torch.rand(1000)  # whatever ran before
    built(adapter, 8)
    again, other = built(adapter, 7).state_dict(), built(adapter, 8).state_dict()
    assert list(first) == list(again) == list(other)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_preprocessing_gives_one_float32_image_for_each_photo(adapter: Adapter, root: Path) -> None:
    names = ("wide.png", "tall.jpg", "tiny.png", "grey.png", "clear.png")
    batch = batch_of(adapter, root, *names)
    assert batch.dtype is torch.float32
    assert (batch.dim(), batch.shape[:2]) == (4, (len(names), 3))
    assert torch.isfinite(batch).all()
    assert batch.device.type == "cpu"


def test_preprocessing_is_deterministic_and_draws_no_random_number(adapter: Adapter, root: Path) -> None:
    torch.manual_seed(1)
    first, state = batch_of(adapter, root, "wide.png"), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(batch_of(adapter, root, "wide.png"), first)


def test_a_photo_does_not_depend_on_its_neighbours(adapter: Adapter, root: Path) -> None:
    names = ("wide.png", "other.png", "tall.jpg")
    singles = [batch_of(adapter, root, name) for name in names]
    assert torch.equal(batch_of(adapter, root, *names), torch.cat(singles))
    assert not torch.equal(singles[0], singles[1])


def test_a_file_that_is_no_image_is_an_os_error(adapter: Adapter, root: Path, tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(b"no image")
    with pytest.raises(OSError, match="identify image"):
        adapter.preprocess([tmp_path / "p.jpg"])


def test_outputs_are_finite_named_tensors_with_the_batch_first(adapter: Adapter, root: Path) -> None:
    network, batch = built(adapter), batch_of(adapter, root, "wide.png", "other.png")
    outputs = outputs_of(adapter, network, batch)
    for name, tensor in outputs.items():
        assert isinstance(name, str)
        assert name == name.strip() != ""
        assert tensor.shape[0] == 2
        assert torch.isfinite(tensor).all()


def test_the_forward_pass_is_deterministic_and_changes_neither_network_nor_input(adapter: Adapter, root: Path) -> None:
    network, batch = built(adapter), batch_of(adapter, root, "wide.png")
    state = {name: t.clone() for name, t in network.state_dict().items()}
    before = batch.clone()
    first, second = outputs_of(adapter, network, batch), outputs_of(adapter, network, batch)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(batch, before)
    assert all(torch.equal(t, state[name]) for name, t in network.state_dict().items())


def test_a_row_of_a_batch_is_what_the_photo_alone_gives(adapter: Adapter, root: Path) -> None:
    """In float64, so that only a real dependence between the rows would show."""
    network, batch = built(adapter).double(), batch_of(adapter, root, "wide.png", "other.png").double()
    together, alone = outputs_of(adapter, network, batch), outputs_of(adapter, network, batch[1:])
    for name in together:
        assert torch.allclose(together[name][1:], alone[name], rtol=1e-9, atol=1e-9)


def test_the_forward_pass_follows_the_dtype_of_network_and_batch(adapter: Adapter, root: Path) -> None:
    narrow = built(adapter)
    batch = batch_of(adapter, root, "wide.png")
    single = outputs_of(adapter, narrow, batch)
    double = outputs_of(adapter, narrow.double(), batch.double())
    for name in single:
        assert (single[name].dtype, double[name].dtype) == (torch.float32, torch.float64)
        error = (single[name].double() - double[name]).norm() / double[name].norm().clamp_min(1e-12)
        assert float(error) < 1e-3


def test_a_network_is_wholly_in_its_state(adapter: Adapter, root: Path) -> None:
    """Weights loaded into another initialisation give the first one's outputs: nothing hides beside the checkpoint."""
    first, second = built(adapter, 1), built(adapter, 2)
    second.load_state_dict(first.state_dict(), strict=True)
    batch = batch_of(adapter, root, "wide.png")
    a, b = outputs_of(adapter, first, batch), outputs_of(adapter, second, batch)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_classes_have_names_and_predictions_follow_their_scores(adapter: Adapter, root: Path) -> None:
    outputs = outputs_of(adapter, built(adapter), batch_of(adapter, root, "wide.png", "other.png"))
    assert isinstance(adapter, SupportsClassification) == (adapter.task == "classification")
    if not isinstance(adapter, SupportsClassification):
        return
    logits = outputs[adapter.class_output]
    assert logits.shape == (2, len(adapter.class_names))
    assert isinstance(adapter, SupportsPrediction)
    for row in range(2):
        found = checked_predictions(adapter, outputs, row, "adapter")
        assert 1 <= len(found) <= 5
        assert found[0].index == int(logits[row].argmax())
        assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
        assert all(p.label == adapter.class_names[p.index] and 0 <= p.score <= 1 for p in found)


def test_default_weights_are_a_reference_of_the_grammar_or_refused_in_words(adapter: Adapter) -> None:
    if not isinstance(adapter, SupportsDefaultWeights):
        return
    try:
        reference = adapter.default_weights()
    except AdapterError as error:
        assert "no weights" in error.what  # noqa: PT017  either outcome is right, each in its own way
        return
    assert parse(reference).scheme in ("hf", "https", "modelscope", "pypi")
