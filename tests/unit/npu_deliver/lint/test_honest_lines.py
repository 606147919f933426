"""Manners of honest reports that a hasty checker would flag."""

from __future__ import annotations

import pytest

from lint_reports import linted

HONEST = {
    "latency changes in a column called gain": """| 阶段 | 平均时延 (ms) | FPS | 相对上一阶段 | 累计提升 |
|---|---|---|---|---|
| baseline | 312.40 | 3.20 | - | - |
| P0 | 208.06 | 4.81 | −33.4% | −33.4% |
| P1 | 180.21 | 5.55 | −13.4% | −42.3% |
""",
    "two components in one row": """| 项目 | 详情 |
|---|---|
| CANN | 8.5.0 |
| torch / torch_npu | 2.8.0 / 2.8.0.post2 |
| Python | 3.9.25 |
""",
    "a version named in short elsewhere": """| 配套 | 版本 |
|---|---|
| CANN | 8.5.1 |
| PyTorch | 2.9.0+cpu |
| torch_npu | 2.9.0.post1 |

由于 PyTorch 2.9 的接口变化，扩展已按新接口编译。
""",
    "a rounded quotient": "CPU 推理 6479.25 ms，NPU 推理 21.65 ms，加速比 299.31x\n",
    "a cut-off percentage": "FP16 时延从 20.91 ms 升到 23.94 ms，下降 12.6%\n",
    "several cards": "双卡总吞吐 95.41 FPS，单卡延迟 20.82 ms\n",
    "a batch in the heading": "## batch_size=8\n\n| 平均延迟 | 吞吐 |\n|---|---|\n| 226.37 ms | 35.34 FPS |\n",
    "end to end beside the network": "- 网络推理延迟：10.0 ms\n- 端到端帧率：25.3 FPS\n",
    "money and mathematics": "代价 $5，公式 $\\alpha_i = 1$，变量 `$MODEL_PATH` 由平台给出。\n",
    "a bullet that introduces a list": "- 权重来源：\n  - https://example.org/a.pth\n",
    "a cosine that is no error": "余弦 0.99 相当于 14.1 % 的相对 L2 误差，不作为误差使用。\n",
    "a cosine's formula": "范数相等且误差较小时，余弦 = 1 - e²/2（e 为相对 L2 误差），即 0.999 = 4.5 %。\n",
    "an honest failure": "| 指标 | 数值 |\n|---|---|\n| 相对误差 | 1.34% |\n| 门限 | 1% |\n| 结果 | FAIL |\n"
    "\n误差超过门限，未通过，原因是卷积默认的 HF32。\n",
    "dates, times and shapes": "2026-05-17 08:12:33，输入 3×224×224，输出 [1, 1000]，版本 1.0.27\n",
    "no fallback, said in words": "日志中没有出现 fall back to run on the CPU 的提示。\n",
    "throughput measured apart": "### 吞吐：流水提交，窗口末尾同步\n\n"
    "| 平均时延 | 吞吐 | 最慢窗口 | 最快窗口 |\n|---|---|---|---|\n"
    "| 205.184 ms | 5.26 /s | 5.17 /s | 5.34 /s |\n",
    "first call apart": "- 首次推理：1250.0 ms\n- 平均延迟：5.00 ms\n",
    "english prose": "Latency drops from 16.16 ms to 6.64 ms, a speedup of 2.43x.\n",
    "half-up and half-even": "| batch | latency (ms) | fps |\n|---|---|---|\n| 1 | 2.5 | 400 |\n| 2 | 4.7 | 425.5 |\n",
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_an_honest_line_is_left_alone(text: str) -> None:
    assert not [(f.rule, f.message.en) for f in linted(text) if f.severity == "error"]


LIES = {
    "a speed-up that is not the quotient": ("Latency drops from 16.16 ms to 6.64 ms, a speedup of 3.43x.\n", "NPU004b"),
    "a gain of nothing": ("时延从 20.00 ms 降到 19.00 ms，降低 25.0%。\n", "NPU004c"),
    "a full-width contradiction": ("平均延迟：２１．５０ ms，帧率：４９．１８ FPS\n", "NPU004a"),
    "milliseconds as Chinese words": ("平均延迟 21.50 毫秒，帧率 49.18 帧/秒\n", "NPU004a"),
    "seconds": ("latency: 0.0215 s, throughput: 61.2 imgs/s\n", "NPU004a"),
}


@pytest.mark.parametrize(("text", "rule"), LIES.values(), ids=LIES.keys())
def test_a_false_line_is_found(text: str, rule: str) -> None:
    assert rule in {finding.rule for finding in linted(text)}
