"""How a picture becomes a file: with what it was drawn in a text chunk, and quickly where nobody keeps it.

The same libraries draw the same pixels; others, or another kind of processor, may set a glyph elsewhere. So a picture
names them, and whoever draws it again knows whether a difference means anything.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

import matplotlib as mpl
import PIL
from matplotlib import ft2font
from PIL import features

DRAWN_WITH = "Drawn-With"
_BEST, _QUICK = 9, 1
_EFFORT: ContextVar[int] = ContextVar("effort", default=_BEST)
_HEADER = 33
"""Bytes of a PNG up to the end of its header: the signature's 8 and IHDR's 25 (ISO/IEC 15948, 5.6)."""


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """As long as it lasts, pictures are packed quickly instead of small: packing takes longer than drawing."""
    before = _EFFORT.set(_QUICK)
    try:
        yield
    finally:
        _EFFORT.reset(before)


def options() -> dict[str, int]:
    """What Pillow is told about packing."""
    return {"compress_level": _EFFORT.get()}


@functools.cache
def libraries() -> str:
    """The libraries that draw here, with the kind of processor."""
    freetype = features.version("freetype2") or "none"
    return (
        f"matplotlib {mpl.__version__} (FreeType {ft2font.__freetype_version__}), "
        f"Pillow {PIL.__version__} (FreeType {freetype}), {platform.machine()}"
    )


def labelled(png: bytes, texts: Mapping[str, str]) -> bytes:
    """A PNG with these text chunks behind its header."""
    chunks = b""
    for key, value in texts.items():
        body = b"tEXt" + key.encode("latin-1") + b"\0" + value.encode("latin-1", "replace")
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_HEADER] + chunks + png[_HEADER:]


def drawn_with(png: bytes) -> str:
    """The libraries that a PNG names, in its first kilobyte; empty where it names none."""
    found = re.search(rb"tEXt" + DRAWN_WITH.encode("latin-1") + rb"\0([ -~]{1,300})", png[:1024])
    return found[1].decode("latin-1") if found else ""
