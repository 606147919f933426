from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import timm.data
import torch
from PIL import Image

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError
from npu_eval.models.adapter import SupportsClassification, SupportsDefaultWeights, SupportsPrediction
from npu_eval.models.adapters import timm_models
from npu_eval.models.adapters.timm_models import TimmClassifier, TimmFeatures, create_adapter
from npu_eval.weights.naming import parse

FEATURES = "vit_small_patch14_dinov2.lvd142m"


def one_of_each_kind() -> list[str]:
    """One pretrained model for each number of classes and ImageNet subset that timm knows."""
    found = {}
    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        found.setdefault((config.num_classes, timm.data.infer_imagenet_subset(config)), name)
    return sorted(found.values())


KINDS = one_of_each_kind()


@pytest.mark.parametrize("name", KINDS)
def test_there_are_as_many_class_names_as_classes(name: str) -> None:
    adapter, classes = create_adapter(name), timm.get_pretrained_cfg(name).num_classes
    if classes == 0:
        assert type(adapter) is TimmFeatures
        assert not isinstance(adapter, (SupportsClassification, SupportsPrediction))
        return
    assert isinstance(adapter, TimmClassifier)
    assert len(adapter.class_names) == classes
    assert all(adapter.class_names)


def test_imagenet_classes_have_their_names_in_order() -> None:
    adapter = create_adapter("test_resnet")
    assert isinstance(adapter, TimmClassifier)
    assert adapter.class_names[281].startswith("tabby")
    assert adapter.class_names[0].startswith("tench")


def test_classes_that_nobody_named_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(num_classes=3, label_names=None)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: config)
    monkeypatch.setattr(timm.data, "infer_imagenet_subset", lambda config: None)
    assert timm_models._class_names("x") == ("class 0", "class 1", "class 2")


def test_a_model_that_was_trained_on_other_classes() -> None:
    adapter = create_adapter("test_resnet", Classes(count=3, names=("a", "b", "c")))
    assert isinstance(adapter, TimmClassifier)
    assert adapter.class_names == ("a", "b", "c")
    outputs = adapter.forward(adapter.build(), torch.zeros(2, 3, 64, 64))
    assert outputs["logits"].shape == (2, 3)
    assert {p.label for p in adapter.predictions(outputs, 0)} == {"a", "b", "c"}
    unnamed = create_adapter("test_resnet", Classes(count=2))
    assert isinstance(unnamed, TimmClassifier)
    assert unnamed.class_names == ("class 0", "class 1")
    same = create_adapter("test_resnet", Classes(count=1000))
    assert isinstance(same, TimmClassifier)
    assert same.class_names[0].startswith("tench")


def test_no_class_at_all_leaves_the_features() -> None:
    adapter = create_adapter("test_resnet", Classes(count=0))
    assert type(adapter) is TimmFeatures
    assert not any(name.startswith("fc") for name in adapter.build().state_dict())


def test_a_network_without_a_classifier_gives_features() -> None:
    adapter = create_adapter(FEATURES)
    assert adapter.task == "features"
    outputs = adapter.forward(torch.nn.Flatten(), torch.zeros(2, 3, 2))
    assert {name: tuple(t.shape) for name, t in outputs.items()} == {"features": (2, 6)}


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet5O", "resnet50"), ("convnext_ato", "convnext_atto"), ("Resnet18", "resnet18")],
)
def test_a_misspelt_model_is_refused_with_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(AdapterError, match=rf"^timm:{name}: timm {timm.__version__} has no model '{name}'; ") as caught:
        create_adapter(name)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("convnextv2_atto.fcmae_ft_in1k", "hf:timm/convnextv2_atto.fcmae_ft_in1k/model.safetensors"),
        ("convnextv2_atto", "hf:timm/convnextv2_atto.fcmae_ft_in1k/model.safetensors"),
        ("tf_efficientnet_lite0", "hf:timm/tf_efficientnet_lite0.in1k/model.safetensors"),
    ],
)
def test_default_weights_are_those_that_timms_authors_publish(name: str, reference: str) -> None:
    adapter = create_adapter(name)
    assert isinstance(adapter, SupportsDefaultWeights)
    assert adapter.default_weights() == reference


@pytest.mark.parametrize("name", KINDS)
def test_every_default_is_a_reference_that_can_be_fetched_or_refused_in_words(name: str) -> None:
    try:
        reference = create_adapter(name).default_weights()
    except AdapterError as error:
        assert "timm publishes no weights" in str(error)  # noqa: PT017  either outcome is right, each in its own way
        return
    assert parse(reference).scheme == "hf"


@pytest.mark.parametrize("config", [None, SimpleNamespace(hf_hub_id=None), SimpleNamespace(hf_hub_id="")])
def test_a_model_without_published_weights_says_so(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = create_adapter("test_resnet")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: config)
    with pytest.raises(AdapterError, match=r"^timm:test_resnet: timm publishes no weights .* WEIGHTS=random$"):
        adapter.default_weights()


def test_timm_is_never_asked_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def create(name: str, **options: Any) -> torch.nn.Module:
        seen.update(options, name=name)
        return torch.nn.Identity()

    monkeypatch.setattr(timm, "create_model", create)
    assert not create_adapter("test_resnet").build().training
    assert seen == {"name": "test_resnet", "pretrained": False}


def test_preprocessing_is_timms_own_for_this_model(tmp_path: Path) -> None:
    Image.effect_noise((200, 180), 60).convert("RGB").save(tmp_path / "p.png")
    config = timm.get_pretrained_cfg("test_vit").to_dict()
    transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config), is_training=False)
    with Image.open(tmp_path / "p.png") as image:
        expected = transform(image.convert("RGB"))
    found = create_adapter("test_vit").preprocess([tmp_path / "p.png"])
    assert torch.equal(found[0], expected)
    assert found.shape == (1, 3, 160, 160)
