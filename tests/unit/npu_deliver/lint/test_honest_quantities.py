"""Numbers of honest reports whose meaning a hasty reader would mistake."""

from __future__ import annotations

import pytest

from lint_reports import linted

HONEST = {
    "multi-scale is no millisecond": "| Method | Inf time (fps) | mIoU | mIoU(ms+flip) |\n|---|---|---|---|\n"
    "| Net-A | 13.93 | 76.26 | 77.88 |\n",
    "multi-scale in brackets": "| 模型 | FPS | mIoU (ms) |\n|---|---|---|\n| Net-A | 22.1 | 45.3 |\n",
    "a schedule is no speed-up": "| Backbone | Lr schd | Inf time (fps) | box AP |\n|---|---|---|---|\n"
    "| R-50 | 1x | 11.0 | 38.2 |\n| R-101 | 2x | 8.0 | 41.1 |\n",
    "a schedule under its Chinese name": "| 主干网络 | 训练策略 | FPS |\n|---|---|---|\n"
    "| R-50 | 1x | 11.0 |\n| R-101 | 2x | 8.0 |\n",
    "the time of training beside the rate of inference": "| Backbone | Train time (s/iter) | Inf time (fps) |\n"
    "|---|---|---|\n| R-50 | 0.45 | 13.6 |\n",
    "a rate under the name of a time": "| config | inference_time(video/s) | top1 acc |\n|---|---|---|\n"
    "| a | 40.4 | 68.2 |\n",
    "a scheduler of that name": "Train with the cosine scheduler on one machine with 8 cards.\n",
    "an annealed learning rate": "学习率采用余弦退火，初始值 3，共 300 轮。\n",
    "a percentile is no mean": "95% latency: 30.00 ms，median latency: 20.00 ms，mean latency: 21.65 ms，"
    "吞吐: 46.19 FPS\n",
    "bars of progress": "结果：`Epoch 3: 100%|####| 48/48 [01:05<00:00, 1.04s/it, loss=0.11]` 通过\n",
    "a batch in the line above": "batch1 的性能：\n\nthroughputRate: 87.7802, latency: 569604\n\nbatch8 的性能：\n\n"
    "throughputRate: 93.9502, latency: 532197\n",
    "scores at several scales": "| Model | FPS | AP (ms test) | MS-COCO AP | mIoU ms_flip |\n|---|---|---|---|---|\n"
    "| A | 13.93 | 46.26 | 45.1 | 78.1 |\n",
    "a schedule in prose": "The 1x schedule runs at 11.0 FPS and the 2x schedule at 8.0 FPS.\n",
    "a factor of enlargement": "| 模型 | 放大倍数 | FPS |\n|---|---|---|\n| SR | 2x | 11.0 |\n| SR | 4x | 8.0 |\n",
    "a factor of enlargement in prose": "2x 超分模型的 FPS 为 11.0，4x 超分模型的 FPS 为 8.0。\n",
    "the width of a network": "| 模型 | 宽度 | FPS |\n|---|---|---|\n| M | 0.5x | 110 |\n| M | 1.0x | 80 |\n",
    "annealing with restarts": "We use cosine annealing with 2 restarts. lr scheduler: cosine, T_max=30\n",
    "the weight of a cosine loss": "cosine loss weight 2.0\n",
    "percentiles in columns": "| batch | avg latency (ms) | 90% latency (ms) | 99% latency (ms) | throughput |\n"
    "|---|---|---|---|---|\n| 1 | 21.65 | 30.2 | 41.0 | 46.19 |\n",
    "training and inference in one row": "| Model | Train time (s/iter) | Test time (ms) | FPS |\n|---|---|---|---|\n"
    "| a | 0.31 | 20 | 50 |\n",
    "a shape and what it holds": "输入 3×224×224=150528 个元素\n",
    "a bar in a log": "```\nEpoch 3: 100%|####| 48/48 [01:05<00:00, 1.04s/it, fps=46]\n```\n"
    "平均延迟 21.65 ms，46.19 FPS\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_an_honest_quantity_is_left_alone(text: str) -> None:
    assert [(f.rule, f.message.en) for f in linted(text) if f.severity == "error"] == []
