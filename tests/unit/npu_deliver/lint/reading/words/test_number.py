from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.lint.reading.words.number import numbers

READ = {
    "1000/21.65 = 49.18 FPS": [1000, 21.65, 49.18],
    "2000/10/20 = 10": [2000, 10, 20, 10],
    "103.795 × 4 = 515.18 FPS": [103.795, 4, 515.18],
    "103.795x4=515.18 FPS": [103.795, 4, 515.18],
    "103.795*4≈415": [103.795, 4, 415],
    "8 X 12.5 = 100": [8, 12.5, 100],
    "- 6479.25 / 21.65 = 299.27": [6479.25, 21.65, 299.27],
    "-3.5 dB": [-3.5],
    "2.43x": [2.43],
    "2.43 x faster": [2.43],
    "2.43× 于 CPU": [2.43],
    "640/16=40": [640, 16, 40],
}
NOTHING = [
    "2026-05-17",
    "2024/5/1",
    "2024.12.31",
    "08:12:33",
    "2.0.1环境",
    "v8.0.RC3",
    "3×224×224",
    "1 x 3 x 640 x 640",
    "input: 16*3*224*224",
    "100%|####| 48/48 [01:05<00:00, 1.04s/it, loss=0.11]",
    "582/1000 [1:01:05<2:00:00, 3.2it/s]",
    "top-5",
    "910B4",
    "npu:0",
]


@pytest.mark.parametrize(("line", "values"), READ.items(), ids=READ.keys())
def test_the_numbers_of_a_line(line: str, values: list[float]) -> None:
    assert [number.value for number in numbers(line)] == pytest.approx(values)


@pytest.mark.parametrize("line", NOTHING)
def test_digits_that_are_no_quantity(line: str) -> None:
    assert list(numbers(line)) == []


@given(st.floats(0.001, 1e6), st.integers(2, 64), st.sampled_from(("/", " / ", "×", " × ", "x", "*", " * ", "+")))
def test_the_terms_of_written_arithmetic_are_all_read(a: float, b: int, sign: str) -> None:
    line = f"- 结果：{a:.3f}{sign}{b} = 7.5 FPS"
    assert [number.value for number in numbers(line)] == pytest.approx([float(f"{a:.3f}"), b, 7.5])


@pytest.mark.parametrize("digits", ["1.795897237624691e+308", "9" * 400, "1e999"])
def test_the_product_of_two_huge_numbers_is_still_a_number(digits: str) -> None:
    (number,) = numbers(digits)
    assert math.isfinite(number.value * number.value)
    assert math.isfinite((number.span * number.span).hi)


@pytest.mark.parametrize("piece", ["1x", "1 x ", "1/", "1.", "100%|", "1:", "2024-", "1,000", "1/1 [1:00<"])
def test_a_long_run_of_digits_and_signs_ends(piece: str) -> None:
    assert len(list(numbers(piece * 3000))) <= 6000
