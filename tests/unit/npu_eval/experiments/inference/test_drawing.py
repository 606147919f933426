from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from npu_eval.experiments.inference import drawing
from npu_eval.experiments.inference.drawing import MAX_DRAWN, MAX_HEIGHT, PALETTE, WIDTH, draw, stamp
from npu_eval.fonts import cjk_font_path
from npu_eval.models.prediction import Prediction
from npu_eval.notation import units
from npu_eval.records.stamps import Stamp

GREY = (120, 120, 120)
RED = "#b00020"
LABELS = ("tabby, tabby cat", "Egyptian cat", "tiger cat", "lynx", "虎斑猫")
FIVE = tuple(Prediction(label=name, index=i, score=0.5 / (i + 1)) for i, name in enumerate(LABELS))


def photo(folder: Path, width: int = 640, height: int = 480, name: str = "photo.png") -> Path:
    Image.new("RGB", (width, height), GREY).save(folder / name)
    return folder / name


def boxed(*box: float, label: str = "cat", index: int = 0) -> Prediction:
    return Prediction(label=label, index=index, score=0.9, box=box)


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def where(image: Image.Image, colour: str) -> np.ndarray:
    """Rows and columns (n, 2) of the pixels of exactly this colour."""
    rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return np.argwhere((pixels(image) == rgb).all(axis=2))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((640, 480), (720, 540)), ((1, 1), (720, 720)), ((1080, 1920), (720, 1280)), ((3000, 4000), (720, 960)),
     ((100, 1600), (90, 1440)), ((4000, 40), (720, 7)), ((4000, 1), (720, 1)), ((1, 4000), (1, 1440))],
)  # fmt: skip
def test_a_photo_of_any_shape_fits_the_picture(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    image = draw(photo(tmp_path, *size), FIVE)
    bare = draw(photo(tmp_path, 720, 1), FIVE)
    assert image.width == WIDTH
    assert image.height - bare.height + 1 == shown[1] <= MAX_HEIGHT
    seen = where(image, "#787878")
    rows, columns = np.unique(seen[:, 0]), np.unique(seen[:, 1])
    assert (len(columns), len(rows)) == shown
    assert abs((columns[0] + columns[-1]) / 2 - (WIDTH - 1) / 2) <= 0.5, "centred"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_a_photo_of_any_mode_is_drawn(tmp_path: Path, mode: str) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    Image.new("L", (30, 20), 120).convert(mode if mode != "I;16" else "I;16").save(tmp_path / f"p{suffix}")
    assert draw(tmp_path / f"p{suffix}", FIVE).mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_with_an_exif_orientation_is_upright(tmp_path: Path, orientation: int) -> None:
    """Each file is stored turned or mirrored so that a viewer shows it with the white corner at the upper left."""
    upright = Image.new("RGB", (60, 40))
    upright.paste((255, 255, 255), (0, 0, 20, 20))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    image = draw(tmp_path / "p.png", ())
    assert image.getpixel((100, 100)) == (255, 255, 255)
    assert image.getpixel((600, 100)) == (0, 0, 0)
    assert image.getpixel((100, 400)) == (0, 0, 0)
    assert image.getpixel((600, 400)) == (0, 0, 0)


def test_a_stamped_picture_has_a_banner_above_it_and_another_has_none(tmp_path: Path) -> None:
    plain = draw(photo(tmp_path, 720, 540), FIVE)
    assert stamp(plain, ()) is plain
    for stamps in ((Stamp.NO_NPU,), (Stamp.RANDOM_WEIGHTS, Stamp.NO_NPU), tuple(Stamp)):
        stamped = stamp(plain, stamps)
        height = stamped.height - plain.height
        assert 30 <= height <= 60
        assert np.array_equal(pixels(stamped)[height:], pixels(plain))
        assert len(np.unique(pixels(stamped)[:height].reshape(-1, 3), axis=0)) > 2, "the banner holds no words"


@pytest.mark.parametrize("width", [1, 40, 300, 4000])
def test_the_words_of_a_banner_stay_inside_the_picture(width: int) -> None:
    stamped = stamp(Image.new("RGB", (width, 30), "#000000"), tuple(Stamp))
    banner = pixels(stamped)[: stamped.height - 30]
    assert stamped.width == width
    if width >= 300:  # below, no readable size fits
        assert (banner[:, [0, -1]] == banner[0, 0]).all()


def ink(image: Image.Image, top: int, bottom: int) -> np.ndarray:
    """Columns of dark pixels between two rows."""
    return np.unique(np.argwhere(pixels(image)[top:bottom].sum(axis=2) < 300)[:, 1])


def test_the_panel_lists_five_labels_at_most_each_with_a_bar_as_long_as_its_score(tmp_path: Path) -> None:
    seven = (*FIVE, *FIVE[:2])
    image = draw(photo(tmp_path), seven)
    assert np.array_equal(pixels(image), pixels(draw(photo(tmp_path), FIVE)))
    row = drawing._ROW
    for number, prediction in enumerate(FIVE):
        colour = PALETTE[0] if number == 0 else "#8a9bb0"
        top = 540 + drawing._MARGIN + number * row
        seen = where(image, colour)
        bar = seen[(seen[:, 0] >= top) & (seen[:, 0] < top + row)]
        length = bar[:, 1].max() - bar[:, 1].min()
        assert length == round((WIDTH - 2 * drawing._MARGIN) * prediction.score)


def test_letters_with_tails_do_not_touch_their_bar(tmp_path: Path) -> None:
    image = draw(photo(tmp_path), (Prediction(label="gjpqy，（）", index=0, score=1e-9),))
    top = 540 + drawing._MARGIN
    rows = np.unique(np.argwhere(pixels(image)[top : top + 44, : WIDTH // 2].sum(axis=2) < 300)[:, 0])
    bar = np.unique(where(image, "#e6eaf0")[:, 0]) - top
    assert rows.max() < bar.min()


@pytest.mark.parametrize("label", ["a very long label " * 20, "非常长的中文标签" * 30, "W" * 300, "line\nbreak " * 40])
@pytest.mark.parametrize("score", [1.0, 1.2e-6])
def test_a_long_label_ends_before_its_score(tmp_path: Path, label: str, score: float) -> None:
    image = draw(photo(tmp_path), (Prediction(label=label, index=0, score=score),))
    font = ImageFont.truetype(str(cjk_font_path()), 19)
    score_left = WIDTH - drawing._MARGIN - font.getlength(units.percent(score))
    columns = ink(image, 540 + drawing._MARGIN, 540 + drawing._MARGIN + 29)
    gap = [c for c in range(int(score_left) - 12, int(score_left) - 2) if c in columns]
    assert gap == []
    assert columns.min() >= drawing._MARGIN - 2
    assert columns.max() <= WIDTH - drawing._MARGIN + 1


@given(st.text(max_size=40), st.integers(0, 400))
def test_a_fitted_text_is_one_line_that_fits(text: str, room: int) -> None:
    font = drawing._font(19)
    fitted = drawing._fit(text, font, room)
    assert fitted == "…" or font.getlength(fitted) <= room
    assert len(fitted.splitlines()) <= 1
    plain = " ".join(text.split())
    assert fitted == plain or (fitted.endswith("…") and plain.startswith(fitted[:-1]))


def test_without_a_prediction_the_picture_says_so(tmp_path: Path) -> None:
    image = draw(photo(tmp_path), ())
    assert len(ink(image, 540, image.height)) > 30


# --- boxes -----------------------------------------------------------------------------------------------------------


def frame(image: Image.Image, colour: str) -> tuple[int, int, int, int]:
    seen = where(image, colour)
    (top, left), (bottom, right) = seen.min(axis=0), seen.max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def test_a_box_stands_where_it_was_found_in_pixels_of_the_photo(tmp_path: Path) -> None:
    image = draw(photo(tmp_path, 360, 240), (boxed(100, 60, 200, 160, label=""),))
    left, top, right, bottom = frame(image.crop((0, 0, 720, 480)), PALETTE[0])
    assert (left, right, bottom) == (200, 400, 320)
    assert top == 120 - 22, "its tag stands on it"


@pytest.mark.parametrize(
    "box",
    [(0, 0, 50, 50), (-100, -100, 50, 50), (600, 440, 640, 480), (600, 440, 900, 900), (0, 0, 640, 480),
     (-9, -9, 999, 999), (320, 200, 320, 200), (200, 200, 100, 100), (0, 470, 640, 480)],
)  # fmt: skip
def test_a_box_near_or_across_the_border_is_drawn_inside_the_photo(tmp_path: Path, box: tuple[float, ...]) -> None:
    path = photo(tmp_path)
    image = draw(path, (boxed(*box),))
    bare = draw(path, (Prediction(label="cat", index=0, score=0.9),))
    assert image.size == bare.size
    assert np.array_equal(pixels(image)[540:], pixels(bare)[540:]), "the panel is untouched"
    left, top, right, bottom = frame(image.crop((0, 0, 720, 540)), PALETTE[0])
    assert right - left >= 2
    assert bottom - top >= 2
    scale = 720 / 640
    inside = [min(max(v * scale, 0), limit) for v, limit in zip(box, (719, 539, 719, 539), strict=True)]
    assert bottom >= round(max(inside[1], inside[3])) - 1, "the lower edge is visible"
    assert left <= round(min(inside[0], inside[2])) + 1


def test_a_box_outside_the_photo_is_not_drawn(tmp_path: Path) -> None:
    path = photo(tmp_path)
    image = draw(path, (boxed(1000, 1000, 1100, 1100), boxed(-50, -50, -1, -1)))
    assert (pixels(image)[:540] == GREY).all()


def test_tags_of_boxes_in_one_place_do_not_cover_each_other(tmp_path: Path) -> None:
    found = tuple(boxed(300, 200, 400, 300, label=f"number {i}", index=i) for i in range(6))
    image = draw(photo(tmp_path), found).crop((0, 0, 720, 540))
    areas = [len(where(image, colour)) for colour in PALETTE]
    single = [
        len(where(draw(photo(tmp_path), (p,)).crop((0, 0, 720, 540)), colour))
        for p, colour in zip(found, PALETTE, strict=True)
    ]
    tag = 22 * 100
    for area, alone in zip(areas[:-1], single[:-1], strict=True):
        assert area > tag * 0.6
        assert alone >= area


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(30, 100), st.floats(0, 100)), min_size=1, max_size=8))
def test_tags_find_a_free_row_as_long_as_there_is_one(tags: list[tuple[float, float, float]]) -> None:
    placed: list[tuple[float, float, float]] = []
    for start, width, top in tags:
        placed.append((start, drawing._free_row(placed, start, width, top, 540), width))
    for i, (x, y, w) in enumerate(placed):
        for a, b, c in placed[:i]:
            assert abs(y - b) >= 22 or x >= a + c or a >= x + w
        assert 0 <= y <= 540 - 22


def test_the_tag_of_a_box_at_the_right_border_is_whole(tmp_path: Path) -> None:
    image = draw(photo(tmp_path), (boxed(630, 200, 640, 300, label="a label to read"),))
    font = drawing._font(15)
    left, _, right, _ = frame(image.crop((0, 0, 720, 540)), PALETTE[0])
    assert right - left >= font.getlength("a label to read 90.00 %")


coordinate = st.floats(-2000, 2000)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[coordinate] * 4, st.integers(0, 10**6), st.text(max_size=20)), max_size=8))
def test_any_boxes_can_be_drawn(tmp_path_factory: pytest.TempPathFactory, found: list[tuple[object, ...]]) -> None:
    folder = tmp_path_factory.getbasetemp()
    predictions = tuple(
        Prediction(label=str(f[5]), index=int(str(f[4])), score=0.5, box=tuple(float(str(v)) for v in f[:4]))
        for f in found
    )
    image = draw(photo(folder, 32, 24, "any.png"), predictions)
    assert image.width == WIDTH


@pytest.mark.parametrize("colour", PALETTE)
def test_a_tags_text_contrasts_with_its_colour(colour: str) -> None:
    """WCAG 2 contrast of at least 3:1, its bound for large text and graphics."""

    def luminance(code: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
                  for c in (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))]  # fmt: skip
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colour), luminance(drawing._ink(colour))))
    assert (high + 0.05) / (low + 0.05) >= 3.0


def test_a_file_that_is_no_image_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_text("no image")
    with pytest.raises(OSError, match="cannot identify image"):
        draw(tmp_path / "p.jpg", ())


def test_a_mask_tints_what_it_covers_and_nothing_else(tmp_path: Path) -> None:
    mask = np.zeros((480, 640), dtype=bool)
    mask[100:300, 100:300] = True
    path = photo(tmp_path)
    plain = pixels(draw(path, [boxed(100, 100, 300, 300)]))
    masked = pixels(draw(path, [boxed(100, 100, 300, 300)], mask[None]))
    changed = np.argwhere((plain != masked).any(axis=2)) * 640 / WIDTH
    assert len(changed) > 200 * 200
    assert changed.min() >= 95
    assert changed.max() <= 305


def test_objects_with_masks_have_a_colour_each_and_those_without_one_for_each_class(tmp_path: Path) -> None:
    path, two = photo(tmp_path), [boxed(20, 200, 200, 400), boxed(400, 200, 600, 400)]
    masks = np.zeros((2, 480, 640), dtype=bool)
    assert len(where(draw(path, two), PALETTE[1])) == 0
    assert len(where(draw(path, two, masks), PALETTE[1])) > 500


def test_masks_of_a_coarser_grid_cover_the_same_part(tmp_path: Path) -> None:
    mask = np.zeros((1, 24, 32), dtype=bool)
    mask[0, 12:, 16:] = True
    found = pixels(draw(photo(tmp_path), [boxed(320, 240, 640, 480)], mask))
    assert tuple(found[100, 100]) == GREY
    assert tuple(found[450, 600]) != GREY


def test_no_more_objects_are_drawn_than_can_be_told_apart(tmp_path: Path) -> None:
    path = photo(tmp_path)
    many = [boxed(300, 220, 340, 260, index=2)] * MAX_DRAWN
    assert (pixels(draw(path, [*many, boxed(10, 100, 600, 400, index=1)])) == pixels(draw(path, many))).all()
