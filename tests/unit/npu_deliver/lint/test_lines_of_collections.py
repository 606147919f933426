"""Kinds of honest lines that collections of reports hold and that looked like contradictions."""

from __future__ import annotations

import pytest

from lint_reports import linted

HONEST = {
    "requests at once, by a column": "# Serving on an NPU\n\n"
    "| Concurrent requests | Throughput (img/s) | Avg. latency (ms) |\n"
    "|---|---|---|\n| 1 | 133.6 | 7.48 |\n| 2 | 156.6 | 12.77 |\n| 400 | 164.879 | 2407.398 |\n",
    "a drop of an accuracy": "# Pruning, NPU\n\n| Method | Accuracy(%)$\\downarrow$ |\n|---|---|\n| L1 | -0.15 |\n",
    "an accuracy that fell": "# 昇腾 NPU\n\n| 方法 | 准确率下降 (%) |\n|---|---|\n| A | -0.4 |\n",
    "two numbers, the second negative": "# NPU\n\nCrop Slice_4 1 1 in_3 647 -23309=1,0 -23310=1,21\n",
    "two environments, each above its table": "# NPU 推理\n\n其中(Torch 1.11.0环境)如下\n\n| 配套 | 版本 |\n|---|---|\n"
    "| torch | 1.11.0+cpu |\n\n而(Torch 2.0.1环境)如下\n\n| 配套 | 版本 |\n|---|---|\n| torch | 2.0.1+cpu |\n",
    "a power": "# NPU\n\nNote: 1E0 = 1x 10^0 = 1.0 is real time.\n",
    "a position that is none": '# NPU\n\n- "max_relative_positions": -1\n',
    "names with a slash": "# NPU\n\n| Model | #params |\n|---|---|\n"
    "| `net` / `net-base` | 138 |\n| `net` | 135 |\n| `net-base` | 135 |\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_an_honest_line_is_left_alone(text: str) -> None:
    assert [(f.rule, f.message.en) for f in linted(text) if f.severity == "error"] == []


def test_what_is_false_beside_them_is_still_found() -> None:
    assert "NPU004h" in {f.rule for f in linted("# NPU\n\n647 - 233 = 1\n")}
    assert "NPU005a" in {f.rule for f in linted("# NPU\n\n| Model | Accuracy (%) |\n|---|---|\n| L1 | 134.3 |\n")}
