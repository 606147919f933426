"""A name is data: no photo's name stops the line, breaks a page or reaches a terminal as a command."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import deliverables
from npu_deliver.review.verify import verify

NAMES = (
    "23 \u7a7a\u683c \u540d \U0001f600 (1).png", "a#b%20c.png", "new\nline.png", "\x1b[31mred.png", "pipe|cell`x`.png",
         "$HOME.png", "${weight}.png", "{{ 7*7 }}.png", "{% raw %}.png", "<script>.png", "a" * 240 + ".png", "TODO.png",
         "\u202egnp.png", "1.5 ms.png", "q\"uote'.png"
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_photo_ends_in_a_deliverable_that_holds_together(tmp_path: Path, name: str) -> None:
    folder = deliverables.write_model(tmp_path)
    (folder / "photos/cat.png").rename(folder / "photos" / name)
    deliverables.make(deliverables.job_of(tmp_path))
    made = folder / "npu_deliverables"
    assert not verify(made).findings
    (photo,) = (made / "inputs").iterdir()
    for page in [*made.rglob("*.md"), *made.rglob("*.log")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
        for address in re.findall(r'<img src="([^"]*)"', text):
            assert (page.parent / unquote(address)).is_file()
    assert photo.suffix == ".png"
