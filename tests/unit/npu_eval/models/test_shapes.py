"""The generated images: the same on every machine, and their targets are true of them."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_eval.models.shapes import SHAPES, shapes_image


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 200), st.integers(0, 10**6))
def test_boxes_are_tight_around_masks_inside_the_image(side: int, seed: int) -> None:
    image = shapes_image(side, seed)
    assert image.pixels.shape == (side, side, 3)
    assert len(image.boxes) == len(image.classes) == len(image.masks) > 0
    for box, mask in zip(image.boxes.int().tolist(), image.masks, strict=True):
        inside = torch.zeros_like(mask)
        inside[box[1] : box[3], box[0] : box[2]] = True
        assert mask.any()
        assert not (mask & ~inside).any()
        assert mask[box[1]].any()
        assert mask[box[3] - 1].any()
        assert mask[:, box[0]].any()
        assert mask[:, box[2] - 1].any()
    assert 0 <= int(image.classes.min()) <= int(image.classes.max()) < len(SHAPES)


def test_an_image_is_a_function_of_its_seed() -> None:
    assert torch.equal(shapes_image(64, 3).pixels, shapes_image(64, 3).pixels)
    assert not torch.equal(shapes_image(64, 3).pixels, shapes_image(64, 4).pixels)


def test_the_image_has_the_same_bytes_everywhere() -> None:
    digest = hashlib.sha256(shapes_image(96, 0).pixels.numpy().tobytes()).hexdigest()
    assert digest == "7459d953306281684eb2fafb0851ee85336845a94647f22c6a25ec2415d5cec6"


@pytest.mark.parametrize("seed", range(6))
def test_the_last_object_lies_in_front_in_its_own_colour(seed: int) -> None:
    image = shapes_image(96, seed)
    colours = {tuple(c) for c in image.pixels[image.masks[-1]].tolist()}
    assert len(colours) == 1
