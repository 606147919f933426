from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npu_eval.models.adapters import best_classes, photo_batch

NAMES = tuple(f"class {i}" for i in range(50))


def pixels(image: Image.Image) -> torch.Tensor:
    assert image.mode == "RGB"
    return torch.tensor(list(image.tobytes()), dtype=torch.float32)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50), st.integers(1, 8))
def test_the_best_classes_are_those_with_the_highest_logits_best_first(values: list[float], count: int) -> None:
    logits = torch.tensor(values)
    found = best_classes(logits, NAMES, count)
    assert len(found) == min(count, len(values))
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    probabilities = logits.double().softmax(0)
    for prediction in found:
        assert prediction.label == NAMES[prediction.index]
        assert prediction.score == float(probabilities[prediction.index])
    rest = set(range(len(values))) - {p.index for p in found}
    assert all(probabilities[i] <= found[-1].score for i in rest)


@pytest.mark.parametrize("values", [[math.nan, 1.0], [math.inf, 1.0], [-math.inf, -math.inf]])
def test_logits_without_a_softmax_name_no_class(values: list[float]) -> None:
    assert best_classes(torch.tensor(values), NAMES) == ()


def test_a_masked_class_is_merely_impossible() -> None:
    assert [p.index for p in best_classes(torch.tensor([-math.inf, 0.0, 1.0]), NAMES)] == [2, 1, 0]


def test_photos_become_a_batch_in_their_order(tmp_path: Path) -> None:
    for name, mode, colour in (("a.png", "RGB", (1, 2, 3)), ("b.png", "L", 7), ("c.png", "RGBA", (4, 5, 6, 0))):
        Image.new(mode, (2, 1), colour).save(tmp_path / name)
    batch = photo_batch([tmp_path / n for n in ("b.png", "a.png", "c.png")], pixels)
    assert batch.tolist() == [[7.0] * 6, [1.0, 2.0, 3.0] * 2, [4.0, 5.0, 6.0] * 2]


def test_a_photo_from_a_turned_camera_is_seen_upright(tmp_path: Path) -> None:
    upright = Image.new("RGB", (2, 1))
    upright.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor was turned by a quarter
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    turned, plain = (photo_batch([tmp_path / n], pixels) for n in ("turned.png", "upright.png"))
    assert torch.equal(turned, plain)


@pytest.mark.parametrize("error", [SyntaxError, ValueError, Image.DecompressionBombError])
def test_whatever_a_decoder_raises_is_an_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(path: Path) -> Image.Image:
        raise error("broken PNG file")

    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(OSError, match="broken PNG file"):
        photo_batch([tmp_path / "a.png"], pixels)


def test_an_error_of_the_transform_is_not_the_files_fault(tmp_path: Path) -> None:
    Image.new("RGB", (2, 1)).save(tmp_path / "a.png")

    def transform(image: Image.Image) -> torch.Tensor:
        raise ValueError("size must be positive")

    with pytest.raises(ValueError, match="size must be positive"):
        photo_batch([tmp_path / "a.png"], transform)
