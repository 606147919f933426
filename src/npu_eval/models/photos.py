"""A photo as every model and every picture here sees it: upright, 8 bits, RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

_SWAPPED = (5, 6, 7, 8)  # EXIF orientations with width and height exchanged
_DEEP = ("I;16", "I;16L", "I;16B", "I", "F")  # Pillow's modes of more than 8 bits; its own conversion clips them


def open_upright(photo: Path) -> Image.Image:
    """The photo as an RGB image, turned as its EXIF orientation says; more than 8 bits a channel are scaled to 8.

    Raises:
        OSError: the file is no readable image.
    """
    try:
        with Image.open(photo) as image:
            return _eight_bits(ImageOps.exif_transpose(image)).convert("RGB")
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # of Pillow's decoders, for broken files
        raise OSError(str(error)) from error


def upright_size(photo: Path) -> tuple[int, int]:
    """Height and width of the upright photo, from its header alone.

    Raises:
        OSError: the file is no readable image.
    """
    try:
        with Image.open(photo) as image:
            swapped = image.getexif().get(ExifTags.Base.Orientation) in _SWAPPED
            return (image.width, image.height) if swapped else (image.height, image.width)
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(str(error)) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode not in _DEEP:
        return image
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if image.mode != "F":
        values = values / 257.0  # 65535 / 255
    elif values.max(initial=0.0) <= 1.0:
        values = values * 255.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
