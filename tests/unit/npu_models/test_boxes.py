from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_models import boxes as subject

SEEDS = st.integers(0, 2**31)


def random_boxes(seed: int, count: int, extent: float = 60.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * extent
    side = torch.rand(count, 2, generator=generator) * 30
    scores = torch.rand(count, generator=generator)
    classes = torch.randint(0, 4, (count,), generator=generator)
    return torch.cat([corner, corner + side], dim=1), scores, classes


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 60), st.floats(0.1, 0.9))
def test_plain_nms_is_torchvisions(seed, count, threshold):
    boxes, scores, _ = random_boxes(seed, count)
    assert (
        subject.plain_nms(boxes, scores, threshold).tolist() == torchvision.ops.nms(boxes, scores, threshold).tolist()
    )


def test_plain_nms_with_empty_boxes_and_tied_scores_is_torchvisions():
    boxes = torch.tensor([[5.0, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    scores = torch.tensor([0.9, 0.8, 0.5, 0.5, 0.5])
    assert subject.plain_nms(boxes, scores, 0.5).tolist() == torchvision.ops.nms(boxes, scores, 0.5).tolist()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0, 1, 40, 1500]))
def test_nms_by_class_is_torchvisions_batched_nms(seed, count):
    boxes, scores, classes = random_boxes(seed, count, extent=400.0)
    mine = subject.nms_by_class(boxes, scores, classes, 0.5)
    assert mine.tolist() == torchvision.ops.batched_nms(boxes, scores, classes, 0.5).tolist()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0, 1, 40, 200]))
def test_shifting_classes_apart_never_lets_them_suppress_each_other(seed, count):
    boxes, scores, classes = random_boxes(seed, count)
    kept = subject.nms_shifted(boxes, scores, classes, 0.5)
    for label in classes.unique():
        members = (classes == label).nonzero().squeeze(1)
        alone = members[torchvision.ops.nms(boxes[members], scores[members], 0.5)]
        assert [k for k in kept.tolist() if classes[k] == label] == alone.tolist()
    assert bool((scores[kept].diff() <= 0).all())


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0, 1, 2]), st.sampled_from([1, 3, 7]), st.integers(0, 5))
def test_plain_roi_align_is_torchvisions(seed, sampling, size, count):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, 9, 13, generator=generator)
    corners = torch.rand(count, 2, generator=generator) * 40 - 10  # also outside the map
    image = torch.randint(0, 2, (count, 1), generator=generator).float()
    rois = torch.cat([image, corners, corners + torch.rand(count, 2, generator=generator) * 40], dim=1)
    mine = subject.plain_roi_align(features, rois, size, 0.25, sampling)
    wanted = torchvision.ops.roi_align(features, rois, size, 0.25, sampling, aligned=True)
    assert mine.shape == wanted.shape
    torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5)


def test_plain_roi_align_gives_zeros_for_an_empty_box():
    features, rois = torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 2, 2, 2, 2]])
    mine = subject.plain_roi_align(features, rois, 2, 1.0, 0)
    assert torch.equal(mine, torchvision.ops.roi_align(features, rois, 2, 1.0, 0, aligned=True))


def test_devices_without_torchvision_kernels_take_the_plain_ways(monkeypatch):
    def refuse(*_args, **_kwargs):
        pytest.fail("torchvision's kernel was called")

    boxes, scores, classes = random_boxes(1, 30)
    wanted = torchvision.ops.batched_nms(boxes, scores, classes, 0.5)
    monkeypatch.setattr(subject, "_WITHOUT_TORCHVISION_KERNELS", ("cpu",))
    monkeypatch.setattr(torchvision.ops, "nms", refuse)
    monkeypatch.setattr(torchvision.ops, "roi_align", refuse)
    assert subject.nms_by_class(boxes, scores, classes, 0.5).tolist() == wanted.tolist()
    rois = torch.cat([torch.zeros(30, 1), boxes], dim=1)
    assert subject.roi_align(torch.ones(1, 2, 80, 80), rois, 4, 1.0, 1).shape == (30, 2, 4, 4)


def test_the_device_type_without_kernels_is_npu():
    assert subject._WITHOUT_TORCHVISION_KERNELS == ("npu",)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_iou_is_torchvisions(seed):
    first, second = random_boxes(seed, 12)[0], random_boxes(seed + 1, 7)[0]
    torch.testing.assert_close(subject.box_iou(first, second), torchvision.ops.box_iou(first, second))


def test_clip_and_scale():
    boxes = torch.tensor([[-5.0, -5.0, 50.0, 50.0]])
    assert subject.clip_boxes(boxes, (20, 30)).tolist() == [[0.0, 0.0, 30.0, 20.0]]
    assert subject.scale_boxes(boxes, 2.0, 0.5).tolist() == [[-10.0, -2.5, 100.0, 25.0]]
