from __future__ import annotations

import numpy as np
import pytest
import torch

import npu_models
from npu_models import Target
from npu_models.blendmask import CLASSES, STRIDES

NAME = "blendmask/R_50_1x"


def empty_raw(height=64, width=96, images=1, logit=-20.0):
    raw = {"bases": torch.zeros((images, 4, height // 4, width // 4))}
    for number, stride in enumerate(STRIDES, start=3):
        size = (-(-height // stride), -(-width // stride))
        raw[f"logits_p{number}"] = torch.full((images, CLASSES, *size), logit)
        raw[f"reg_p{number}"] = torch.full((images, 4, *size), 1.0)
        raw[f"ctr_p{number}"] = torch.full((images, 1, *size), 20.0)
        raw[f"top_p{number}"] = torch.zeros((images, 784, *size))
    return raw


def test_names_shapes_and_kinds_are_the_original_checkpoints(reference):
    model = npu_models.build(NAME)
    mine = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert mine == {key: shape for key, shape, _ in reference.entries(NAME)}
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {key for key, _, kind in reference.entries(NAME) if kind == "param"}


def test_dense_outputs_agree_with_the_original(reference):
    reference.assert_dense(NAME, reference.raw(NAME))


def test_detections_and_masks_agree_with_the_original(reference, matched):
    batch, arrays = reference.batch(NAME), reference.arrays(NAME)
    (found,) = reference.model(NAME).postprocess(reference.raw(NAME), batch.image_sizes, batch.output_sizes)
    wanted = npu_models.Detections(
        *(torch.from_numpy(arrays[f"A/det_{key}"]) for key in ("boxes", "scores", "classes"))
    )
    pairs = matched(found, wanted)
    assert len(found) == len(wanted)
    assert len(pairs) >= len(wanted) - 1
    assert max(abs(float(found.scores[i] - wanted.scores[j])) for i, j in pairs) <= 1e-4
    masks = reference.recorded_masks(NAME)
    inside = away_from_border(found.boxes, batch.output_sizes[0])
    flips = {i: int((found.masks[i].numpy() != masks[j]).sum()) for i, j in pairs}
    assert sum(inside) > 50
    assert sum(n for i, n in flips.items() if inside[i]) <= 1e-5 * masks.size
    assert all(n <= 0.03 * masks[j].sum() for (i, j), n in zip(pairs, flips.values(), strict=True) if not inside[i])


def away_from_border(boxes, size):
    """Which boxes do not touch the border. Beyond the image the bases are 0 and the probability is one half to the last
    bit, so in masks of boxes cut by the border the rounding of the box decides pixels, in the original too.
    """
    low, high = boxes[:, :2] > 0, boxes[:, 2:] < torch.tensor([size[1], size[0]])
    return (low & high).all(dim=1).tolist()


def test_losses_reach_the_parameters_that_the_original_trains(reference):
    model = reference.new_model(NAME).train()
    losses = model.losses(reference.batch(NAME), [reference.target()])
    assert set(losses) == {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_mask", "loss_basis_sem"}
    torch.stack(list(losses.values())).sum().backward()
    assert sum(parameter.grad is not None for parameter in model.parameters()) == 129


def test_one_hot_cell_becomes_one_box_and_its_score_is_a_square_root(fresh):
    raw = empty_raw()
    raw["logits_p4"][0, 7, 1, 2] = 0.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.classes.tolist() == [7]
    assert found.boxes.tolist() == [[24.0, 8.0, 56.0, 40.0]]  # (40, 24) with one stride of 16 pixels on each side
    assert found.scores.item() == pytest.approx(0.5**0.5, abs=1e-6)


def test_the_threshold_is_on_class_times_centerness(fresh):
    raw = empty_raw()
    raw["logits_p4"][0, 7, 1, 2] = -2.5  # sigmoid 0.076
    raw["ctr_p4"][...] = -2.0  # sigmoid 0.119
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert len(found) == 0


def test_a_strong_basis_fills_the_box_and_a_weak_one_leaves_it_empty(fresh):
    for value, share in ((9.0, 1.0), (-9.0, 0.0)):
        raw = empty_raw()
        raw["bases"][...] = value
        raw["logits_p4"][0, 7, 1, 2] = 3.0
        (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(128, 192)])
        assert found.boxes.tolist() == [[48.0, 16.0, 112.0, 80.0]]
        assert found.masks.shape == (1, 128, 192)
        assert found.masks[0, 16:80, 48:112].float().mean().item() == share
        assert int(found.masks.sum()) == share * 64 * 64


def test_attention_chooses_among_the_bases(fresh):
    raw = empty_raw()
    raw["bases"][0, 0], raw["bases"][0, 1] = 9.0, -9.0
    raw["logits_p4"][0, 7, 1, 2] = 3.0
    attention = raw["top_p4"].view(1, 4, 14, 14, *raw["top_p4"].shape[-2:])
    attention[0, 0, :7], attention[0, 1, 7:] = 20.0, 20.0  # upper half positive, lower half negative
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    rows = found.masks[0].any(dim=1).nonzero().squeeze(1)
    assert rows.min().item() == 8
    assert rows.max().item() == 23  # of the box from 8 to 40


def test_a_box_cut_by_the_border_keeps_its_whole_mask_squeezed_into_what_is_left(fresh):
    raw = empty_raw()
    raw["reg_p4"][...] = 2.0
    raw["bases"][...] = 9.0
    raw["logits_p4"][0, 7, 0, 0] = 3.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.boxes.tolist() == [[0.0, 0.0, 40.0, 40.0]]
    assert bool(found.masks[0, 14:40, 14:40].all())  # the bases' zero surroundings give exactly one half: not asserted


def test_no_detections_dense_detections_and_extreme_sizes(fresh):
    nothing, everything = empty_raw(), empty_raw(logit=1.0)
    both = {key: torch.cat([nothing[key], everything[key]]) for key in nothing}
    none, many = fresh(NAME).postprocess(both, [(64, 96)] * 2, [(1, 1), (3, 200)])
    assert len(none) == 0
    assert none.masks.shape == (0, 1, 1)
    assert len(many) >= 100  # more when scores tie with the hundredth
    assert many.masks.shape == (len(many), 3, 200)
    assert many.boxes[:, 2].max().item() <= 200
    assert many.boxes[:, 3].max().item() <= 3


def test_boxes_outside_the_output_are_dropped(fresh):
    raw = empty_raw()
    raw["logits_p3"][0, 7, 7, 11] = 3.0
    (found,) = fresh(NAME).postprocess(raw, [(20, 20)], [(20, 20)])
    assert len(found) == 0


def test_optimised_detection_computes_only_the_attention_it_keeps(lively, noise_image, matched):
    model = lively(NAME)
    image = noise_image(96, 128)
    (plain,) = model.detect([image], resize=False)
    model.optimise()
    calls = []
    handle = model.top_layer.register_forward_hook(lambda *_: calls.append(1))
    (fast,) = model.detect([image], resize=False)
    handle.remove()
    assert len(plain) > 10
    assert calls == []
    pairs = matched(plain, fast)
    assert len(pairs) >= len(plain) - 2
    inside = away_from_border(plain.boxes, (96, 128))
    assert sum(inside) > 5
    for i, j in pairs:
        flips = int((plain.masks[i] != fast.masks[j]).sum())
        assert flips <= (2 if inside[i] else 0.1 * int(plain.masks[i].sum()))


def test_training_lowers_the_loss(loss_falls):
    before, after = loss_falls(NAME)
    assert sum(after.values()) < sum(before.values())


def test_the_semantic_loss_is_left_out_without_semantic_targets_in_evaluation(shapes):
    model = npu_models.build(NAME).train()
    image, target = shapes()
    batch = model.preprocess([image], resize=False)
    by_polygon = model.eval().losses(batch, [Target(target.boxes, target.classes, polygons=target.polygons)])
    by_mask = model.eval().losses(batch, [Target(target.boxes, target.classes, masks=target.masks)])
    assert "loss_basis_sem" not in by_polygon
    assert by_mask["loss_mask"].item() == pytest.approx(by_polygon["loss_mask"].item(), rel=0.05)
    with pytest.raises(ValueError, match="masks or polygons"):
        model.losses(batch, [Target(target.boxes, target.classes)])


def test_training_asks_for_the_semantic_map_that_its_head_learns_from(shapes):
    model = npu_models.build(NAME).train()
    image, target = shapes()
    batch = model.preprocess([image, image], resize=False)
    with pytest.raises(ValueError, match="needs a semantic map in every target"):
        model.losses(batch, [target, Target(target.boxes, target.classes, target.masks)])


def test_losses_of_two_images_weigh_every_object_of_both(shapes):
    model = npu_models.build(NAME)
    image, target = shapes()
    empty = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 128, 160))
    alone = model.losses(model.preprocess([image], resize=False), [target])
    twice = model.losses(model.preprocess([image, image], resize=False), [target, target])
    beside = model.losses(model.preprocess([image, image], resize=False), [empty, target])
    for key in ("loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_mask"):
        assert twice[key].item() == pytest.approx(alone[key].item(), rel=1e-4)
    assert beside["loss_mask"].item() == pytest.approx(alone["loss_mask"].item(), rel=1e-4)
    assert np.isfinite(beside["loss_fcos_cls"].item())


def test_training_accepts_an_image_without_objects(noise_image):
    model = npu_models.build(NAME).train()
    batch = model.preprocess([noise_image(64, 64)], resize=False)
    background = torch.zeros(64, 64, dtype=torch.int64)
    none = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 64, 64), semantic=background)
    losses = model.losses(batch, [none])
    assert losses["loss_mask"].item() == 0
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
