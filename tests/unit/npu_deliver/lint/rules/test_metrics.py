"""Outputs printed for both sides against what is said of them, features with a top-k, and what a cosine can be."""

from __future__ import annotations

import pytest

from lint_reports import linted
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import document
from npu_deliver.lint.reading.precision.outputs import printed_outputs


def _said(text: str, rule: str) -> list[int]:
    return [finding.line for finding in linted(f"# 模型（昇腾 NPU）\n\n{text}\n") if finding.rule == rule]


CLAIM = "- 结论：误差 < 1%\n"
VECTORS = {
    "two lines": "- CPU 输出：[0.1234, 0.5678, 0.9012]\n- NPU 输出：[0.1434, 0.5678, 0.9012]\n",
    "one line": "CPU: [0.1234, 0.5678, 0.9012] NPU: [0.1434, 0.5678, 0.9012]\n",
    "the NPU first": "- NPU logits: [0.1434, 0.5678, 0.9012]\n- GPU logits: [0.1234, 0.5678, 0.9012]\n",
    "a log": "```text\nINFO cpu out = [0.1234 0.5678 0.9012 ...]\nINFO npu out = [0.1434 0.5678 0.9012 ...]\n```\n",
    "tensors": "CPU 结果 tensor([[0.1234, 0.5678, 0.9012]])\n\nNPU 结果 tensor([[0.1434, 0.5678, 0.9012]])\n",
    "labels of their own lines": "CPU 输出：\n\n[0.1234, 0.5678, 0.9012]\n\nNPU 输出：\n\n[0.1434, 0.5678, 0.9012]\n",
    "no brackets": "CPU logits: 0.1234, 0.5678, 0.9012\nNPU logits: 0.1434, 0.5678, 0.9012\n",
    "a row for each side": "| 设备 | logit[0] | logit[1] | logit[2] |\n|---|---|---|---|\n"
    "| CPU | 0.1234 | 0.5678 | 0.9012 |\n| NPU | 0.1434 | 0.5678 | 0.9012 |\n",
    "a column for each side": "| 索引 | CPU 输出 | NPU 输出 |\n|---|---|---|\n| 0 | 0.1234 | 0.1434 |\n"
    "| 1 | 0.5678 | 0.5678 |\n| 2 | 0.9012 | 0.9012 |\n",
}


@pytest.mark.parametrize("text", VECTORS.values(), ids=VECTORS.keys())
def test_printed_outputs_are_held_against_the_claim_of_one_percent(text: str) -> None:
    assert len(_said(text + "\n" + CLAIM, "NPU008")) == 1
    assert _said(text.replace("0.1434", "0.1235") + "\n" + CLAIM, "NPU008") == []


@pytest.mark.parametrize("text", VECTORS.values(), ids=VECTORS.keys())
def test_printed_outputs_are_held_against_a_stated_largest_difference(text: str) -> None:
    assert len(_said(text + "\n- max_abs_diff：0.0100\n", "NPU008")) == 1
    assert _said(text + "\n- max_abs_diff：0.0200\n", "NPU008") == []


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("- 最大相对误差：2.0%", True),
        ("- 最大相对误差：20.0%", False),
        ("- 最大绝对误差：< 0.001", True),
        ("- 平均绝对误差：0.0001", True),
        ("- 平均绝对误差：0.0100", False),
        ("- 相对误差：0.5%", True),
        ("- 相对误差：9.0%", False),
    ],
)
def test_each_stated_error_has_its_own_bound(claim: str, wrong: bool) -> None:
    vectors = "- CPU 输出：[0.1000, 0.2000, 0.3000]\n- NPU 输出：[0.1100, 0.2100, 0.3100]\n"
    assert bool(_said(f"{vectors}\n{claim}\n", "NPU008")) is wrong


HONEST = {
    "shapes": "- CPU 输出：[1, 3, 224]\n- NPU 输出：[1, 3, 225]\n",
    "other lengths": "- CPU 输出：[0.1, 0.2, 0.3]\n- NPU 输出：[0.1, 0.2, 0.3, 9.9]\n",
    "means and deviations": "- CPU mean: [0.485, 0.456, 0.406]\n- NPU std: [0.229, 0.224, 0.225]\n",
    "times": "CPU latency: [9.1, 9.2, 9.3]\nNPU latency: [1.1, 1.2, 1.3]\n",
    "metrics in columns": "| 设备 | mAP | AP50 | FPS |\n|---|---|---|---|\n| CPU | 0.371 | 0.571 | 1.234 |\n"
    "| NPU | 0.373 | 0.571 | 46.2 |\n",
    "metrics in rows": "| 指标 | CPU | NPU |\n|---|---|---|\n| mAP | 0.371 | 0.391 |\n| AP50 | 0.571 | 0.581 |\n"
    "| FPS | 1.234 | 46.2 |\n",
    "one side alone": "- NPU 输出：[0.1, 0.2, 0.3]\n- NPU 输出：[0.4, 0.5, 0.6]\n- CPU 耗时：1.2 s\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_other_numbers_in_a_row_are_no_outputs(text: str) -> None:
    assert _said(f"{text}\n{CLAIM}\n- max_abs_diff：0.0001\n", "NPU008") == []


FEATURES = [
    "- 输出形状：[1, 320]（backbone features，num_classes=0）\n- top1_match：一致",
    "骨干网络特征对比：top-1 特征一致，通过。",
    "- 输出为 768 维 backbone 特征向量\n- Top-1 一致率：100%",
    "模型输出为 pooled 特征，top-5 索引完全一致。",
    "The output is a pooled embedding.\n\n| item | value |\n|---|---|\n| top1 match | yes |",
    "NPU 与 CPU 的特征 top-5 索引一致",
]


@pytest.mark.parametrize("text", FEATURES)
def test_a_top_k_of_features_is_named(text: str) -> None:
    assert _said(text, "NPU011")


NO_FEATURES = [
    "- 输出形状：[1, 1000]\n- top1_match：一致",
    "- 输出形状：[1, 320]（backbone features）\n- top1_match：不适用",
    "特征提取后送入分类头，输出为 1000 类别 logits，Top-1 一致率：100%",
    "- 输出：embedding 与类别 logits\n- Top-1 一致：是",
]


@pytest.mark.parametrize("text", NO_FEATURES)
def test_a_top_k_of_classes_is_left_alone(text: str) -> None:
    assert _said(text, "NPU011") == []


@pytest.mark.parametrize(
    "text",
    [
        "Train with the cosine scheduler on one machine with 8 cards.",
        "| 参数 | 说明 |\n|---|---|\n| 命令 | --sched cosine -j 8 --lr 0.4 |",
        "- lr: cosine annealing, 300 epochs",
    ],
)
def test_a_schedule_is_no_similarity(text: str) -> None:
    assert _said(text, "NPU005a") == []


@pytest.mark.parametrize("piece", ["[", "[1.0,", "CPU: 1.0,", "1.1.1", "输出:[", "= "])
def test_long_lines_end(piece: str) -> None:
    raw, _ = decode((piece * 5000).encode(), "a.md")
    assert raw is not None
    document(raw, "a.md").facts(printed_outputs)
