from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_eval.models import resizing
from npu_models.resize import resize_as

SIDES = st.integers(1, 70)


@pytest.fixture(autouse=True)
def _asked_anew():
    resizing._checked.cache_clear()
    yield
    resizing._checked.cache_clear()


@settings(max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**31))
def test_pillow_gives_the_bits_that_the_plain_way_gives(height, width, new_height, new_width, seed):
    assert resizing.resizes_by_itself("pillow")
    image = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    size = (new_height, new_width)
    assert torch.equal(resizing.resize_fast(image, size, "pillow"), resize_as(image, size, "pillow"))


@settings(max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**31))
def test_opencv_gives_the_bits_that_the_plain_way_gives(height, width, new_height, new_width, seed):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    assert resizing.resizes_by_itself("opencv")
    image = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    size = (new_height, new_width)
    assert torch.equal(resizing.resize_fast(image, size, "opencv"), resize_as(image, size, "opencv"))


def test_a_flipped_view_and_a_picture_of_its_own_size_are_resized_too():
    image = torch.arange(4 * 6 * 3, dtype=torch.uint8).view(4, 6, 3)
    bgr = image.numpy()[..., ::-1].copy()
    for view in (image, torch.from_numpy(bgr), image.transpose(0, 1)):
        assert torch.equal(resizing.resize_fast(view, (4, 6), "pillow"), resize_as(view, (4, 6), "pillow"))


def fake_opencv(monkeypatch, resize):
    calls = []

    def recorded(image, size, interpolation):
        calls.append(size)
        return resize(image, size, interpolation)

    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(resize=recorded, INTER_LINEAR=1))
    return calls


def plain(image, size, _interpolation):
    return resize_as(torch.from_numpy(image), (size[1], size[0]), "opencv").numpy()


def test_a_library_with_the_same_bits_does_the_work(monkeypatch):
    calls = fake_opencv(monkeypatch, plain)
    image = torch.full((10, 20, 3), 7, dtype=torch.uint8)
    assert resizing.resize_fast(image, (5, 9), "opencv").shape == (5, 9, 3)
    assert calls[-1] == (9, 5)


def test_a_library_with_other_bits_is_not_asked_again(monkeypatch):
    calls = fake_opencv(monkeypatch, lambda *given: plain(*given) ^ np.uint8(1))
    image = torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8)
    assert torch.equal(resizing.resize_fast(image, (15, 20), "opencv"), resize_as(image, (15, 20), "opencv"))
    assert len(calls) == 1
    assert not resizing.resizes_by_itself("opencv")


def test_without_the_library_the_plain_way_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    image = torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8)
    assert torch.equal(resizing.resize_fast(image, (21, 33), "opencv"), resize_as(image, (21, 33), "opencv"))
    assert not resizing.resizes_by_itself("opencv")
