"""Predictions drawn onto a photo: boxes where there are any, and the labels with their scores in a panel below.

Names of any script come out right on a machine without fonts, because the font travels along.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from npu_eval import units
from npu_eval.fonts import cjk_font_path
from npu_eval.records import Prediction

WIDTH = 720
"""Pixels; smaller photos are enlarged so that the panel's text keeps its size."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""

_ROW = 40
_MARGIN = 16


def draw(photo: Path, predictions: Sequence[Prediction], *, random_weights: bool) -> Image.Image:
    """The photo with its predictions: an RGB image ``WIDTH`` pixels wide."""
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    scale = WIDTH / image.width
    image = image.resize((WIDTH, max(1, round(image.height * scale))), Image.Resampling.LANCZOS)
    _boxes(image, predictions, scale)
    listed = predictions[:5]
    banner = _ROW if random_weights else 0
    panel = _ROW * max(1, len(listed)) + 2 * _MARGIN
    canvas = Image.new("RGB", (WIDTH, image.height + panel + banner), "#ffffff")
    canvas.paste(image, (0, banner))
    pen = ImageDraw.Draw(canvas)
    if random_weights:
        pen.rectangle((0, 0, WIDTH, banner), fill="#b00020")
        pen.text((WIDTH / 2, banner / 2), "RANDOM WEIGHTS 随机权重", font=_font(20), fill="#ffffff", anchor="mm")
    top = image.height + banner + _MARGIN
    for row, prediction in enumerate(listed):
        _bar(pen, top + row * _ROW, prediction, PALETTE[0] if row == 0 else "#8a9bb0")
    if not listed:
        pen.text((_MARGIN, top), "no prediction", font=_font(20), fill="#444444")
    return canvas


def _bar(pen: ImageDraw.ImageDraw, top: int, prediction: Prediction, colour: str) -> None:
    """One line of the panel: the label, its score, and a bar as long as the score."""
    font, score = _font(19), units.percent(prediction.score)
    room = WIDTH - 3 * _MARGIN - round(font.getlength("100.00 %"))
    pen.text((_MARGIN, top), _fit(prediction.label, font, room), font=font, fill="#1b1f24")
    pen.text((WIDTH - _MARGIN, top), score, font=font, fill="#1b1f24", anchor="ra")
    base = top + 27
    pen.rectangle((_MARGIN, base, WIDTH - _MARGIN, base + 5), fill="#e6eaf0")
    length = round((WIDTH - 2 * _MARGIN) * min(max(prediction.score, 0.0), 1.0))
    if length:
        pen.rectangle((_MARGIN, base, _MARGIN + length, base + 5), fill=colour)


def _boxes(image: Image.Image, predictions: Sequence[Prediction], scale: float) -> None:
    pen = ImageDraw.Draw(image)
    font = _font(15)
    for p in predictions:
        if p.box is None:
            continue
        colour = PALETTE[p.index % len(PALETTE)]
        x1, y1, x2, y2 = (v * scale for v in p.box)
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=3)
        text = f"{p.label} {units.percent(p.score)}"
        width = font.getlength(text) + 8
        left = min(max(0.0, x1), max(0.0, image.width - width))
        foot = y1 if y1 >= 22 else y1 + 22
        pen.rectangle((left, foot - 22, left + width, foot), fill=colour)
        pen.text((left + 4, foot - 20), text, font=font, fill="#ffffff")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(cjk_font_path()), size)


def _fit(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """The text, or its beginning with an ellipsis when it is wider than ``room`` pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"
