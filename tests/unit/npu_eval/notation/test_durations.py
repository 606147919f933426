from __future__ import annotations

import pytest

from npu_eval.notation.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90.0), ("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0), (" 2m ", 120.0)]
)
def test_people_write_lengths_of_time(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "0", "0s", "-5s", "ten", "5 minutes", "1e3"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no length of time; write 90s, 10m or 1\.5h"):
        seconds(text)
