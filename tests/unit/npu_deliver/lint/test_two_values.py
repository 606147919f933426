"""Two values contradict each other only where everything said of them is the same."""

from __future__ import annotations

import pytest

from lint_reports import linted


def table(*rows: str) -> str:
    """A Markdown table from rows whose cells are parted by bars."""
    head, *body = (f"| {row} |" for row in rows)
    return "\n".join(["", head, "|" + "---|" * (rows[0].count("|") + 1), *body, ""])


FAST, SLOW = "平均延迟：4.98 ms", "平均延迟：5.41 ms"
HEAD = "FPS | Npu_nums | Epochs"
HONEST: dict[str, tuple[str, ...]] = {
    "several cards in a column": ("### Training result", table(HEAD, "1642.130 | 1 | 200", "13275.049 | 8 | 200")),
    "a version in the heading": (
        *("## Net1.5 训练结果", table(HEAD, "353 | 8 | 90")),
        *("## Net1.8 训练结果", table(HEAD, "369 | 8 | 90")),
    ),
    "a number in the heading": ("## 方案 1", FAST, "## 方案 2", SLOW),
    "a batch in the line above": ("## 性能", "batch1 的性能：", FAST, "batch8 的性能：", SLOW),
    "a batch in bold above": ("**bs=1**", FAST, "**bs=16**", SLOW),
    "what the line above says": ("编译优化后的结果：", FAST, "编译优化前的结果：", SLOW),
    "a command above": (
        *("```bash\npython run.py --batch_size 1\n```", FAST),
        *("```bash\npython run.py --batch_size 8\n```", SLOW),
    ),
    "a caption above a table": (
        *("训练结果（编译优化）", table("卡数 | FPS", "8 | 26.0")),
        *("训练结果（不编译）", table("卡数 | FPS", "8 | 20.3")),
    ),
    "as above": (
        table("序列长度 | Batch Size | 性能(FPS)", "64 | 1 | 421", "... | 8 | 2507"),
        table("序列长度 | Batch Size | 性能(FPS)", "384 | 1 | 120", "同上 | 8 | 421.7"),
    ),
    "a chip": (
        table("芯片 | Batch Size | FPS", "310P3 | 8 | 421", "310B1 | 8 | 77"),
        "310P3 上 batch 8 的吞吐率 421 FPS",
    ),
    "a resolution": ("- 640x640 平均延迟：4.98 ms", "- 1280x1280 平均延迟：17.3 ms"),
    "a number format": ("- fp16 平均延迟：4.98 ms", "- fp32 平均延迟：9.3 ms"),
    "a statistic": ("- 平均延迟：4.98 ms", "- P99 延迟：9.3 ms", "- 95% 延迟：7.7 ms", "- 中位延迟：4.61 ms"),
    "a side": ("- NPU 平均延迟：4.98 ms", "- CPU 平均延迟：930 ms", "- GPU 平均延迟：3.1 ms"),
    "a phase": ("- 平均延迟：4.98 ms", "- 端到端平均延迟：9.3 ms", "- 前处理耗时：2.1 ms"),
    "two trials of one table": (table("NAME | FPS", "8p-NPU | 353", "8p-NPU | 361"),),
    "a word in the last column": (
        table("FPS | Epochs | AMP_Type", "122 | 1 | O1"),
        table("FPS | Epochs | AMP_Type", "182 | 1 | 1p Gpu"),
    ),
    "nested bullets": ("- batch1:\n  - 吞吐率: 87.7 FPS\n- batch8:\n  - 吞吐率: 93.9 FPS",),
    "a lead without a colon": ("下面是 batch size 为 1 时的性能", FAST, "下面是 batch size 为 8 时的性能", SLOW),
    "the name of a model file": (
        *("```\natc --model=m_bs1.onnx\n```", FAST),
        *("```\natc --model=m_bs8.onnx\n```", SLOW),
    ),
    "a picture between": ("batch1：\n![](a.png)", FAST, "batch8：\n![](b.png)", SLOW),
    "two machines": ("- 鲲鹏 920 平均延迟：5.1 ms", "- Xeon 8180 平均延迟：9.1 ms"),
    "headings of machines": ("## ARM", FAST, "## x86", SLOW),
    "headings of dates": ("## 2023.05.01", FAST, "## 2023.08.01", SLOW),
    "headings of models": ("### yolov5s", FAST, "### yolov5m", SLOW),
    "headings of versions": (
        "### PyTorch 1.5",
        table("NAME | FPS", "8p-NPU | 353"),
        "### PyTorch 1.8",
        table("NAME | FPS", "8p-NPU | 400"),
    ),
    "tables of one section": ("## 结果", table("NAME | FPS", "8p-NPU | 353"), table("NAME | FPS", "8p-NPU | 400")),
    "blocks of logs": ("```\nlatency: 5.1 ms\n```", "```\nlatency: 9.1 ms\n```"),
    "runs": ("第 1 次：平均延迟 5.1 ms", "第 2 次：平均延迟 9.1 ms"),
    "devices": ("- npu:0 平均延迟：5.1 ms", "- npu:1 平均延迟：9.1 ms"),
    "before and after": ("优化前平均延迟：9.1 ms", "优化后平均延迟：5.1 ms"),
    "a target": ("目标延迟：10 ms", "平均延迟：5.1 ms"),
    "an example": ("例如平均延迟 5.1 ms 时，FPS 为 196。", "平均延迟：9.1 ms"),
    "parts of a network": ("encoder 延迟：5.1 ms", "decoder 延迟：9.1 ms"),
    "forms of a model": ("- om 精度：top1 acc 77.1%", "- pth 精度：top1 acc 77.6%", "官方精度：top1 acc 77.9%"),
    "a formula in words": ("FPS=1*batchsize/平均每个step时间", table("NAME | FPS", "NPU 1P bs=1 | 2.477")),
    "one row alone names a switch": (
        *("## 表", table("配置 | 时延", "- | 21.65 ms", "TASK_QUEUE=1 | 17.50 ms")),
        *("## 正文", "平均延迟 21.65 ms"),
    ),
    "two data sets": (
        *("## 表", table("数据集 | batch | FPS", "COCO | 8 | 421", "VOC | 8 | 377")),
        *("## 正文", "batch 8 的吞吐率 377 FPS"),
    ),
    "per card": ("8卡吞吐率 2400 FPS", "## 正文", "8卡训练，每卡吞吐率 300 FPS"),
    "a key that is a sentence": (
        "在310P上，模型的精度为 {Top1@Acc=77.31%}，当batchsize为8时达 421 fps。",
        "batchsize为4时达 377 fps。",
    ),
    "a number without a unit": (
        "[a] throughputRate: 87.7802, latency: 569604",
        "[b] throughputRate: 87.7802, latency: 1",
    ),
    "gains of two things": (
        table("配置 | 时延 | 变化", "fp32 | 20.0 ms | -", "fp16 | 10.0 ms | -50%"),
        "fp16 显存下降 31%。",
    ),
}


@pytest.mark.parametrize("parts", HONEST.values(), ids=HONEST.keys())
def test_two_quantities_may_have_two_values(parts: tuple[str, ...]) -> None:
    text = "\n\n".join(parts)
    assert [(f.rule, f.message.en) for f in linted(text) if f.rule.startswith("NPU003")] == []


LIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "list and table": ("NPU003a", ("## 结果", f"- {FAST}", "## 评分字段", table("项 | 数值", "latency_ms | 5.28"))),
    "two sections": ("NPU003a", ("## 性能", f"- {FAST}", "## 总结", f"- {SLOW}")),
    "two tables of one trial": (
        "NPU003a",
        (
            *("## 结果", table("芯片 | Batch Size | FPS", "310P3 | 8 | 421")),
            *("## 总结", table("芯片 | Batch Size | FPS", "310P3 | 8 | 377")),
        ),
    ),
    "the same batch above": ("NPU003a", ("batch8 的性能：", FAST, "## 结论", "batch8 的性能：", SLOW)),
    "the same resolution": ("NPU003a", (f"- 640x640 {FAST}", "## 结论", f"- 640x640 {SLOW}")),
    "a usual batch said once": ("NPU003a", (f"- batch=1 {FAST}", "## 结论", f"- {SLOW}")),
    "a unit in its own column": (
        "NPU003a",
        ("## 结果", table("指标 | 数值 | 单位", "平均延迟 | 4.98 | ms"), "## 结论", "平均延迟 5.41 ms"),
    ),
    "a padded table": (
        "NPU003a",
        (
            "## 结果",
            f"- {FAST}",
            "## 总结",
            "|   项     |    数值    |\n| :----: | :------: |\n|   平均延迟   |   5.41 ms  |",
        ),
    ),
    "a table in HTML": (
        "NPU003a",
        (FAST, "<table>\n<tr><td>项</td><td>数值</td></tr>\n<tr><td>平均延迟</td><td>5.41 ms</td></tr>\n</table>"),
    ),
    "prose and a table that says more of all its rows": (
        "NPU003a",
        (
            *(
                "## 结果",
                table(
                    "芯片型号 | Batch Size | 数据集 | 性能(FPS)",
                    "Ascend310P3 | 4 | COCO | 300",
                    "Ascend310P3 | 8 | COCO | 377",
                ),
            ),
            *("## 结论", "在310P设备上，batchsize设为8时的吞吐率达 421 fps。"),
        ),
    ),
    "several cards in prose and in a table": (
        "NPU003a",
        ("## 结果", table("NAME | FPS", "1p-NPU | 300", "8p-NPU | 2400"), "## 结论", "8卡吞吐率 2100 FPS"),
    ),
    "a gain": (
        "NPU003b",
        (
            table("配置 | 帧率 | 相对基准提升", "batch 1 | 46.20 FPS | -", "batch 2 | 51.41 FPS | +11.3%"),
            "结论：batch=2 比 batch=1 快约 21%。",
        ),
    ),
    "a summary": ("NPU003d", ("## FP16 推理", f"- {FAST}", "## 汇总", table("阶段 | 延迟", "FP16 | 20.17 ms"))),
}


@pytest.mark.parametrize(("rule", "parts"), LIES.values(), ids=LIES.keys())
def test_one_quantity_has_one_value(rule: str, parts: tuple[str, ...]) -> None:
    assert rule in {finding.rule for finding in linted("\n\n".join(parts))}
