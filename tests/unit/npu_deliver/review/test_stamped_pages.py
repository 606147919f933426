from __future__ import annotations

import pytest

from npu_deliver.review.stamped_pages import unstamped

GOOD = """# [SIMULATED] Tiny

| output-error | 3.4e-03 | **PASS (simulated)** |
| 1 | n/a (simulated) | 8 | n/a (simulated) |
| File | `tiny.pth` (17.9 MiB) |
"""


def test_a_stamped_page_is_left_alone() -> None:
    assert list(unstamped(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("[SIMULATED] ", "", 1, "title"),
        ("**PASS (simulated)**", "**PASS**", 3, "PASS"),
        ("**PASS (simulated)**", "**FAIL**", 3, "FAIL"),
        ("| n/a (simulated) | 8", "| 21.647 ms | 8", 4, "time"),
        ("8 | n/a (simulated)", "8 | 46.20 /s", 4, "time"),
        ("8 | n/a (simulated)", "8 | 31.7 MiB", 4, "memory"),
    ],
)
def test_each_way_to_strip_the_stamp_is_named(old: str, new: str, line: int, word: str) -> None:
    (found,) = unstamped(GOOD.replace(old, new))
    assert found[0] == line
    assert word in found[1]
