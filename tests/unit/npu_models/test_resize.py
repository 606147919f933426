from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_models import resize as subject

SIDES = st.integers(1, 90)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**31))
def test_pillow_resizing_is_pillows_along_each_axis(height, width, new_height, new_width, seed):
    # One axis at a time: which axis comes first when an image shrinks differs between versions of Pillow.
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    for size in ((new_height, width), (height, new_width)):
        picture = image_module.fromarray(image).resize((size[1], size[0]), image_module.Resampling.BILINEAR)
        mine = subject.resize_pillow(torch.from_numpy(image), size)
        assert (mine.numpy() == np.asarray(picture)).all()


def test_pillow_resizing_enlarges_as_pillow_does():
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = np.random.default_rng(7).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    picture = image_module.fromarray(image).resize((107, 80), image_module.Resampling.BILINEAR)
    assert (subject.resize_pillow(torch.from_numpy(image), (80, 107)).numpy() == np.asarray(picture)).all()


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**31))
def test_opencv_resizing_is_opencvs(height, width, new_height, new_width, seed):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    wanted = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    assert (subject.resize_opencv(torch.from_numpy(image), (new_height, new_width)).numpy() == wanted).all()


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**31))
def test_opencv_resizing_is_bilinear_interpolation_within_one_level(height, width, new_height, new_width, seed):
    image = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    mine = subject.resize_opencv(image, (new_height, new_width)).float()
    exact = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None].float(), size=(new_height, new_width), mode="bilinear", align_corners=False
    )[0].permute(1, 2, 0)
    assert (mine - exact).abs().max().item() <= 1.0


def test_a_quarter_of_a_mask_keeps_the_cells_with_two_of_the_four_middle_pixels():
    mask = torch.zeros(8, 8, dtype=torch.uint8)
    mask[1, 1] = 1  # one of the middle four of the first cell
    mask[5, 5], mask[5, 6] = 1, 1  # two of the last
    assert subject.resize_opencv(mask, (2, 2)).tolist() == [[0, 0], [0, 1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_quarters_of_many_images_are_those_of_each(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (3, 4 * height, 4 * width), generator=generator, dtype=torch.uint8)
    wanted = torch.stack([subject.resize_opencv(image, (height, width)) for image in images])
    assert torch.equal(subject.quarter_opencv(images), wanted)


def test_halving_takes_the_mean_of_four():
    image = torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8)[:, :, None]
    assert subject.resize_opencv(image, (1, 1)).item() == 1


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((480, 640), (800, 1067)),
        ((640, 480), (1067, 800)),
        ((320, 1000), (427, 1333)),
        ((800, 800), (800, 800)),
        ((1, 1), (800, 800)),
    ],
)
def test_both_rules_for_the_size_agree_on_common_cases(size, wanted):
    assert subject.shortest_edge(size, 800, 1333) == wanted
    assert subject.keep_ratio(size, 800, 1333) == wanted
    assert subject.keep_ratio(size, 1333, 800) == wanted


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_sizes_stay_within_their_bounds(height, width):
    for size in (subject.shortest_edge((height, width), 800, 1333), subject.keep_ratio((height, width), 800, 1333)):
        assert 1 <= min(size) <= 800
        assert max(size) <= 1333
