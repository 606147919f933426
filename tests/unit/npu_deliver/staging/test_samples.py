"""Every sample photo is credited, unchanged since, and small."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

import npu_deliver
from npu_deliver.staging.samples import sample_photos

FOLDER = Path(npu_deliver.__file__).parent / "staging" / "samples"
PHOTOS = sorted(FOLDER.glob("*.jpg"))


def credit(photo: Path) -> list[str]:
    lines = (FOLDER / "CREDITS.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith(f"| {photo.name} |")]
    return next(row for row in rows if len(row) == 8)


def test_the_five_are_there():
    assert [photo.name for photo in PHOTOS] == ["cat.jpg", "coffee.jpg", "flower.jpg", "palace.jpg", "rocket.jpg"]
    assert sample_photos() == tuple(PHOTOS)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.name)
def test_each_is_credited_with_its_hash_and_a_free_licence(photo):
    _, _, author, licence, source, _, size, digest = credit(photo)
    with Image.open(photo) as image:
        assert size == f"{image.width}×{image.height}"
        assert image.mode == "RGB"
    assert digest.strip("`") == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert author
    assert "==" in source
    assert licence.startswith(("[CC0", "[CC BY 2.0]", "public domain"))


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.name)
def test_each_is_small(photo):
    assert photo.stat().st_size < 250_000
