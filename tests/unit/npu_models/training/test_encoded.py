from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch.utils.data import DataLoader

from npu_models import Target
from npu_models.training.encoded import Encoded

MODELS = ("fcos/r50_caffe_fpn_gn-head_1x", "blendmask/R_50_1x", "solov2/light_r50_fpn_3x")


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if is_dataclass(value):
        return [x for field in fields(value) for x in tensors(getattr(value, field.name))]
    return [x for part in value for x in tensors(part)] if isinstance(value, tuple) else []


class Encoding:
    """A loader's ``collate_fn``: one batch is one target here."""

    def __init__(self, encoder):
        self.encoder = encoder

    def __call__(self, targets):
        return self.encoder(targets, (128, 160))


@pytest.fixture(scope="module")
def batch_of(fresh, shapes):
    image, _ = shapes()

    def make(name):
        return fresh(name).preprocess([image], resize=False)

    return make


@pytest.mark.parametrize("name", MODELS)
def test_targets_made_in_a_loaders_worker_give_the_same_losses(name, fresh, shapes, batch_of):
    _, target = shapes()
    model, batch = fresh(name), batch_of(name)
    loader = DataLoader([target], batch_size=1, num_workers=1, collate_fn=Encoding(model.encoder()))
    (encoded,) = loader
    with torch.inference_mode():
        assert model.losses(batch, encoded) == model.losses(batch, [target])


@pytest.mark.parametrize("name", MODELS)
def test_encoders_hold_no_weights_and_can_be_sent(name, fresh):
    sent = pickle.dumps(fresh(name).encoder())
    assert len(sent) < 1000
    assert pickle.loads(sent) == fresh(name).encoder()


def test_targets_of_another_family_are_refused(fresh, shapes, batch_of):
    _, target = shapes()
    for name, other in zip(MODELS, MODELS[1:] + MODELS[:1], strict=True):
        encoded = fresh(other).encoder()([target], (128, 160))
        with pytest.raises(ValueError, match=f"the targets are {type(encoded).__name__}"):
            fresh(name).losses(batch_of(name), encoded)


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_moves(name, fresh, shapes, monkeypatch):
    _, target = shapes()
    encoded = fresh(name).encoder()([target], (128, 160))
    assert isinstance(encoded, Encoded)
    assert len(tensors(encoded)) >= 5
    assert {x.device.type for x in tensors(encoded)} == {"cpu"}
    assert {x.device.type for x in tensors(encoded.to("meta"))} == {"meta"}
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pinned.append(x) or x)
    encoded.pin_memory()
    assert len(pinned) == len(tensors(encoded))


def test_points_lie_where_the_outputs_of_any_size_do(fresh):
    model = fresh(MODELS[0])
    images = torch.zeros(1, 3, 72, 104)  # neither side a multiple of 32
    target = Target(torch.tensor([[8.0, 8.0, 60.0, 60.0]]), torch.tensor([3]))
    with torch.inference_mode():
        losses = model.losses(images, [target])
    assert all(bool(torch.isfinite(x)) for x in losses.values())


def test_mixed_descriptions_of_masks_are_encoded_together(fresh, shapes):
    _, target = shapes()
    drawn = Target(target.boxes, target.classes, polygons=target.polygons)
    painted = Target(target.boxes, target.classes, masks=target.masks)
    encoded = fresh(MODELS[1]).encoder()([drawn, painted], (128, 160))
    assert encoded.masks.shape == (6, 56, 56)
    assert encoded.rois[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert encoded.semantic is None
    first, second = encoded.points.objects[encoded.points.objects < 3], encoded.points.objects.unique().tolist()
    assert len(first) * 2 == len(encoded.points.objects)
    assert second == [0, 1, 2, 3, 4, 5]
