from __future__ import annotations

import numpy as np
import pytest
import torch

import npu_models
from npu_models import Target
from npu_models.fcos import CLASSES, STRIDES, fcos_losses
from npu_models.points import Assignment
from npu_models.training.point_targets import gathered

NAME = "fcos/r50_caffe_fpn_gn-head_1x"


def empty_raw(height=64, width=96, images=1, logit=-20.0):
    raw = {}
    for number, stride in enumerate(STRIDES, start=3):
        size = (-(-height // stride), -(-width // stride))
        raw[f"logits_p{number}"] = torch.full((images, CLASSES, *size), logit)
        raw[f"reg_p{number}"] = torch.full((images, 4, *size), 10.0)
        raw[f"ctr_p{number}"] = torch.full((images, 1, *size), 20.0)
    return raw


def test_names_shapes_and_kinds_are_the_original_checkpoints(reference):
    model = npu_models.build(NAME)
    mine = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert mine == {key: shape for key, shape, _ in reference.entries(NAME)}
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {key for key, _, kind in reference.entries(NAME) if kind == "param"}


def test_dense_outputs_agree_with_the_original(reference):
    arrays = reference.arrays(NAME)
    batch = reference.batch(NAME)
    summary = reference.formula.summary("input", batch.tensor.numpy())
    assert np.allclose(summary, arrays["A/input/summary"], rtol=0, atol=1e-5 * arrays["A/input/summary"][2])
    reference.assert_dense(NAME, reference.raw(NAME))


def test_detections_agree_with_the_original(reference, matched):
    batch, arrays = reference.batch(NAME), reference.arrays(NAME)
    (found,) = reference.model(NAME).postprocess(reference.raw(NAME), batch.image_sizes, batch.output_sizes)
    wanted = npu_models.Detections(
        *(torch.from_numpy(arrays[f"A/det_{key}"]) for key in ("boxes", "scores", "classes"))
    )
    pairs = matched(found, wanted)
    assert len(found) == len(wanted)
    assert len(pairs) >= len(wanted) - 1
    assert max(abs(float(found.scores[i] - wanted.scores[j])) for i, j in pairs) <= 1e-4


def test_losses_agree_with_the_original(reference):
    arrays = reference.arrays(NAME)
    model = reference.new_model(NAME).train()
    losses = model.losses(reference.batch(NAME), [reference.target()])
    assert set(losses) == {"loss_cls", "loss_bbox", "loss_centerness"}
    for key, value in losses.items():
        assert value.item() == pytest.approx(float(arrays[f"train/{key}"]), rel=1e-5)
    torch.stack(list(losses.values())).sum().backward()
    assert sum(parameter.grad is not None for parameter in model.parameters()) == 93


def test_one_hot_cell_becomes_one_box_around_its_centre(fresh):
    raw = empty_raw()
    raw["logits_p4"][0, 7, 1, 2] = 3.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.classes.tolist() == [7]
    assert found.boxes.tolist() == [[30.0, 14.0, 50.0, 34.0]]  # (2.5 * 16, 1.5 * 16) with 10 pixels on each side
    assert found.scores.item() == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item(), abs=1e-6)


def test_boxes_are_clipped_to_the_unpadded_image_then_rescaled(fresh):
    raw = empty_raw()
    raw["logits_p4"][0, 7, 1, 2] = 3.0
    (found,) = fresh(NAME).postprocess(raw, [(30, 40)], [(60, 120)])
    assert found.boxes.tolist() == [[90.0, 28.0, 120.0, 60.0]]


def test_a_box_outside_the_unpadded_image_is_dropped(fresh):
    raw = empty_raw()
    raw["logits_p3"][0, 7, 7, 11] = 3.0
    (found,) = fresh(NAME).postprocess(raw, [(20, 20)], [(20, 20)])
    assert len(found) == 0


def test_the_threshold_is_on_the_class_alone_and_centerness_may_lower_the_score_below_it(fresh):
    raw = empty_raw()
    raw["logits_p4"][0, 7, 1, 2] = -2.5  # sigmoid 0.076
    raw["ctr_p4"][...] = -2.0  # sigmoid 0.119
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.scores.item() == pytest.approx(0.0759 * 0.1192, abs=1e-4)


def test_overlapping_boxes_are_suppressed_within_a_class_only(fresh):
    raw = empty_raw()
    raw["reg_p3"][...] = 40.0
    raw["logits_p3"][0, 7, 4, 4] = 3.0
    raw["logits_p3"][0, 7, 4, 5] = 2.0
    raw["logits_p3"][0, 8, 4, 5] = 1.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.classes.tolist() == [7, 8]


def test_no_detections_and_dense_detections(fresh):
    nothing, everything = empty_raw(images=1), empty_raw(images=1, logit=1.0)
    both = {key: torch.cat([nothing[key], everything[key]]) for key in nothing}
    none, many = fresh(NAME).postprocess(both, [(64, 96)] * 2, [(32, 48)] * 2)
    assert len(none) == 0
    assert none.boxes.shape == (0, 4)
    assert none.masks is None
    assert len(many) == 100
    assert bool((many.scores.diff() <= 0).all())


def test_size_lists_must_go_with_the_outputs(fresh):
    with pytest.raises(ValueError, match="1 images in the raw outputs, but 2 image sizes"):
        fresh(NAME).postprocess(empty_raw(), [(64, 96)] * 2, [(64, 96)])
    with pytest.raises(ValueError, match="no tensor named reg_p<level>"):
        fresh(NAME).postprocess({"logits_p3": torch.zeros(1, 80, 2, 2)}, [(64, 96)], [(64, 96)])


def test_losses_without_any_object_are_finite_and_reach_every_output():
    logits, regression, center = (torch.zeros((1, 50, n), requires_grad=True) for n in (CLASSES, 4, 1))
    none = Assignment(torch.full((50,), CLASSES), torch.zeros(50, dtype=torch.int64), torch.zeros(50, 4))
    losses = fcos_losses(logits, regression, center, gathered([none], [0], background=CLASSES))
    assert losses["loss_bbox"].item() == 0
    assert losses["loss_centerness"].item() == 0
    torch.stack(list(losses.values())).sum().backward()
    assert logits.grad is not None
    assert regression.grad is not None


def test_training_lowers_the_loss(loss_falls):
    before, after = loss_falls(NAME)
    assert sum(after.values()) < sum(before.values())


def test_targets_may_be_dictionaries(fresh, shapes):
    image, target = shapes()
    batch = fresh(NAME).preprocess([image], resize=False)
    with torch.inference_mode():
        by_type = fresh(NAME).losses(batch, [target])
        by_name = fresh(NAME).losses(batch, [{"boxes": target.boxes, "classes": target.classes}])
    assert by_name == by_type


def test_training_accepts_an_image_without_objects(fresh, noise_image):
    model = npu_models.build(NAME).train()
    batch = model.preprocess([noise_image(64, 64)], resize=False)
    losses = model.losses(batch, [Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))])
    assert all(bool(torch.isfinite(value)) for value in losses.values())
