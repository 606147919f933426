"""The font that travels says everything that a label or a Chinese report can say, and may be shipped."""

import itertools
import subprocess
import sys

import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from npu_eval.fonts import CJK_FAMILY, cjk_font_path


@pytest.fixture(scope="module")
def font() -> TTFont:
    return TTFont(cjk_font_path())


def test_every_gb2312_character_has_a_glyph(font):
    pairs = (bytes(pair) for pair in itertools.product(range(0xB0, 0xF8), range(0xA1, 0xFF)))
    ideographs = {c for pair in pairs for c in pair.decode("gb2312", errors="ignore")}

    assert len(ideographs) == 6763  # the size of GB 2312's two levels
    assert not {c for c in ideographs if ord(c) not in font.getBestCmap()}


@pytest.mark.parametrize(
    "text", ["Az09 ~", "×±≤≥·…–—“”‘’", "←↑→↓", "─│┌┐└┘├┤┬┴┼═║", "░▒▓█▏", "，。；：？！（）【】《》、", "✓°µ√∞≈≠"]
)
def test_signs_of_reports_have_glyphs(font, text):
    assert not [c for c in text if ord(c) not in font.getBestCmap()]


def test_small_enough_to_travel_in_every_deliverable():
    assert cjk_font_path().stat().st_size < 1_700_000


def test_the_family_cannot_be_mistaken_for_an_installed_font(font):
    assert font["name"].getDebugName(1) == CJK_FAMILY != "Noto Sans SC"


def test_the_licence_travels_with_its_copyright(font):
    licence = cjk_font_path().with_name("OFL.txt").read_text(encoding="utf-8")

    assert font["name"].getDebugName(0) in licence
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "PERMISSION & CONDITIONS" in licence


def test_pillow_draws_with_it():
    face = ImageFont.truetype(str(cjk_font_path()), 24)
    image = Image.new("L", (120, 40))
    ImageDraw.Draw(image).text((4, 4), "猫 cat", 255, face)

    assert image.getbbox() is not None
    assert face.getmask("猫").getbbox() != face.getmask("\U0010ffff").getbbox()


def test_asking_for_the_path_loads_no_drawing_library():
    code = "import sys, npu_eval.fonts, npu_deliver; print([m for m in ('PIL', 'matplotlib') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert shown.strip() == "[]"
