"""The networks of `npu_models` as adapters: names, weights, photos of every kind, detections in the photo's pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import npu_models
from npu_eval.errors import AdapterError, WeightsError
from npu_eval.models.adapter import (
    SupportsDefaultWeights,
    SupportsDetection,
    SupportsRenaming,
    SupportsTraining,
    checked_build,
    checked_detections,
    checked_forward,
    checked_preprocess,
    resolve,
)
from npu_eval.models.adapters.npu_models_models import Detector, create_adapter
from npu_eval.models.checkpoint import loading as checkpoint
from npu_eval.models.coco_classes import COCO_NAMES
from npu_eval.models.shapes import shapes_image
from npu_eval.weights.naming import parse
from npu_models import known_models

LIGHT = "solov2/light_r50_fpn_3x"  # the quickest of them
HEADS = {
    "blendmask/R_50_1x": {f"{n}_p{k}" for n in ("logits", "reg", "ctr", "top") for k in range(3, 8)} | {"bases"},
    "fcos/r50_caffe_fpn_gn-head_1x": {f"{n}_p{k}" for n in ("logits", "reg", "ctr") for k in range(3, 8)},
    LIGHT: {f"{n}_{k}" for n in ("kernel", "cls") for k in range(5)} | {"mask_feats"},
}


UNPUBLISHED = {f"blendmask/{name}" for name in (
    "550_R_50_1x", "RT_R_50_4x_syncbn_shtw", "RT_R_50_4x_bn-head_syncbn_shtw",
)}  # fmt: skip


@pytest.mark.parametrize("name", known_models())
def test_every_model_is_an_adapter_with_published_weights(name: str, tmp_path: Path) -> None:
    adapter = resolve(f"npu_models:{name}", tmp_path)
    for capability in (SupportsDetection, SupportsTraining, SupportsRenaming, SupportsDefaultWeights):
        assert isinstance(adapter, capability)
    assert isinstance(adapter, Detector)
    assert adapter.class_names == COCO_NAMES
    assert adapter.task == ("detection" if name.startswith("fcos/") else "instance-segmentation")
    if name in UNPUBLISHED:
        with pytest.raises(AdapterError, match="no published checkpoint is known"):
            adapter.default_weights()
    else:
        assert parse(adapter.default_weights()).scheme == "https"


def test_an_unknown_configuration_is_told_with_those_of_its_family() -> None:
    with pytest.raises(AdapterError, match=r"no model 'fcos/r18'.*known: fcos/r50_caffe_fpn_gn-head_1x, fcos/r101"):
        create_adapter("fcos/r18")
    with pytest.raises(AdapterError, match=r"known: blendmask/.*solov2/"):
        create_adapter("resnet")


def test_older_names_are_brought_up_to_date() -> None:
    renamed = create_adapter("solov2/r50_fpn_1x").renamed({"bbox_head.solo_cate.weight": torch.zeros(1)})
    assert list(renamed) == ["mask_head.conv_cls.weight"]


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_every_output_of_the_heads_is_declared_and_gives_detections(name: str, tmp_path: Path) -> None:
    adapter = create_adapter(name)
    torch.manual_seed(0)
    network = checked_build(adapter, name)
    Image.effect_noise((96, 64), 80).convert("RGB").save(tmp_path / "noise.png")
    photos = [tmp_path / "noise.png"]
    outputs = checked_forward(adapter, network, checked_preprocess(adapter, photos, name), name)
    assert set(outputs) == HEADS[name]
    (found,) = checked_detections(adapter, outputs, photos, name)
    assert 0 < len(found) <= adapter.max_detections
    assert float(found.boxes.min()) >= 0
    assert bool((found.boxes <= torch.tensor([96.0, 64.0, 96.0, 64.0])).all())
    assert (found.masks is None) == name.startswith("fcos")
    if found.masks is not None:
        assert found.masks.shape[1:] == (64, 96)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_losses_have_the_originals_names_and_gradients(name: str) -> None:
    adapter = create_adapter(name)
    torch.manual_seed(0)
    network = checked_build(adapter, name).train()
    losses = adapter.losses(network, [shapes_image(64, 0), shapes_image(64, 1)])
    assert len(losses) >= 2
    assert all(key.startswith("loss_") and bool(torch.isfinite(value)) for key, value in losses.items())
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if p.requires_grad and "tower" in n)


def test_targets_are_no_coarser_than_float32_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, drawn = create_adapter(LIGHT), shapes_image(64, 0)
    image = replace(drawn, boxes=drawn.boxes + 0.3)
    network = npu_models.build(LIGHT).bfloat16()
    given: list[npu_models.Target] = []
    monkeypatch.setattr(type(network), "losses", lambda _self, _batch, targets: given.extend(targets) or {})
    adapter.losses(network, [image])
    assert torch.equal(given[0].boxes, image.boxes)
    assert given[0].boxes.dtype == torch.float32


PHOTOS = {
    "dot.png": lambda: Image.new("RGB", (1, 1), "red"),
    "grey.png": lambda: Image.new("L", (40, 30), 90),
    "cmyk.jpg": lambda: Image.new("CMYK", (40, 30), (10, 20, 30, 40)),
    "deep.png": lambda: Image.new("I;16", (40, 30), 40000),
    "clear.png": lambda: Image.new("RGBA", (40, 30), (1, 2, 3, 4)),
    "strip.png": lambda: Image.new("RGB", (2000, 2)),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_of_every_kind_become_a_batch(name: str, tmp_path: Path) -> None:
    photo = tmp_path / name
    PHOTOS[name]().save(photo)
    batch = checked_preprocess(create_adapter(LIGHT), [photo], LIGHT)
    assert batch.dtype == torch.float32
    assert batch.shape[:2] == (1, 3)
    assert batch.shape[2] % 32 == batch.shape[3] % 32 == 0
    assert bool(torch.isfinite(batch).all())


def test_a_turned_photo_is_upright_before_the_network_and_after_it(tmp_path: Path) -> None:
    photo = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.new("RGB", (60, 40), "blue").save(photo, exif=exif)
    batch = checked_preprocess(create_adapter(LIGHT), [photo], LIGHT)
    assert batch.shape[2] > batch.shape[3]


@pytest.mark.slow
def test_a_photo_of_48_megapixels_has_boxes_in_its_pixels_and_masks_of_a_bounded_size(tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    Image.effect_noise((800, 600), 80).convert("RGB").resize((8000, 6000)).save(photo)
    adapter = create_adapter(LIGHT)
    torch.manual_seed(0)
    network = checked_build(adapter, LIGHT)
    outputs = checked_forward(adapter, network, checked_preprocess(adapter, [photo], LIGHT), LIGHT)
    (found,) = checked_detections(adapter, outputs, [photo], LIGHT)
    assert len(found) > 0
    assert found.masks is not None
    assert found.masks.shape[1] * found.masks.shape[2] <= 2**22
    assert float(found.boxes[:, 2].max()) > found.masks.shape[2]


# --- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> dict[str, torch.Tensor]:
    """The entries of a light SOLOv2, with values of its own."""
    torch.manual_seed(3)
    return create_adapter(LIGHT).build().state_dict()


def loaded(path: Path, content: Any, name: str = LIGHT) -> nn.Module:
    """A network with the weights of a file, the way the scripts load them."""
    torch.save(content, path)
    adapter = create_adapter(name)
    network = checked_build(adapter, name)
    state = adapter.renamed(checkpoint.read_state_dict(path))
    checkpoint.load_strict(network, state, mapping="by_name", source=path.name)
    return network


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"meta": {"epoch": 12}, "state_dict": state},  # MMDetection
        lambda state: {"model": state, "iteration": 89999, "optimizer": {"param_groups": []}},  # detectron2
        lambda state: {f"module.{name}": value for name, value in state.items()},
    ],
)
def test_checkpoints_load_as_their_projects_wrap_them(wrapped: Any, trained: Any, tmp_path: Path) -> None:
    found = loaded(tmp_path / "weights.pth", wrapped(trained)).state_dict()
    assert all(torch.equal(found[name], value) for name, value in trained.items())


def test_the_older_names_of_the_authors_own_repository_load(trained: Any, tmp_path: Path) -> None:
    old = {"mask_head.mask_feature_head.conv_pred.": "mask_feat_head.conv_pred.0.",
           "mask_head.mask_feature_head.": "mask_feat_head.", "mask_head.cls_convs.": "bbox_head.cate_convs.",
           "mask_head.kernel_convs.": "bbox_head.kernel_convs.", "mask_head.conv_cls.": "bbox_head.solo_cate.",
           "mask_head.conv_kernel.": "bbox_head.solo_kernel."}  # fmt: skip
    state = {}
    for name, value in trained.items():
        prefix = next((p for p in old if name.startswith(p)), "")
        state[old.get(prefix, "") + name.removeprefix(prefix)] = value
    assert "bbox_head.solo_cate.weight" in state
    found = loaded(tmp_path / "weights.pth", {"state_dict": state}).state_dict()
    assert all(torch.equal(found[name], value) for name, value in trained.items())


def altered(state: dict[str, torch.Tensor], name: str, value: torch.Tensor | None) -> dict[str, torch.Tensor]:
    return {n: v for n, v in {**state, name: value}.items() if v is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: altered(s, "mask_head.conv_cls.bias", None), r"1 missing \(mask_head\.conv_cls\.bias 80\)"),
        (lambda s: altered(s, "extra.weight", torch.ones(2)), r"1 unexpected \(extra\.weight 2\)"),
        (lambda s: altered(s, "mask_head.conv_cls.bias", torch.full((80,), torch.nan)), r"NaN or infinity.*conv_cls"),
        (
            lambda s: altered(
                altered(s, "mask_head.conv_cls.bias", torch.ones(20)),
                "mask_head.conv_cls.weight", s["mask_head.conv_cls.weight"][:20],
            ),
            r"only the classifier head differs.*20 in the checkpoint, 80 in the network",
        ),
        (lambda s: {n: v for n, v in s.items() if n.startswith("backbone.")}, r"missing \(neck\."),
    ],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(
    change: Any, message: str, trained: Any, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=message):
        loaded(tmp_path / "weights.pth", {"state_dict": change(trained)})


def test_the_checkpoint_of_another_model_is_refused(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing .*unexpected .*another architecture"):
        loaded(tmp_path / "weights.pth", trained, "fcos/r50_caffe_fpn_gn-head_1x")
