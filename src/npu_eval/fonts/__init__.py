"""The one font that travels: a labelled photo must read the same on a machine that has no Chinese font.

``NotoSansSC-gb2312.otf`` is a subset of Noto Sans SC Regular 2.004 (SIL Open Font License 1.1, text in ``OFL.txt``):
every character of GB 2312, printable Latin-1, arrows, box drawing, block elements and full-width forms, without
hinting and layout features. ``scripts/build_font_subset.py`` makes it. Noto Sans SC has no ✗ (U+2717); × and ✓ are in.
"""

from __future__ import annotations

from pathlib import Path

CJK_FAMILY = "Noto Sans SC GB2312"
"""The family name in the file; it differs from the full font's, so an installed Noto Sans SC is never taken instead."""

_FILE_NAME = "NotoSansSC-gb2312.otf"


def cjk_font_path() -> Path:
    """The font file, for ``PIL.ImageFont.truetype`` or matplotlib's ``fontManager.addfont``."""
    return Path(__file__).with_name(_FILE_NAME)
