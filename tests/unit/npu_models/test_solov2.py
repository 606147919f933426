from __future__ import annotations

import pytest
import torch

import npu_models
from npu_models import Target
from npu_models.solov2 import CLASSES, GRIDS

NAME = "solov2/r50_fpn_1x"


def empty_raw(height=64, width=96, images=1, logit=-20.0):
    raw = {"mask_feats": torch.zeros((images, 256, height // 4, width // 4))}
    for number, side in enumerate(GRIDS):
        raw[f"kernel_{number}"] = torch.zeros((images, 256, side, side))
        raw[f"cls_{number}"] = torch.full((images, CLASSES, side, side), logit)
    return raw


def with_one_mask(raw, cell=(2, 5, 6), label=7, logit=3.0):
    """One candidate whose mask is the rectangle of mask features from row 4 to 12 and column 2 to 10."""
    grid, row, column = cell
    raw["cls_" + str(grid)][0, label, row, column] = logit
    raw["kernel_" + str(grid)][0, 0, row, column] = 1.0
    raw["mask_feats"][0, 0] = -8.0
    raw["mask_feats"][0, 0, 4:12, 2:10] = 8.0
    return raw


def test_names_shapes_and_kinds_are_the_original_checkpoints(reference):
    model = npu_models.build(NAME)
    mine = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert mine == {key: shape for key, shape, _ in reference.entries(NAME)}
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {key for key, _, kind in reference.entries(NAME) if kind == "param"}


def test_dense_outputs_agree_with_the_original(reference):
    reference.assert_dense(NAME, reference.raw(NAME))


def test_detections_and_masks_agree_with_the_original(reference):
    batch, arrays = reference.batch(NAME), reference.arrays(NAME)
    (found,) = reference.model(NAME).postprocess(reference.raw(NAME), batch.image_sizes, batch.output_sizes)
    masks = torch.from_numpy(reference.recorded_masks(NAME))
    scores, classes = (torch.from_numpy(arrays[f"A/det_{key}"]) for key in ("scores", "classes"))
    assert abs(len(found) - len(scores)) <= 1
    flips = 0
    unmatched = set(range(len(scores)))
    for index in range(len(found)):
        near = [
            j for j in unmatched if classes[j] == found.classes[index] and abs(scores[j] - found.scores[index]) <= 5e-4
        ]
        if near:
            different = {j: int((masks[j] != found.masks[index]).sum()) for j in near}
            best = min(different, key=different.__getitem__)
            unmatched.remove(best)
            flips += different[best]
    assert len(unmatched) <= 1
    assert flips <= 1e-5 * masks.numel()


def test_gradients_reach_what_the_original_trains(reference):
    model = reference.new_model(NAME).train()
    losses = model.losses(reference.batch(NAME), [reference.target()])
    assert set(losses) == {"loss_mask", "loss_cls"}
    torch.stack(list(losses.values())).sum().backward()
    reached = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == {key for key, _, kind in reference.entries(NAME) if kind == "param"}


def test_one_cell_becomes_one_mask_with_the_box_around_it(fresh):
    (found,) = fresh(NAME).postprocess(with_one_mask(empty_raw()), [(64, 96)], [(64, 96)])
    assert found.classes.tolist() == [7]
    assert found.boxes.tolist() == [[8.0, 16.0, 40.0, 48.0]]
    assert int(found.masks.sum()) == pytest.approx(32 * 32, rel=0.01)
    quality = torch.sigmoid(torch.tensor(8.0)).item()
    assert found.scores.item() == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item() * quality, abs=1e-5)


def test_masks_are_cut_to_the_unpadded_image_and_rescaled(fresh):
    (found,) = fresh(NAME).postprocess(with_one_mask(empty_raw()), [(32, 48)], [(64, 96)])
    assert found.masks.shape == (1, 64, 96)
    assert found.boxes.tolist() == [[16.0, 32.0, 80.0, 64.0]]


def test_a_mask_must_be_larger_than_the_stride_of_its_level(fresh):
    for grid, kept in ((0, 1), (4, 0)):  # 25 pixels against 8 and against 32
        raw = with_one_mask(empty_raw(), cell=(grid, 5, 6))
        raw["mask_feats"][...] = -8.0
        raw["mask_feats"][0, 0, 4:9, 2:7] = 8.0
        (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
        assert len(found) == kept


def test_point_suppression_looks_left_and_up_only(fresh):
    raw = with_one_mask(empty_raw(), cell=(2, 5, 6), logit=2.0)
    with_one_mask(raw, cell=(2, 5, 7), logit=1.0)  # right of a better one: suppressed
    with_one_mask(raw, cell=(2, 9, 9), logit=1.0)
    with_one_mask(raw, cell=(2, 9, 10), logit=2.0)  # right of a worse one: both stay until matrix NMS
    raw["kernel_2"][0, 0, 9, 9] = raw["kernel_2"][0, 0, 9, 10] = -1.0  # another mask than the first two
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert len(found) == 3


def test_a_cell_may_be_a_candidate_for_two_classes(fresh):
    raw = with_one_mask(empty_raw())
    raw["cls_2"][0, 11, 5, 6] = 2.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert found.classes.tolist() == [7, 11]
    assert bool((found.masks[0] == found.masks[1]).all())


def test_no_detections_dense_detections_and_extreme_sizes(fresh):
    torch.manual_seed(0)
    nothing, everything = empty_raw(), empty_raw(logit=0.5)
    everything["mask_feats"] = torch.randn_like(everything["mask_feats"])
    for number in range(5):
        everything[f"kernel_{number}"] = torch.randn_like(everything[f"kernel_{number}"])
        everything[f"cls_{number}"] = torch.randn_like(everything[f"cls_{number}"]) - 3
    both = {key: torch.cat([nothing[key], everything[key]]) for key in nothing}
    none, many = fresh(NAME).postprocess(both, [(64, 96)] * 2, [(1, 1), (3, 200)])
    assert len(none) == 0
    assert none.masks.shape == (0, 1, 1)
    assert len(many) == 100
    assert many.masks.shape == (100, 3, 200)
    assert bool((many.scores.diff() <= 0).all())


def test_empty_masks_leave_no_detection(fresh):
    raw = with_one_mask(empty_raw())
    raw["mask_feats"][...] = -8.0
    (found,) = fresh(NAME).postprocess(raw, [(64, 96)], [(64, 96)])
    assert len(found) == 0


@pytest.mark.slow
def test_training_lowers_the_loss(loss_falls):
    before, after = loss_falls(NAME, learning_rate=0.0005)  # as in the warm-up that the original needs
    assert sum(after.values()) < sum(before.values())


def test_losses_without_objects_and_without_masks(noise_image):
    model = npu_models.build(NAME).train()
    batch = model.preprocess([noise_image(64, 64)], resize=False)
    none = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 64, 64))
    losses = model.losses(batch, [none])
    assert losses["loss_mask"].item() == 0
    assert bool(torch.isfinite(losses["loss_cls"]))
    torch.stack(list(losses.values())).sum().backward()
    unreached = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert unreached == []  # a rank whose images show nothing must take part in every sum of gradients
    with pytest.raises(ValueError, match="need masks"):
        model.losses(batch, [Target(none.boxes, none.classes)])


def test_a_size_that_the_doublings_cannot_reach_is_refused(fresh):
    with pytest.raises(ValueError, match="multiples of 32, not 64 x 80"):
        fresh(NAME).raw_outputs(torch.zeros(1, 3, 64, 80))


def test_the_light_model_has_a_smaller_head():
    raw = npu_models.build("solov2/light_r50_fpn_3x").raw_outputs(torch.zeros(1, 3, 64, 64))
    assert raw["kernel_0"].shape == (1, 128, 40, 40)
    assert raw["mask_feats"].shape == (1, 128, 16, 16)


def test_a_cell_that_two_objects_share_counts_once_or_twice(shapes):
    model = npu_models.build("solov2/light_r50_fpn_3x")
    image, target = shapes()
    batch = model.preprocess([image], resize=False)
    twice = Target(*(x.repeat(2, *[1] * (x.dim() - 1)) for x in (target.boxes, target.classes, target.masks)))
    with torch.inference_mode():
        by_cells = [model.losses(batch, [one])["loss_mask"].item() for one in (target, twice)]
        model.mask_divisor = "masks"
        by_masks = [model.losses(batch, [one])["loss_mask"].item() for one in (target, twice)]
    assert by_cells[1] == pytest.approx(2 * by_cells[0], rel=1e-5)  # mmdet: the sum over distinct cells
    assert by_masks[1] == pytest.approx(by_masks[0], rel=1e-5)  # WXinlong/SOLO: the mean
