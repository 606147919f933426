"""A photo is refused by its header alone: kinds that are not listed, too many pixels, what no decoder can read."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npu_eval.models.photo_files import PHOTO_SUFFIXES
from npu_eval.serving.photo_requests import KINDS, MAX_DEEP_PIXELS, MAX_PIXELS, PhotoRequest, RefusedError, check_photo


def encoded(kind: str, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def png_of(width: int, height: int, *, depth: int = 8, colours: int = 2) -> bytes:
    """A PNG that announces a size and holds almost nothing."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)),
              (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]  # fmt: skip
    parts = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def status_of(path: Path, photo: bytes) -> int | None:
    path.write_bytes(photo)
    try:
        check_photo(path)
    except RefusedError as error:
        said, status = str(error), error.status
    else:
        return None
    assert str(path) not in said
    return status


@pytest.mark.parametrize("kind", KINDS)
def test_each_listed_kind_is_taken(tmp_path: Path, kind: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    assert status_of(tmp_path / "photo", encoded(kind)) is None


def test_the_list_is_that_of_photo_files() -> None:
    Image.init()
    assert {kind for suffix, kind in Image.EXTENSION.items() if suffix in PHOTO_SUFFIXES} <= set(KINDS)


@pytest.mark.parametrize(
    "photo",
    [encoded("TGA"), encoded("PPM"), encoded("ICO"), encoded("EPS"), encoded("PCX"), encoded("PDF"), b"hello",
     b"\0" * 99, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\x03\x04 a torch file", b'{"image": ""}', b"x"],
)  # fmt: skip
def test_other_kinds_are_415(tmp_path: Path, photo: bytes) -> None:
    assert status_of(tmp_path / "photo", photo) == 415


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "JPEG2000"])
def test_what_announces_a_kind_and_is_broken_is_400(tmp_path: Path, kind: str) -> None:
    assert status_of(tmp_path / "photo", encoded(kind)[:17]) == 400


@pytest.mark.parametrize(
    ("photo", "status"),
    [
        (png_of(30_000, 30_000), 413),
        (png_of(2**31 - 1, 2**31 - 1), 413),
        (png_of(MAX_PIXELS // 1000, 1000), None),
        (png_of(MAX_PIXELS // 1000 + 1, 1000), 413),
        (png_of(MAX_DEEP_PIXELS // 1000, 1000, depth=16, colours=0), None),
        (png_of(MAX_DEEP_PIXELS // 1000 + 1, 1000, depth=16, colours=0), 413),
        (encoded("BMP", (1, 1)).replace(struct.pack("<ii", 1, 1), struct.pack("<ii", 40_000, 40_000)), 413),
    ],
)
def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path, photo: bytes, status: int | None) -> None:
    assert len(photo) < 10_000
    assert status_of(tmp_path / "photo", photo) == status


@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]),
    st.integers(0, 200),
    st.binary(max_size=12),
    st.integers(0, 60),
)
def test_whatever_the_bytes_are_they_are_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, cut: int, put: bytes, at: int
) -> None:
    whole = encoded(kind)
    changed = (whole[:at] + put + whole[at + len(put) :])[: len(whole) - cut]
    assert status_of(tmp_path_factory.getbasetemp() / "photo", changed) in (None, 400, 413, 415)


def test_json_holds_the_photo_in_base64() -> None:
    body = json.dumps({"image": base64.b64encode(b"a photo").decode()}).encode()
    assert PhotoRequest(bytearray(body), is_json=True).photo() == b"a photo"
    assert PhotoRequest(b"a photo").photo() == b"a photo"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "JSON must be"),
        (b"[" * 90_000, "JSON must be"),
        (b'{"image": 1}', "JSON must be"),
        (b'{"image": "***"}', "JSON must be"),
        (b'{"picture": ""}', "JSON must be"),
        (b"\xff\xfe", "JSON must be"),
        (b'{"image": ""}', "holds no photo"),
    ],
)
def test_other_json_is_400(body: bytes, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as refused:
        PhotoRequest(body, is_json=True).photo()
    assert refused.value.status == 400
