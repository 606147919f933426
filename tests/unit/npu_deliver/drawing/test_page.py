"""Texts on a chart's page are measured as they are drawn, fit where they are put, and have a glyph for everything."""

import string

import matplotlib as mpl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.ft2font import FT2Font

from npu_deliver.drawing import page as layout
from npu_eval.fonts import cjk_font_path

LONG = "照片/一个非常非常长的中文文件名称用于测试裁剪_0001.jpg · a/very/long/path/image_0000123.jpeg · proposals.boxes"
FOOTER = "BlendMask · cpu (Intel(R) Xeon(R)) · 由 summary.json 绘制，sha256 abababababab " * 3


@pytest.fixture
def look():
    with layout.look():
        yield


@pytest.mark.parametrize("text", [LONG, FOOTER, "AVATAR Wa. To", "中文，标点。", string.printable[:94]])
@pytest.mark.parametrize("bold", [False, True])
def test_no_text_is_drawn_wider_than_measured(look, text, bold):
    page = layout.Page("t", None, "f", body=1)
    drawn = page.figure.text(0, 0.5, layout.drawable(text), fontsize=10, fontweight="bold" if bold else "normal")

    share = drawn.get_window_extent().width / layout.DPI / layout.inches(layout.drawable(text), 10, bold=bold)

    assert 0.9 < share < 1.01  # kerning, which is not measured, only draws letters together


@settings(max_examples=100)
@given(st.text(max_size=80), st.floats(min_value=0.5, max_value=4))
def test_shortened_and_wrapped_texts_fit(text, room):
    whole = layout.drawable(text)
    short = layout.shorten(text, 8, room)
    lines = layout.wrap(text, 8, room)

    assert short == whole or "…" in short
    assert layout.inches(short, 8) <= room + 1e-9
    assert all(layout.inches(line, 8) <= room + 1e-9 for line in lines)
    assert "".join(lines).replace(" ", "") == whole.replace(" ", "")


@given(st.text(max_size=40))
def test_what_is_drawn_has_a_glyph(text):
    folder = f"{mpl.get_data_path()}/fonts/ttf"
    fonts = [FT2Font(f"{folder}/DejaVuSans.ttf"), FT2Font(str(cjk_font_path()))]

    assert all(any(font.get_char_index(ord(c)) for font in fonts) for c in layout.drawable(text))


@pytest.mark.parametrize(
    ("text", "drawn"), [("a\tb\n c", "a b c"), ("龘", "U+9F98"), ("\x1b[0m", "U+001B[0m"), ("中 $x$", "中 $x$")]
)
def test_drawable_text(text, drawn):
    assert layout.drawable(text) == drawn
