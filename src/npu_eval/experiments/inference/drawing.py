"""Predictions drawn onto a photo: masks and boxes where there are any, labels with scores in a panel below.

Names of any script come out right on a machine without fonts, because the font travels along.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont

from npu_eval.fonts import cjk_font_path
from npu_eval.models.photos import open_upright
from npu_eval.models.prediction import Prediction
from npu_eval.notation import units
from npu_eval.records.stamps import Stamp, brief

WIDTH = 720
"""Pixels; smaller photos are enlarged so that the panel's text keeps its size."""

MAX_HEIGHT = 1440
"""Pixels of the photo in the picture: twice the width, more than any camera's portrait; a strip becomes narrower."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""

MAX_DRAWN = 40
"""Boxes and masks in one picture at most, the best ones: more cannot be told apart."""

_MASK_OPACITY = 0.45
_ROW = 44
_MARGIN = 16
_TAG = 22


def draw(photo: Path, predictions: Sequence[Prediction], masks: Any = None) -> Image.Image:
    """The photo, upright, with its predictions: an RGB image ``WIDTH`` pixels wide.

    ``masks`` is a bool array (K, h, w) with one mask over the whole photo for each prediction, or None. With masks each
    object has a colour of its own, else each class.
    """
    image = open_upright(photo)
    scale = min(WIDTH / image.width, MAX_HEIGHT / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.LANCZOS)
    colours = [PALETTE[(p.index if masks is None else i) % len(PALETTE)] for i, p in enumerate(predictions)]
    if masks is not None:
        for mask, colour in reversed(list(zip(masks[:MAX_DRAWN], colours, strict=False))):  # the best one on top
            _mask(image, mask, colour)
    _boxes(image, predictions[:MAX_DRAWN], colours, scale)
    listed = predictions[:5]
    panel = _ROW * max(1, len(listed)) + 2 * _MARGIN
    canvas = Image.new("RGB", (WIDTH, image.height + panel), "#ffffff")
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, 0, WIDTH, image.height - 1), fill="#d8dde4")
    canvas.paste(image, ((WIDTH - image.width) // 2, 0))
    top = image.height + _MARGIN
    for row, prediction in enumerate(listed):
        _bar(pen, top + row * _ROW, prediction, PALETTE[0] if row == 0 else "#8a9bb0")
    if not listed:
        pen.text((_MARGIN, top), "no prediction 无预测结果", font=_font(20), fill="#444444")
    return canvas


def stamp(image: Image.Image, stamps: Sequence[Stamp]) -> Image.Image:
    """The picture under a banner that names its stamps; the picture itself where there is none.

    The banner grows with the picture, so that it cannot be overlooked on a large one, whoever drew it.
    """
    if not stamps:
        return image
    text = "  ·  ".join(brief(s) for s in stamps)
    size = max(10, image.width // 34)
    while size > 6 and _font(size).getlength(text) > image.width - 8:
        size -= 1
    height = 2 * size + 4
    canvas = Image.new("RGB", (image.width, image.height + height), "#ffc400")
    ImageDraw.Draw(canvas).text((image.width / 2, height / 2), text, font=_font(size), fill="#1b1f24", anchor="mm")
    canvas.paste(image, (0, height))
    return canvas


def _bar(pen: ImageDraw.ImageDraw, top: int, prediction: Prediction, colour: str) -> None:
    """One line of the panel: the label, its score, and a bar as long as the score."""
    font, score = _font(19), units.percent(prediction.score)
    room = WIDTH - 3 * _MARGIN - round(font.getlength(score))
    pen.text((_MARGIN, top), _fit(prediction.label, font, room), font=font, fill="#1b1f24")
    pen.text((WIDTH - _MARGIN, top), score, font=font, fill="#1b1f24", anchor="ra")
    base = top + 30  # below the font's descenders
    pen.rectangle((_MARGIN, base, WIDTH - _MARGIN, base + 5), fill="#e6eaf0")
    length = round((WIDTH - 2 * _MARGIN) * min(max(prediction.score, 0.0), 1.0))
    if length:
        pen.rectangle((_MARGIN, base, _MARGIN + length, base + 5), fill=colour)


def _mask(image: Image.Image, mask: Any, colour: str) -> None:
    """Tint what a mask covers, and draw its outline."""
    cover = Image.fromarray(np.asarray(mask, dtype=np.uint8) * 255).resize(image.size, Image.Resampling.BILINEAR)
    inside = cover.point(lambda v: 255 if v >= 128 else 0)
    image.paste(Image.new("RGB", image.size, colour), mask=inside.point(lambda v: round(v * _MASK_OPACITY)))
    edge = ImageChops.subtract(inside, inside.filter(ImageFilter.MinFilter(3)))
    image.paste(Image.new("RGB", image.size, colour), mask=edge)


def _boxes(image: Image.Image, predictions: Sequence[Prediction], colours: Sequence[str], scale: float) -> None:
    """The part of each box that lies in the photo; its tag stands where no earlier tag does."""
    pen = ImageDraw.Draw(image)
    font = _font(15)
    boxed = [
        (p, c, [v * scale for v in p.box]) for p, c in zip(predictions, colours, strict=False) if p.box is not None
    ]
    tags: list[tuple[str, str, float, float]] = []
    for p, colour, (x1, y1, x2, y2) in boxed:
        left, right = max(0.0, min(x1, x2)), min(image.width - 1.0, max(x1, x2))
        top, bottom = max(0.0, min(y1, y2)), min(image.height - 1.0, max(y1, y2))
        if left > right or top > bottom:
            continue
        pen.rectangle((left, top, right, bottom), outline=colour, width=3)
        score = f" {units.percent(p.score)}"
        text = _fit(p.label, font, image.width - 8 - font.getlength(score)) + score
        tags.append((text, colour, left, top))
    placed: list[tuple[float, float, float]] = []
    for text, colour, left, top in tags:  # after all boxes, so that no line runs through a name
        width = font.getlength(text) + 8
        start = min(left, max(0.0, image.width - width))
        row = _free_row(placed, start, width, top, image.height)
        placed.append((start, row, width))
        pen.rectangle((start, row, start + width, row + _TAG), fill=colour)
        pen.text((start + 4, row + 2), text, font=font, fill=_ink(colour))


def _free_row(placed: Sequence[tuple[float, float, float]], start: float, width: float, top: float, end: int) -> float:
    """The upper edge of a tag: above its box, else inside, else further down until it covers no earlier tag."""
    step = _TAG + 1
    first = top - _TAG if top >= _TAG else top
    for i in range(max(1, int((end - first) // step))):
        row = first + i * step
        if not any(abs(row - y) < step and start < x + w and x < start + width for x, y, w in placed):
            return row
    return first


def _ink(colour: str) -> str:
    """Black or white, whichever reads better on a colour (Rec. 601 luma)."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(cjk_font_path()), size)


def _fit(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """The text on one line, or its beginning with an ellipsis when it is wider than ``room`` pixels."""
    text = " ".join(text.split())
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"
