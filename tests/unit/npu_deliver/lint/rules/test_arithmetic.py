"""Rates beside times, and other numbers that follow from numbers: with one card, with many, and with a stated batch."""

from __future__ import annotations

import pytest

from lint_reports import linted

RULES = ("NPU004a", "NPU004b", "NPU004c", "NPU004d", "NPU004e", "NPU004f", "NPU004g", "NPU004l")

WRONG = {
    "eight cards and a step time": (
        "- 8p 训练，全局 batch size 64：FPS 47.16，单步耗时 1.722 s\n",
        {"NPU004l"},
    ),
    "eight cards and a step time, line by line": (
        "## 8卡训练\n\n- batch size：8\n- 单步耗时：1.722 s\n- 吞吐：57.16 FPS\n",
        {"NPU004l"},
    ),
    "eight cards and a latency": ("- 8卡，batch size 64：平均延迟 172.2 ms，吞吐 500.0 FPS\n", {"NPU004a"}),
    "a batch in the row": (
        "| batch | 平均延迟(ms) | 帧率 |\n|---|---|---|\n| 8 | 21.5 | 492.0 FPS |\n",
        {"NPU004a"},
    ),
    "a share": ("相差超过 1%：5087/256000 (19.87%)\n", {"NPU004d"}),
}

HONEST = {
    "eight cards and a step time": "- 8p 训练，全局 batch size 64：FPS 37.16，单步耗时 1.722 s\n",
    "the batch of one card": "## 8卡训练\n\n- batch size：8\n- 单步耗时：1.722 s\n- 吞吐：37.16 FPS\n",
    "the rate of one card": "- 8卡，batch size 64：单步耗时 1.722 s，单卡吞吐 4.645 FPS\n",
    "no stated batch": "- 8p：FPS 37.16，单步耗时 1.722 s\n",
    "tokens": "- 平均时延 100.0 ms，吞吐 50.0 tokens/s\n",
    "calls in flight": "- 多线程并发：平均延迟 20.0 ms，吞吐 400.0 FPS\n",
    "a percentile beside a rate": "| 95% latency (ms) | FPS |\n|---|---|\n| 40.0 | 46.2 |\n",
    "a median beside a rate": "- median latency: 31.0 ms, throughput: 46.2 FPS\n",
    "scales and flips": "| Method | Crop Size | Inf time (fps) | mIoU | mIoU(ms+flip) |\n|---|---|---|---|---|\n"
    "| Net-A | 512x1024 | 13.93 | 76.26 | 77.88 |\n",
    "a schedule": "| Backbone | Lr schd | Inf time (fps) | box AP |\n|---|---|---|---|\n| A | 2x | 11.0 | 41.8 |\n"
    "| B | 1x | 8.0 | 43.0 |\n",
    "speed-ups of what is elsewhere": "| GPUs | mels with FP16 | mels with FP32 | Speed-up |\n|---|---|---|---|\n"
    "| 1 | 26,484 | 31,499 | 0.84 |\n\n| precision | latency (s) |\n|---|---|\n| FP32 | 2.61 |\n| FP32 | 3.03 |\n",
}


def _said(text: str) -> set[str]:
    return {finding.rule for finding in linted(f"# 模型（昇腾 NPU）\n\n{text}") if finding.rule in RULES}


@pytest.mark.parametrize(("text", "rules"), WRONG.values(), ids=WRONG.keys())
def test_a_number_that_does_not_follow_is_named(text: str, rules: set[str]) -> None:
    assert _said(text) == rules


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_what_follows_or_cannot_be_told_is_left_alone(text: str) -> None:
    assert _said(text) == set()
