from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.notation import units

positive = st.floats(1e-300, 1e300)
shares = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (units.ms(0.0216471), "21.647 ms"),
        (units.seconds(12.034), "12.03 s"),
        (units.rate(46.2), "46.20 /s"),
        (units.ratio(0.98761), "0.9876"),
        (units.iou(0.95), "0.950000"),
        (units.iou(1 - 1e-9), "0.999999"),
        (units.iou(1.0), "1.000000"),
        (units.cosine(1 - 1e-15), "0.999999999999999"),
        (units.sci(1.2341e-7), "1.234e-07"),
        (units.sci(0.0), "0"),
        (units.percent(0.98761), "98.76 %"),
        (units.percent(1.16e-6), "1.16e-04 %"),
        (units.percent(0.0), "0.00 %"),
        (units.db(134.24), "134.2 dB"),
        (units.db(None), "∞ dB"),
        (units.mib(17 * 2**20 + 943_718), "17.9 MiB"),
        (units.gib(int(23.4 * 2**30)), "23.4 GiB"),
        (units.millions(4_652_008), "4.65 M"),
        (units.count(1000), "1000"),
        (units.short_hash("0123456789abcdef" * 4), "0123456789ab"),
    ],
)
def test_a_number_is_written_with_its_unit(text: str, wanted: str) -> None:
    assert text == wanted


@given(positive)
def test_scientific_notation_keeps_four_digits(value: float) -> None:
    assert math.isclose(float(units.sci(value)), value, rel_tol=5.1e-4)


@given(shares)
def test_no_share_but_zero_reads_as_zero_and_every_share_can_be_read_back(share: float) -> None:
    number, unit = units.percent(share).split()
    assert unit == "%"
    assert (float(number) == 0.0) == (share == 0.0) or share * 100 == 0.0
    assert math.isclose(float(number), share * 100, rel_tol=0.006, abs_tol=0.0051 if share >= 5e-5 else 0.0)


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_what_is_written_keeps_the_order_of_what_is_meant(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for write in (units.ms, units.seconds, units.rate, units.ratio):
        assert float(write(low).split()[0]) <= float(write(high).split()[0])
