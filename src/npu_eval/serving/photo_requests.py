"""What a request to the server may bring, and the refusal of what it may not: told before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

MAX_BYTES = 32 * 2**20
"""Of one request: a photo of a large camera has about 20 MiB."""

MAX_PIXELS = 64_000_000
"""Of one photo: decoded to 8 bits RGB it takes 192 MB. A few kilobytes of a file can ask for any number of them."""

MAX_DEEP_PIXELS = 16_000_000
"""Of a photo with more than 8 bits a channel, which is scaled in float64."""

KINDS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF", "JPEG2000")
"""Pillow's names of the kinds that `photo_files.PHOTO_SUFFIXES` lists; no other decoder sees a stranger's bytes."""

_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
_MAGIC_BYTES = 16  # of a file's beginning, by which Pillow's own reader chooses a decoder


class RefusedError(Exception):
    """A request that gets no prediction: the HTTP status, why, and after how many seconds asking again makes sense."""

    def __init__(self, status: int, why: str, *, retry_after_s: int | None = None, allow: str = "") -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.allow = allow
        super().__init__(why)


@dataclass(frozen=True)
class PhotoRequest:
    """A request's body: a photo, or JSON that holds one."""

    body: bytes | bytearray
    is_json: bool = False

    def photo(self) -> bytes | bytearray:
        """The photo itself.

        Raises:
            RefusedError: there is none, or JSON that is not ``{"image": "<base64>"}``.
        """
        photo = _of_json(self.body) if self.is_json else self.body
        if not photo:
            raise RefusedError(400, "the body holds no photo")
        return photo


def _of_json(body: bytes | bytearray) -> bytes:
    try:
        return base64.b64decode(json.loads(body)["image"], validate=True)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error) as error:
        raise RefusedError(400, 'JSON must be {"image": "<base64>"}') from error


def check_photo(path: Path) -> None:
    """Refuse what is no photo of a listed kind or has too many pixels, by its header alone.

    Raises:
        RefusedError: 415, 400 or 413.
    """
    with path.open("rb") as file:
        kinds = _kinds(file.read(_MAGIC_BYTES))
    if not kinds:
        raise RefusedError(415, f"not a photo of a kind that is read here ({', '.join(KINDS)}); send the file itself")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours, below
            with Image.open(path, formats=kinds) as image:
                pixels, mode = image.width * image.height, image.mode
    except Image.DecompressionBombError as error:
        raise _too_many(MAX_PIXELS) from error
    except Exception as error:  # whatever a stranger's bytes make the reader of a header raise
        raise broken() from error
    most = MAX_PIXELS if mode in _EIGHT_BITS else MAX_DEEP_PIXELS
    if pixels > most:
        raise _too_many(most)


def broken() -> RefusedError:
    """The refusal of a photo that cannot be decoded; what the decoder said of it may name files of this machine."""
    return RefusedError(400, "not a readable image: the file is broken or cut short")


def _too_many(most: int) -> RefusedError:
    return RefusedError(413, f"a photo of its kind may have at most {most} pixels")


def _kinds(magic: bytes) -> tuple[str, ...]:
    """The listed kinds that a file's first bytes announce and that this Pillow can decode."""
    Image.init()
    found = []
    for kind in KINDS:
        accept = Image.OPEN[kind][1] if kind in Image.OPEN else None
        if accept is not None and accept(magic) is True:  # a string says that its library is missing
            found.append(kind)
    return tuple(found)
