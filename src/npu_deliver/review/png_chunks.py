"""A PNG as the list of its chunks. Standard library only: nothing is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BEYOND = b"after its end"
"""Kind that stands for what follows the last chunk."""

_MOST = 10_000
"""Pillow writes one for each 64 KiB of a picture."""


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of each chunk (ISO/IEC 15948, 5.3) up to IEND, and what follows that.

    Raises:
        ValueError: it is no PNG, or one whose chunks are cut off, spoilt or too many.
    """
    if not png.startswith(SIGNATURE):
        raise ValueError("the signature of a PNG is missing")
    position = len(SIGNATURE)
    for _ in range(_MOST):
        body = png[position + 4 : position + 8 + int.from_bytes(png[position : position + 4], "big")]
        checksum = png[position + 4 + len(body) : position + 8 + len(body)]
        if len(body) < 4 or checksum != struct.pack(">I", zlib.crc32(body)):
            raise ValueError("a chunk is cut off or spoilt")
        yield body[:4], body[4:]
        position += 8 + len(body)
        if body[:4] == b"IEND":
            if position < len(png):
                yield BEYOND, png[position:]
            return
    raise ValueError("it has too many chunks")
