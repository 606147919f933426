"""Two public reports with their published figures: each defect is found, each honest line is left alone."""

from __future__ import annotations

import pytest

from lint_reports import DATA, linted

BLENDMASK = (DATA / "blendmask.md").read_text(encoding="utf-8")
CONVNEXT = (DATA / "convnextv2.md").read_text(encoding="utf-8")


def _found(text: str) -> set[tuple[str, str]]:
    """(rule, the line's text) for every finding."""
    lines = text.splitlines()
    return {(finding.rule, lines[finding.line - 1]) for finding in linted(text)}


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("NPU019a", "Ascend 910"),
        ("NPU009", "与 CPU 推理结果一致"),
        ("NPU012a", "精度验证"),
        ("NPU008", "均无 >1%"),
        ("NPU018c", "性能指标"),
        ("NPU021a", "性能指标"),
        ("NPU022a", "性能指标"),
        ("NPU024a", "大 batch"),
        ("NPU021d", "32.67 FPS"),
        ("NPU003b", "高 12%"),
        ("NPU003d", "21.70 ms"),
        ("NPU004a", "49.18 FPS"),
        ("NPU004c", "+5.8%"),
        ("NPU023c", "+5.8%"),
        ("NPU004g", "CV 0.20%"),
    ],
)
def test_each_defect_of_the_blendmask_report_is_found(rule: str, part: str) -> None:
    assert any(found == rule and part in line for found, line in _found(BLENDMASK))


@pytest.mark.parametrize(
    "honest",
              ["299.31x", "45.88 FPS", "51.41 FPS |", "35.34 FPS", "0.87x", "48.02 FPS", "47.39 FPS",
               "dual NPU total 95.41",
               "508713/2560000", "139564/640000", "28400/160000", "rel_diff=6.481248e-05", "rel_diff=3.381900e-06",
               "mean_rel_diff=2.570563e-04", "+11.3%", "−12.6%", "6.9381e+00/5.0321e+01"]
)  # fmt: skip
def test_no_honest_line_of_the_blendmask_report_is_flagged(honest: str) -> None:
    assert any(honest in line for line in BLENDMASK.splitlines())
    assert not [rule for rule, line in _found(BLENDMASK) if honest in line and "高 12%" not in line]


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("NPU001", "$weight"),
        ("NPU003a", "4.8446"),
        ("NPU007a", ">0.99"),
        ("NPU010", "<0.005"),
        ("NPU011", "top1_match：✅"),
        ("NPU012a", "权重加载"),
        ("NPU013a", "num_classes=0"),
        ("NPU021a", "评分字段"),
        ("NPU025c", "/opt/atomgit"),
    ],
)
def test_each_defect_of_the_convnext_report_is_found(rule: str, part: str) -> None:
    assert any(found == rule and part in line for found, line in _found(CONVNEXT))


@pytest.mark.parametrize(
    "honest",
    [
        "- max_abs_diff",
        "| max_abs_diff",
        "| mean_abs_diff",
        "| cosine_similarity",
        "torch_npu：",
        "CANN：",
        "原始权重模型地址",
    ],
)
def test_no_honest_line_of_the_convnext_report_is_flagged(honest: str) -> None:
    assert any(line.startswith(honest) or honest in line for line in CONVNEXT.splitlines())
    assert not [rule for rule, line in _found(CONVNEXT) if line.startswith(honest)]
