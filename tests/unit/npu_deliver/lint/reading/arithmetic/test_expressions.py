"""What is a written calculation, and what each of its sides comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lint_reports import linted
from npu_deliver.lint.reading.arithmetic.expressions import calculations
from npu_deliver.lint.reading.words.number import narrow

WRONG = """平均时延 10.24 ms，1000/10.24 = 97.37 FPS
- 6479.25 / 21.65 = 329.31
-6479.25/21.65=329.31
* 吞吐率：1000/10.24 = 97.37 FPS
1. 单卡吞吐率：1000/10.54*16 = 1562.50 FPS
- 四芯吞吐：103.795 × 4 = 515.18 FPS
- 四芯吞吐：103.795x4=515.18 FPS
103.795X4=515.18fps
103.795*4＝515.18
单卡吞吐率：1000÷(5.94÷1)=186.35fps
１０００／２１．６５＝４９．１８
1/(0.0218/16) = 633.9
1000 x 16/(81.7463/1)=159.7275fps
1,000/21.65 = 49.19
| 4芯 | 103.795×4=515.18 |
$\\frac{1000}{21.65} = 49.18$
$103.795 \\times 4 = 515.18$
1000/21.65 = **49.18** FPS
`1000/21.65 = 49.18`
(76.5 - 75.0)/75.0 = 12%
1000/21.65 = 46.19 ≈ 56
1000/21.65 ~= 49.18
21.65 + 3.2 = 25.85 ms
21.65 - 3.2 = 28.45 ms
8卡 × 128 = 512
精度下限（71.7% * 99% = 72.0%）
640/16=44GB
吞吐率 = 1000 * 16 / 21.8 = 933.9
1000除以21.65等于49.18
4 芯 × 103.795 FPS = 515.18 FPS
8 GPUs x 2 img/gpu = 32
global batch (8*2*4 = 32)
1000/21.65≈49.2
512.0 = 8*32
1024x1024x3 = 3145782""".splitlines()

RIGHT_OR_NO_CALCULATION = """1000/21.65 = 46.19 FPS
- 6479.25 / 21.65 = 299.27
分配 640GB 时应设为 640/16=40GB。
103.795x4=415.18
37.5993x4既是四芯吞吐率
1000/(5.94/1)=168.35fps
1000/5.94=168fps
2023/05/17=周三
2023/5/17 = 12
910/310 = 5.2
310P/310=1.6，310P/T4=2.2
top 1/5 = 76.1/93.0
top1/top5 = 76.1/93.0
IoU 0.5/0.75 = 62.1/44.0
batch 1/8 = 5.3
8卡/1卡 = 7.6
lr=0.1*8 bs=2
输入 1x3x224x224 = N
x = 3*4*N = 5
N * 3*4 = 20
N*4 = 20
8 = 2*4
71.7% * 99% = 71.0%
(76.5 - 75.0)/75.0 = 2%
99.2-99.0/99.0 = 0.2%
16.16 / 6.64 = 2.43x
(AP) @[ IoU=0.50:0.95 | maxDets=100 ] = 0.374
/home/a/8/2=3
https://example.org/3/2=7
v1.2/3 = 7
1000/21.65 ≈ 50
2 GB * 1024 = 2048 MB
1s/21.65ms = 46.19 FPS
2*8=16,3*8=24
8*2 = 16 (4*4)
1024*1024=1M
2**3 = 8
1/2^3 = 8
f(x) - 3*2 = 10
12/4*3 = 1
2400 张 / 12 s = 200 张/s
= 3*4 = 12
0.1 × 256/32 = 0.8""".splitlines()


def _said(text: str) -> list[str]:
    return [finding.message.en for finding in linted(f"# 推理\n\n{text}\n") if finding.rule == "NPU004h"]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_calculation_is_found_in_every_form(text: str) -> None:
    assert _said(text)


@pytest.mark.parametrize("text", RIGHT_OR_NO_CALCULATION)
def test_what_is_right_or_no_calculation_is_left_alone(text: str) -> None:
    assert _said(text) == []


def test_the_right_result_is_named_as_precisely_as_the_wrong_one() -> None:
    assert _said("1000/10.54*16 = 1562.50 FPS") == ["1000/10.54*16 is 1518.03, not 1562.50 FPS"]


def test_code_is_not_calculated() -> None:
    assert _said("```python\nx = 3*4 = 13\n```") == []


@given(
    st.floats(0.01, 9999).map(lambda value: round(value, 3)),
    st.floats(0.01, 9999).map(lambda value: round(value, 2)),
    st.sampled_from([("/", lambda a, b: a / b), ("*", lambda a, b: a * b), ("+", lambda a, b: a + b)]),
    st.integers(0, 5),
)
def test_a_rounded_result_is_never_wrong(a: float, b: float, operation, decimals: int) -> None:  # type: ignore[no-untyped-def]
    sign, apply = operation
    assert _said(f"{a} {sign} {b} = {apply(a, b):.{decimals}f}") == []


@given(st.text(alphabet="0123456789.,+-*/x()=≈ %ms卡a", max_size=80))
def test_any_line_can_be_read(text: str) -> None:
    for sides in calculations(narrow(text)):
        assert any(side.computed for side in sides)
        assert all(option.lo <= option.hi for side in sides for option in side.options)


@pytest.mark.parametrize("piece", ["(", "1*(", "1/", "-", "1=", "a-", "1,", "x1", "1x", "**", "=1*2"])
def test_a_long_line_ends(piece: str) -> None:
    list(calculations(piece * 20000))
