"""A picture that shows something else is found, whatever it says of itself; another file of the same pixels is not."""

import contextvars
import io
from unittest import mock

import pytest
from PIL import Image

from npu_deliver.drawing import encoding
from npu_deliver.review.second_look import making as made_again


def png(colour: tuple[int, int, int], *, effort: int = 9, name: str = "x.png", **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", (40, 30), (250, 250, 250))
    image.putpixel((7, 9), colour)
    image.save(buffer, "PNG", compress_level=effort, **options)
    return encoding.labelled(buffer.getvalue(), {"Name": name, encoding.DRAWN_WITH: encoding.libraries()})


OURS = png((1, 2, 3), effort=1)


def test_the_same_pixels_packed_otherwise_are_the_same_picture():
    assert png((1, 2, 3)) != OURS
    assert made_again.difference(png((1, 2, 3)), OURS) == ""


def test_one_other_pixel_is_told_with_its_place():
    told = made_again.difference(png((1, 2, 4)), OURS)
    assert told == "shows something else than what is drawn from its source, in 1 pixels from (7, 9) to (8, 10)"


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        (png((1, 2, 3), name="y.png"), "says something else of itself"),
        (OURS + b"more", "holds after its end, which no picture of this tool has"),
        (OURS[:60], "is no whole PNG"),
        (b"", "has another size or another kind of pixels"),
        (png((1, 2, 3), dpi=(72, 72)), "holds pHYs, which no picture"),
        (png((1, 2, 3), icc_profile=b"x" * 200), "holds iCCP, which no picture"),
    ],
)
def test_whatever_else_differs_is_told(theirs, told):
    assert told in made_again.difference(theirs, OURS)


def test_a_moving_picture_is_none_of_ours():
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ((1, 2, 3), (9, 9, 9))]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    told = made_again.difference(buffer.getvalue(), OURS)
    assert "acTL" in told
    assert "fdAT" in told


def test_other_libraries_are_no_difference_of_the_picture():
    with mock.patch.object(encoding, "libraries", return_value="Pillow 1.0"):
        theirs = png((1, 2, 3))
    assert made_again.difference(theirs, OURS) == ""
    assert encoding.drawn_with(theirs) != encoding.drawn_with(OURS) == encoding.libraries()
    assert encoding.drawn_with(b"nothing") == ""


def packed_quickly_and_then() -> tuple[int, int]:
    with encoding.quickly():
        quick = encoding.options()
    return quick["compress_level"], encoding.options()["compress_level"]


def test_pictures_are_packed_quickly_only_as_long_as_asked():
    """In a context of its own, as the tests' pictures are all packed quickly."""
    quick, then = contextvars.Context().run(packed_quickly_and_then)
    assert quick < then == 9
