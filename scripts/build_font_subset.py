"""Rebuild ``src/npu_eval/fonts``: the full Noto Sans SC is 8.3 MB, what our labels and logs can say is 1.5 MB.

    pip install fonttools==4.68.0 && python scripts/build_font_subset.py

Same fontTools, same bytes; another version may pack the outlines in another way.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

PACKAGE = "pylopdf-fonts-zh-cn==0.1.1"  # the smallest package found that holds an unmodified Noto Sans SC
WHEEL_SHA256 = "e2661ef3790cbe0f0f6aa5338b6859b7cd288ee75bc88cd4239c62cd025d4fb3"
FONT_IN_WHEEL = "pylopdf_fonts_zh_cn/NotoSansSC-Regular.otf"
LICENSE_IN_WHEEL = "pylopdf_fonts_zh_cn-0.1.1.dist-info/licenses/LICENSE"
FOLDER = Path(__file__).resolve().parents[1] / "src" / "npu_eval" / "fonts"
FONT_NAME = "NotoSansSC-gb2312.otf"
FAMILY = "Noto Sans SC GB2312"
POSTSCRIPT_NAME = "NotoSansSC-GB2312"

BLOCKS = (
    (0x0020, 0x007E),  # ASCII
    (0x00A0, 0x00FF),  # Latin-1: × ± ° µ ²
    (0x2010, 0x2027),  # dashes, quotation marks, ellipsis
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # ≤ ≥ ≈ ≠ ∞
    (0x2500, 0x257F),  # box drawing
    (0x2580, 0x259F),  # block elements
    (0x3000, 0x303F),  # CJK punctuation
    (0xFF00, 0xFFEF),  # full-width forms
)
SINGLES = "✓✗"


def gb2312() -> set[int]:
    """Every character that the GB 2312 code has: 6763 ideographs and 682 signs."""
    pairs = (bytes(pair) for pair in itertools.product(range(0xA1, 0xF8), range(0xA1, 0xFF)))
    return {ord(character) for pair in pairs for character in pair.decode("gb2312", errors="ignore")}


def wanted() -> set[int]:
    blocks = {code for first, last in BLOCKS for code in range(first, last + 1)}
    return gb2312() | blocks | {ord(character) for character in SINGLES}


def download(folder: Path) -> Path:
    """Fetch the wheel with pip and refuse any other bytes than those this was written for."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True)
    (wheel,) = folder.glob("*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(f"{wheel.name}: sha256 {found}, expected {WHEEL_SHA256}")
    return wheel


def build(source: Path, target: Path) -> None:
    font = TTFont(source, recalcTimestamp=False)  # a time stamp would change the bytes on every run
    options = subset.Options(
        layout_features=[],  # no ligature or alternate is asked for by Pillow's basic layout or by matplotlib
        hinting=False,  # invisible at the sizes we draw, and a third of the file
        notdef_outline=True,
        name_IDs=["*"],  # the copyright and licence entries stay
        drop_tables=["BASE", "DSIG", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"],  # vertical text, signature
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted())
    subsetter.subset(font)
    for entry in font["name"].names:
        new = {1: FAMILY, 3: f"2.004;{POSTSCRIPT_NAME}", 4: FAMILY, 6: POSTSCRIPT_NAME}.get(entry.nameID)
        if new is not None:
            entry.string = new
    font.save(target, reorderTables=None)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(download(folder)) as wheel:
            source = Path(wheel.extract(FONT_IN_WHEEL, folder))
            license_text = wheel.read(LICENSE_IN_WHEEL).decode("utf-8")
        build(source, FOLDER / FONT_NAME)
        copyright_line = TTFont(source)["name"].getDebugName(0)
    (FOLDER / "OFL.txt").write_text(f"{copyright_line}\n\n{license_text}", encoding="utf-8")
    data = (FOLDER / FONT_NAME).read_bytes()
    print(f"{FONT_NAME}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
