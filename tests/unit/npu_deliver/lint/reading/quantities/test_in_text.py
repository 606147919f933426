from __future__ import annotations

import pytest

from npu_deliver.lint.reading.markup.markdown import parse
from npu_deliver.lint.reading.quantities.in_text import quantities
from npu_deliver.lint.reading.quantities.quantity import Quantity


def read(text: str) -> list[Quantity]:
    return quantities("README.md", parse(tuple(text.split("\n")))).all


WHERE_A_BATCH_IS_SAID = {
    "own words": "batch 8 时延 5.1 ms",
    "key": "batch8 时延：5.1 ms",
    "line": "时延 5.1 ms（batch 8）",
    "line above": "batch8 的性能：\n\n时延：5.1 ms",
    "bold line above": "**batch size = 8**\n\n时延：5.1 ms",
    "heading": "# 报告\n\n## batch 8\n\n时延：5.1 ms",
    "outer heading": "# 报告\n\n## batch 8\n\n### 结果\n\n时延：5.1 ms",
    "command": "```bash\npython run.py --batch_size 8\n```\n\n时延：5.1 ms",
    "command over two lines": "```bash\npython run.py \\\n  --batch_size=8\n```\n\n```\n时延：5.1 ms\n```",
    "cell": "| 项 | 时延 |\n|---|---|\n| a | 5.1 ms (batch 8) |",
    "row": "| Batch Size | 时延 |\n|---|---|\n| 8 | 5.1 ms |",
    "row's name": "| 配置 | 时延 |\n|---|---|\n| bs8 | 5.1 ms |",
    "column": "| 模型 | 时延(bs8) |\n|---|---|\n| a | 5.1 ms |",
    "caption": "batch 8 的结果\n\n| 模型 | 时延 |\n|---|---|\n| a | 5.1 ms |",
    "row above": "| Batch Size | 模型 | 时延 |\n|---|---|---|\n| 8 | a | 9 ms |\n| 同上 | b | 5.1 ms |",
}


@pytest.mark.parametrize("text", WHERE_A_BATCH_IS_SAID.values(), ids=WHERE_A_BATCH_IS_SAID.keys())
def test_a_batch_said_anywhere_around_is_a_setting(text: str) -> None:
    (time,) = [q for q in read(text) if q.number.value == pytest.approx(0.0051)]
    assert ("batch", "8") in time.settings


def test_the_nearest_word_has_the_last_say() -> None:
    text = "# 报告\n\n## batch 8\n\nbatch 16 的结果：\n\nbatch 32 时延 5.1 ms"
    (time,) = [q for q in read(text) if q.kind == "latency"]
    assert ("batch", "32") in time.settings


def test_the_next_section_forgets_the_line_above() -> None:
    text = "# 报告\n\n## 甲\n\nbatch8 的性能：\n\n时延：5.1 ms\n\n## 乙\n\n时延：6.1 ms"
    assert [dict(q.settings).get("batch") for q in read(text)] == ["8", None]


MEANINGS: dict[str, list[tuple[str, str, float, str]]] = {
    "latency: 569604, throughput: 32 FPS": [("throughput", "", 32, "/s")],
    "throughput rate: 32 FPS, latency: 569604": [("throughput", "", 32, "/s")],
    "95% latency: 30 ms": [("latency", "p95", 0.03, "s")],
    "median latency 20 ms, mean latency 21 ms": [("latency", "p50", 0.02, "s"), ("latency", "mean", 0.021, "s")],
    "cosine similarity 0.99": [("cosine", "", 0.99, "")],
    "cosine scheduler on 8 cards": [],
    "similarity was computed on 8 images": [],
    "迭代 100 次": [("iterations", "", 100, "")],
    "预热 10 次": [("warmup", "", 10, "")],
    "[时延 3 ms](https://x.org/fps_37.5/a)": [("latency", "", 0.003, "s")],
    "最大误差：3 个": [],
    "| 指标 | 数值 | 单位 |\n|---|---|---|\n| 平均延迟 | 4.98 | ms |": [("latency", "mean", 0.00498, "s")],
    "| bs | 性能 |\n|---|---|\n| 8 | 86.03 |": [("batch", "", 8, ""), ("performance", "", 86.03, "")],
    "| Lr schd | FPS |\n|---|---|\n| 2x | 11.5 |": [("throughput", "", 11.5, "/s")],
    "| 模型 | FPS | log |\n|---|---|---|\n| a | 11.5 | fps 37.5 |": [("throughput", "", 11.5, "/s")],
    "| 软件 | 版本 |\n|---|---|\n| CANN | 8.0 |\n| Python | 3.9 |": [],
}


@pytest.mark.parametrize(("text", "meant"), MEANINGS.items(), ids=MEANINGS.keys())
def test_what_a_number_means(text: str, meant: list[tuple[str, str, float, str]]) -> None:
    found = [(q.kind, q.stat, q.number.value, q.number.unit) for q in read(text)]
    assert [(kind, stat, pytest.approx(value), unit) for kind, stat, value, unit in found] == meant
