"""Tables of speeds: ratio columns, best rows and sentences, several cards, step times, shifted digits."""

from __future__ import annotations

import pytest

from lint_reports import linted

RULES = ("NPU004i", "NPU004j", "NPU004k", "NPU004l", "NPU004m", "NPU004n", "NPU004o", "NPU004p")


def _said(text: str) -> list[tuple[str, int]]:
    return [(f.rule, f.line) for f in linted(f"# 模型（昇腾 NPU）\n\n{text}") if f.rule in RULES]


def _table(*rows: str) -> str:
    head, *body = (f"| {' | '.join(row.split())} |" for row in rows)
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *body]) + "\n"


FIRST = 5
"""The line of a table's first row."""

WRONG = {
    "a ratio of chips": (
        _table(
            "batch 310 310P T4 310P/310 310P/T4",
            "bs4 49.28 80.48 38.85 1.633 2.2446",
            "bs64 508.6 730.0 613.2 1.435 1.19",
        ),
        [("NPU004i", FIRST)],
    ),
    "each ratio column by itself": (
        _table("bs 310 310P T4 310P/310 310P/T4", "4 49.28 80.48 38.85 1.633 2.2446", "64 508.6 730.0 613.2 1.19 1.19"),
        [("NPU004i", FIRST), ("NPU004i", FIRST + 1)],
    ),
    "a ratio in longer names": (
        "| 模型 | 310性能 | 310P性能(FPS) | 310P/310 |\n|---|---|---|---|\n| a(bs1) | 100 | 200 | 2.00 |\n"
        "| a(bs4) | 150 | 250 | 1.20 |\n",
        [("NPU004i", FIRST + 1)],
    ),
    "a ratio of one row": (_table("bs NPU GPU NPU/GPU", "8 100.0 50.0 1.50"), [("NPU004i", FIRST)]),
    "a ratio in rows": (
        _table("_ bs1 bs4", "310 100.0 200.0", "310P 150.0 360.0", "310P/310 1.50 2.80"),
        [("NPU004i", FIRST + 2)],
    ),
    "a ratio said with vs": (
        _table("bs NPU CPU NPU_vs_CPU", "1 10.0 5.0 2.0", "4 20.0 8.0 3.5").replace("_vs_", " vs "),
        [("NPU004i", FIRST + 1)],
    ),
    "a ratio that names its base": (
        _table("bs 310P T4 对比T4", "4 80.48 38.85 2.07", "64 730.0 613.2 1.69"),
        [("NPU004i", FIRST + 1)],
    ),
    "a ratio in brackets": (
        _table("bs 310P T4 性能比(310P/T4)", "4 80.48 38.85 2.07", "64 730.0 613.2 1.69"),
        [("NPU004i", FIRST + 1)],
    ),
    "a ratio of the two that there are": (
        _table("bs NPU GPU 加速比", "4 80.48 38.85 2.07", "64 730.0 613.2 1.69"),
        [("NPU004i", FIRST + 1)],
    ),
    "latencies one of which is not inverse": (
        "| bs | NPU(ms) | GPU(ms) | NPU/GPU 加速比 |\n|---|---|---|---|\n| 1 | 5.00 | 10.0 | 2.00 |\n"
        "| 4 | 8.00 | 24.0 | 2.50 |\n"
        "| 8 | 9.00 | 36.0 | 4.00 |\n",
        [("NPU004i", FIRST + 1)],
    ),
    "a ratio in a sentence": (
        "最优的310P3性能达到最优的310性能的1.44倍，达到最优的T4性能的1.49倍。\n\n"
        + _table("batch 310 310P T4", "bs4 49.2828 80.4857 38.8568", "bs64 508.6636 730.0449 613.2265"),
        [("NPU004i", 3)],
    ),
    "a best row that is another row": (
        _table("batch FPS", "1 423.97", "4 426.74", "8 401.30", "最优bs 423.97"),
        [("NPU004j", FIRST + 3)],
    ),
    "a best row that is nowhere": (
        _table("bs 310P T4", "1 423.97 221.78", "4 426.74 260.80", "最优batch 436.74 260.80"),
        [("NPU004j", FIRST + 2)],
    ),
    "a best latency": (
        _table("batch 时延(ms)", "1 4.97", "4 16.74", "best 16.74"),
        [("NPU004j", FIRST + 2)],
    ),
    "a best row named in its second cell": (
        "| Batch | 精度 | 310P3 |\n|---|---|---|\n| 1 | 70% | 2333.6 |\n| 4 | 70% | 4778.7 |\n| 8 | 70% | 6308.3 |\n"
        "| | **最优性能** | **4778.7** |\n",
        [("NPU004j", FIRST + 3)],
    ),
    "a best row of one part": (
        "| Throughput | 310 | 310P |\n|---|---|---|\n| net bs1 part1 | 10.5 | 20.5 |\n| net bs1 part2 | 30.5 | 40.5 |\n"
        "| net bs4 part1 | 11.5 | 21.5 |\n| net bs4 part2 | 31.5 | 41.5 |\n| 最优batch part1 | 11.5 | 41.5 |\n"
        "| 最优batch part2 | 31.5 | 41.5 |\n",
        [("NPU004j", FIRST + 4)],
    ),
    "a whole ratio of another row": (
        _table("bs 310P T4 310P/T4", "1 22119 1858.1 11", "4 87537 2090 31"),
        [("NPU004i", FIRST + 1)],
    ),
    "a best row half a hundredth below": (
        _table("bs FPS", "16 1424.51", "32 1338.95", "64 1430.39", "最优bs 1424.51"),
        [("NPU004j", FIRST + 3)],
    ),
    "a best sentence with another value": (
        "在310P设备上，当batchsize设为8时模型性能最优，达 2736.9 fps。\n\n"
        + _table("芯片型号 BatchSize 性能", "310P3 4 2300.75", "310P3 8 2388.07", "310P3 16 2336.78"),
        [("NPU004j", 3)],
    ),
    "a best sentence for another batch": (
        "最优 batch size 为 4。\n\n" + _table("batch FPS", "4 2300.75", "8 2388.07", "16 2336.78"),
        [("NPU004j", 3)],
    ),
    "a best sentence in English": (
        "The best performance is at batch size 4.\n\n" + _table("batch FPS", "4 2300.75", "8 2388.07", "16 2336.78"),
        [("NPU004j", 3)],
    ),
    "eight cards slower than one": (
        _table("NAME Acc@1 FPS Epochs", "1p-NPU - 4556.28 1", "8p-NPU 70.1 2373.8 90"),
        [("NPU004o", FIRST + 1)],
    ),
    "eight cards in a sentence": ("1p 训练性能 4556.28 FPS，8p 训练性能 2373.8 FPS。\n", [("NPU004o", 3)]),
    "eight cards in a list": ("- 单卡：4556.28 FPS\n- 8卡：2373.8 FPS\n", [("NPU004o", 4)]),
    "eight cards above the columns": (
        _table("项 1p 8p", "Acc 70.1 71.2", "FPS 4556.2 2373.8"),
        [("NPU004o", FIRST + 1)],
    ),
    "eight of a chip": (_table("Name Throughput(img/s)", "1*910B 100.5", "8*910B 60.5"), [("NPU004o", FIRST + 1)]),
    "eight cards under another head": (_table("num_gpus images/s", "1 4556.28", "8 2373.8"), [("NPU004o", FIRST + 1)]),
    "eight cards a little too fast": (
        _table("NAME FPS AMP", "1p-NPU 2084.35 O1", "8p-NPU 18036.45 O1"),
        [("NPU004o", FIRST + 1)],
    ),
    "eight cards for other steps": (
        _table("NAME FPS Iterations AMP", "1p-NPU 4.736 750 O2", "8p-NPU 3.096 160000 O2"),
        [("NPU004o", FIRST + 1)],
    ),
    "eight cards in a column": (
        _table("Acc FPS Npu_nums Epochs AMP_Type", "- 295 1 250 O2", "78.4 3251 8 240 O2"),
        [("NPU004o", FIRST + 1)],
    ),
    "eight cards with their side": (
        _table("FPS Device", "153 1pNpu", "1669 8pNpu").replace("pNpu", "p Npu"),
        [("NPU004o", FIRST + 1)],
    ),
    "cards in words": (_table("配置 吞吐(FPS)", "单卡 100.5", "八卡 60.2"), [("NPU004o", FIRST + 1)]),
    "cards across": (
        "| device | fps of 1p | fps of 8p |\n|---|---|---|\n| NPU | 94.54 | 54.09 |\n",
        [("NPU004o", FIRST)],
    ),
    "sixteen cards and eight": (_table("卡数 FPS", "8p 100.0", "16p 260.0"), [("NPU004o", FIRST + 1)]),
    "the batch of one card stays": (
        _table("卡数 Batchsize FPS", "1 64 100.0", "8 512 1900.0"),
        [("NPU004o", FIRST + 1)],
    ),
    "stages in one cell": (
        "| FPS | Npu_nums |\n|---|---|\n| TEM:215 PEM:880 | 1 |\n| TEM:6500 PEM:3000 | 8 |\n",
        [("NPU004k", FIRST + 1)],
    ),
    "a rate that its step time does not make": (
        _table("芯片 卡数 global_batch_size FPS 平均step耗时(s)", "A2 8p 64 47.16 1.722"),
        [("NPU004l", FIRST)],
    ),
    "a step time in milliseconds": (
        _table("卡数 batch_size 单步迭代耗时(ms) FPS", "8p 8 1590 54.1"),
        [("NPU004l", FIRST)],
    ),
    "a rate and a step time of other steps": (
        _table("芯片 卡数 global_batch_size 单步迭代耗时(ms) FPS", "A 8p 8 1590 4.87", "B 8p 8 1849 4.32"),
        [("NPU004p", FIRST)],
    ),
    "eight cards beyond any setting": (
        _table("Acc FPS Npu_nums Epochs AMP_Type", "- 117 1 1 O2", "77.1 7460 8 100 O2"),
        [("NPU004k", FIRST + 1)],
    ),
    "eight cards beyond any setting, in a sentence": (
        "1p 训练性能 117 FPS，8p 训练性能 7460 FPS。\n",
        [("NPU004k", 3)],
    ),
    "a batch on each card that stays, far beyond": (
        _table("卡数 Batchsize FPS", "1 64 100.0", "8 512 2900.0"),
        [("NPU004k", FIRST + 1)],
    ),
    "a larger batch that cannot explain it": (
        _table("NAME FPS Batch", "1p-NPU 10.39 96", "8p-NPU 1137.5 256"),
        [("NPU004k", FIRST + 1)],
    ),
    "steps per second": (_table("卡数 global_batch_size it/s FPS", "8p 64 3.712 137"), [("NPU004l", FIRST)]),
    "a linearity in one table": (
        _table("卡数 global_batch_size FPS 线性度", "8p 96 75.59 -", "16p 192 145.60 99.31%"),
        [("NPU004n", FIRST + 1)],
    ),
    "a linearity of two tables": (
        _table("芯片 卡数 global_batch_size Precision FPS", "A2 8p 8 fp32 1.002", "A2 8p 8 fp16 0.962")
        + "\n多机\n\n"
        + _table("芯片 卡数 global_batch_size Precision FPS 线性度", "A2*2 16p 16 fp32 1.920 96.30%"),
        [("NPU004n", FIRST + 7)],
    ),
    "a shifted point without a unit": (
        _table("芯片 Batch_Size 精度 性能", "310P3 8 0.970 86.03", "310P3 16 0.970 984.99", "310P3 32 0.970 80.47"),
        [("NPU004m", FIRST + 1)],
    ),
    "a shifted point in a table on its side": (
        _table("batch 8 16 32", "时延(ms) 8.6 9.1 9.9", "吞吐 86.03 984.99 80.47"),
        [("NPU004m", FIRST + 1)],
    ),
    "a shifted point in a list": (
        "- batch 8: 86.03 FPS\n- batch 16: 984.99 FPS\n- batch 32: 80.47 FPS\n",
        [("NPU004m", 4)],
    ),
    "a best column in a table on its side": (
        _table(
            "模型 bs1 bs4 bs8 最优bs",
            "310 10.5 30.5 20.5 20.5",
            "310P 30.5 40.5 50.5 50.5",
            "310P/310 2.9 1.33 2.46 2.46",
        ),
        [("NPU004j", FIRST)],
    ),
    "a best speed without its batch": (
        "310P 最优性能为 320.5 fps。\n\n"
        + _table("芯片 batch FPS", "310P3 4 230.7", "310P3 8 238.0", "310P3 16 233.7"),
        [("NPU004j", 3)],
    ),
    "a lost digit": (_table("bs FPS", "4 860.3", "8 98.4", "16 904.7"), [("NPU004m", FIRST + 1)]),
    "a shifted latency": (_table("bs 时延(ms)", "8 8.6", "16 98.4", "32 10.7"), [("NPU004m", FIRST + 1)]),
}

HONEST = {
    "a speed-up beside what is no speed": _table("模型 参数量 时延 加速比", "a 25.6 4.0 1.5", "b 44.5 6.0 1.2"),
    "a speed-up over one card": _table("卡数 FP32吞吐 FP16吞吐 加速比", "1 100.0 180.0 1.0", "4 380.0 700.0 3.9"),
    "a speed-up of rates beside times": _table("卡数 FPS 时延 加速比", "2 100.0 20.0 1.9", "4 190.0 21.0 3.7"),
    "ratios cut off to whole numbers": _table("bs 310P T4 310P/T4", "1 22119 1858.1 11", "4 87537 2090 41"),
    "a best as good as another": "batchsize设为4时模型性能最优，达 836.0 fps。\n\n"
    + _table("bs FPS", "1 836.2", "4 836.0", "8 497.9"),
    "a best row with a slip in the last digit": _table("bs FPS", "1 380.0822", "8 381.9549", "最优bs 381.9545"),
    "ratios cut off or rounded": _table("bs 310 310P 310P/310", "1 1611.32 2942.48 1.82", "4 9959.2 18891.84 1.90"),
    "ratios of latencies, all inverse": _table("bs NPU GPU NPU/GPU", "1 5.00 10.0 2.00", "4 8.00 24.0 3.00"),
    "ratios as gains": _table("bs NPU GPU NPU/GPU", "1 12.0 10.0 20%", "4 30.0 24.0 25%"),
    "ratios per watt": _table("bs NPU GPU NPU/GPU", "1 12.0 10.0 2.4", "4 30.0 24.0 2.5", "8 36.0 40.0 1.8"),
    "the best ratio in the best row": _table(
        "bs 310 310P 310P/310", "1 10.0 20.0 2.0", "4 20.0 30.0 1.5", "最优bs 20.0 30.0 2.0"
    ),
    "pairs of names": _table("Model top1/top5 AP/FPS Npu/Gpu_nums", "a 76.1/93.0 30/20 1", "b 77.1/94.0 31/21 8"),
    "a ratio of what is not in the table": _table("bs 310P 310P/T4", "1 100.0 3.0"),
    "a ratio of stages in one cell": "| 模型 | 310P性能 | T4性能 | 310P/T4 | 310P精度 |\n|---|---|---|---|---|\n"
    "| a | 分档:430fps;动态:25fps | 261fps | 1.647 | 5.4% |\n",
    "a time for each pass": _table("model F1 iteration ms/iteration", "a 79.1 171.9 171.9", "b 80.2 301.5 301.5"),
    "a best row": _table(
        "bs 310P T4 310P/T4", "1 423.97 221.78 1.91", "64 375.20 276.37 1.36", "最优bs 423.97 276.37 1.53"
    ),
    "best rows below one another": "| a | FPS |\n|---|---|\n| bs1 | 10.5 |\n| bs4 | 20.5 |\n| 最优 | 20.5 |\n"
    "| bs1 | 30.5 |\n"
    "| bs4 | 33.5 |\n| 最优 | 33.5 |\n",
    "a best checkpoint": _table("weights FPS", "last.pth 30.5", "best.pth 20.5", "first.pth 10.5"),
    "a best sentence": "在310P设备上，当 batchsize 为 8 时模型性能最优，达 2388.1 fps。\n\n"
    + _table("芯片型号 BatchSize 性能", "310P3 4 2300.75", "310P3 8 2388.07", "T4 4 1300.0", "T4 8 1200.0"),
    "a best sentence of another table": "batch 4 时性能最优\n\n" + _table("bs FPS", "1 10.0", "2 20.0"),
    "eight cards": _table("NAME FPS AMP_Type", "1p-NPU 164.08 O1", "8p-NPU 1257.4 O1", "8p-竞品V 100.0 O1"),
    "cards of other formats": _table("NAME FPS AMP_Type", "1p-NPU 164.08 O1", "8p-NPU 1657.4 O2"),
    "cards of another version": _table("NAME FPS Torch_Version", "1p-NPU 164.08 1.5", "8p-NPU 1657.4 1.8"),
    "cards with another batch": _table("NAME FPS Bs", "1p-NPU 1432 512", "8p-NPU 723 32", "8p-NPU 9587 512"),
    "cards of other sizes": _table("Size FPS Npu_nums", "256 254 1", "256 1075 8", "736 34 1", "736 218 8"),
    "rounded small rates": _table("NAME FPS", "1p-NPU 4", "8p-NPU 34"),
    "cards of two sides in a sentence": "NPU 1p 性能 300.0 FPS，GPU 8p 性能 200.0 FPS。\n",
    "scores above and speeds below": _table("类别 1p 8p", "Acc 78.1 71.2", "FPS 456.28 2373.8"),
    "the rate of one card in a sentence": "8卡训练：单卡吞吐 100.5 FPS，总吞吐 780.0 FPS\n",
    "time for a step grows with the cards": _table("名称 性能", "NPU-8p 2.2s/step", "NPU-1p 1.1s/step"),
    "two measurements of one card": _table("NAME FPS", "1p-NPU 100.0", "1p-NPU 300.0", "8p-NPU 2000.0"),
    "rate, step time and global batch": _table(
        "卡数 global_batch_size FPS 平均step耗时(s)", "8p 64 37.16 1.722", "16p 192 145.60 1.32"
    ),
    "the batch of one card": _table("卡数 batch_size 单步耗时(ms) FPS", "8p 8 540 118.5"),
    "batches that are accumulated": _table("卡数 batch_size 单步耗时(s) FPS", "8p 2 4.0 16.0"),
    "the rate of a card of four chips": "最优batch为8，性能达 9552.3 fps。\n\n"
    + _table("bs 性能", "4 2300.7", "8 2388.07"),
    "step time rounded": _table("卡数 global_batch_size 单步耗时(s) FPS", "8p 64 1.01 63"),
    "a larger batch that may explain it": _table("NAME FPS Batch", "1p-NPU 505.4 256", "8p-NPU 4696.0 320*8"),
    "steps per second": _table("卡数 global_batch_size it/s FPS", "1p 8 3.9 31", "8p 64 3.712 237"),
    "linearities": _table("卡数 global_batch_size FPS 线性度", "8p 96 75.59 -", "16p 192 145.60 96.31%")
    + "\n"
    + _table("卡数 FPS 线性度", "8p 75.59 -", "16p 145.60 0.963"),
    "a linearity whose base has another format": _table(
        "卡数 Precision FPS 线性度", "8p fp16 75.59 -", "16p fp32 85.60 96.31%"
    ),
    "rates of one card among many": _table("卡数 tokens/s/p", "8p 2730.5", "16p 2610.5", "32p 2600.1"),
    "tokens beside a step time": _table(
        "卡数 global_batch_size 单步迭代时间(s/step) tokens吞吐(tokens/s)", "8p 64 5.19 20100.5"
    ),
    "samples of one card": _table(
        "卡数 global_batch_size 单步迭代时间(s/step) 样本吞吐(samples/s/p)", "8p 64 4.00 2.00"
    ),
    "a linearity without its base": _table("卡数 global_batch_size FPS 线性度", "16p 64 45.86 97.07%"),
    "a table on its side": _table(
        "batch 8 16 32", "精度 0.97 0.1 0.97", "310P/T4 1.1 10.5 1.2", "吞吐 86.03 98.9 80.4"
    ),
    "times and rates on their side": _table("batch bs1 bs8", "latency(ms) 4.0 20.0", "FPS 250.0 400.0"),
    "a sweep that falls": _table("bs 性能", "1 1642.5", "4 869.4", "8 497.7", "16 252.4", "32 80.6", "64 47.5"),
    "a sweep that grows": _table("bs 性能", "1 5.3", "4 21.3", "8 42.0", "16 82.6", "32 83.1"),
    "sweeps of several inputs": "| mel | Batch | 性能 |\n|---|---|---|\n| 250 | 1 | 339.6 |\n| 1000 | 1 | 21.5 |\n"
    "| 250 | 8 | 637.9 |\n"
    "| 1000 | 8 | 39.7 |\n",
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_a_table_that_contradicts_itself_is_named(text: str, expected: list[tuple[str, int]]) -> None:
    assert _said(text) == expected


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_an_honest_table_is_left_alone(text: str) -> None:
    assert _said(text) == []


def _severity(*rows: str) -> list[str]:
    return [f.severity for f in linted(f"# 模型（昇腾 NPU）\n\n{_table(*rows)}") if f.rule in ("NPU004k", "NPU004o")]


@pytest.mark.parametrize(
    "rows",
    [
        ("FPS Npu_nums AMP", "1642.130 1 O1", "15275.049 8 O1"),  # batch 64 on the one card, 128 on each of the eight
        ("NAME FPS", "1p-NPU 150.3", "8p-NPU 124.0"),  # one batch of 128, on one card and on eight together
        ("NAME FPS", "1p-NPU 3.19", "8p-NPU 44.81"),  # batch 2 and 16
        ("NAME FPS", "1p-NPU 4556.28", "8p-NPU 2373.8"),  # perhaps the rate of one process
    ],
)
def test_what_an_unstated_batch_may_explain_is_no_error(rows: tuple[str, ...]) -> None:
    assert _severity(*rows) == ["warning"]


def test_what_no_setting_explains_is_an_error() -> None:
    assert _severity("NAME FPS", "1p-NPU 117", "8p-NPU 7460") == ["error"]


def test_a_finding_says_whether_a_batch_is_stated() -> None:
    unstated, stated = (
        next(f for f in linted(f"# 模型（昇腾 NPU）\n\n{_table(*rows)}") if f.rule == "NPU004o").message
        for rows in (
            ("NAME FPS", "1p-NPU 100.0", "8p-NPU 900.0"),
            ("NAME FPS Batch", "1p-NPU 100.0 64", "8p-NPU 900.0 64"),
        )
    )
    assert "no batch size" in unstated.en
    assert "no batch size" not in stated.en
    assert ("没有写明批大小" in unstated.zh, "没有写明批大小" in stated.zh) == (True, False)
