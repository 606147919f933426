from __future__ import annotations

import pytest

from npu_deliver.lint.reading.markup.markdown import parse
from npu_deliver.lint.reading.quantities.table import ReadTable, tables


def read(text: str) -> ReadTable:
    (table,) = tables(parse(tuple(text.split("\n"))))
    return table


def of(*header: str, rows: tuple[tuple[str, ...], ...], above: str = "") -> ReadTable:
    lines = [*([above, ""] if above else []), f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return read("\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]))


ROLES = {
    "batch": ("Batch Size", ("4", "8"), "setting:batch"),
    "global batch": ("global batchsize", ("64", "128"), "setting:batch"),
    "cards": ("Npu_nums", ("1", "8"), "setting:cards"),
    "cards in Chinese": ("卡数", ("1p", "8p"), "setting:cards"),
    "cards by a launcher's name": ("world_size", ("1", "8"), "setting:cards"),
    "cards by a variable's name": ("n_gpus", ("1", "8"), "setting:cards"),
    "devices in Chinese": ("设备数量", ("1", "8"), "setting:cards"),
    "cards of both kinds": ("# of NPU/GPU", ("1", "8"), "setting:cards"),
    "resolution": ("Crop Size", ("512x1024", "769x769"), "setting:resolution"),
    "resolution in Chinese": ("输入分辨率", ("640", "1280"), "setting:resolution"),
    "model": ("Backbone", ("R-50", "R-101"), "setting:model"),
    "schedule": ("Lr schd", ("1x", "2x"), "setting:schedule"),
    "epochs": ("Step/Total Epochs", ("1/300", "300/300"), "setting:epochs"),
    "format": ("AMP_Type", ("O1", "O2"), "setting:dtype"),
    "format by its cells": ("精度", ("fp16", "fp32"), "setting:dtype"),
    "score by its cells": ("Precision", ("0.91", "0.92"), "measure:score"),
    "chip": ("芯片型号", ("310P3", "310B1"), "setting:chip"),
    "version of torch": ("Torch_Version", ("1.8", "1.11"), "setting:torch"),
    "version": ("CANN版本", ("8.0.0", "8.1.RC1"), "version:cann版本"),
    "data set": ("数据集", ("COCO", "VOC"), "setting:dataset"),
    "unit": ("单位", ("ms", "FPS"), "unit:"),
    "latency": ("时延(ms)", ("10.2", "20.4"), "measure:latency"),
    "rate": ("Inf time (fps)", ("13.9", "-"), "measure:throughput"),
    "several values a cell": ("Test time (ms)", ("19 / 36 / 248", "-"), "measure:latency"),
    "measure not taken": ("Acc@1", ("-", "-"), "measure:accuracy1"),
    "multi-scale": ("mIoU(ms+flip)", ("77.8", "78.1"), "measure:miou"),
    "rate without unit": ("性能", ("86.03", "984.99"), "measure:performance"),
    "target": ("标杆性能(FPS)", ("100", "200"), "reference:throughput"),
    "another maker": ("竞品性能(FPS)", ("100", "200"), "reference:throughput"),
    "a paper": ("论文精度", ("76.1", "77.2"), "reference:score"),
    "ratio": ("加速比", ("1.9", "2.1"), "ratio:speedup"),
    "ratio of two sides": ("NPU/GPU", ("1.9", "2.1"), "ratio:"),
    "note": ("Download", ("[model](https://x.org/a-3.5.pth)", "-"), "note:"),
    "remark": ("备注", ("预热 10 次", "-"), "note:"),
}


@pytest.mark.parametrize(("header", "cells", "role"), ROLES.values(), ids=ROLES.keys())
def test_the_role_of_a_column(header: str, cells: tuple[str, str], role: str) -> None:
    column = of("序号", header, rows=(("a", cells[0]), ("b", cells[1]))).columns[1]
    name = column.name or (column.what.kind if column.what else "")
    assert f"{column.role}:{name}" == role


TORCH = (("PyTorch 1.8", "pillow==9.1.0"), ("PyTorch 1.11", "pillow==9.1.0"))
BRANCHES = (("master", "8.5", "2.7.1"), ("v7.3", "8.3", "2.6.0"))
USED = (("CANN", "8.1.RC1"), ("PyTorch", "2.1.0"), ("Python", "3.10"))
SHAPES = (("input", "RGB_FP32", "bs x 3 x 224 x 224", "NCHW"),)
KINDS = {
    "may be chosen, by its caption": (
        ("库", "支持版本"),
        (("甲", "1"), ("乙", "2")),
        "表 2 版本支持表",
        "alternatives",
    ),
    "may be chosen, by its rows": (("Torch_Version", "三方库依赖版本"), TORCH, "", "alternatives"),
    "branches": (("分支", "CANN版本", "PyTorch版本"), BRANCHES, "", "alternatives"),
    "used": (("软件", "版本"), USED, "", "environment"),
    "used, under a caption of support": (("配套", "版本"), USED[:2], "表 1 版本配套表", "environment"),
    "shapes": (("输入数据", "数据类型", "大小", "数据排布格式"), SHAPES, "", "interface"),
    "measurements": (("Batch Size", "FPS"), (("1", "100"), ("8", "300")), "", "measurements"),
    "fields": (("参数", "说明"), (("--device", "卡号"),), "", "fields"),
    "prose": (("功能", "用途", "场景"), (("a", "b", "c"),), "", "prose"),
}


@pytest.mark.parametrize(("header", "rows", "above", "kind"), KINDS.values(), ids=KINDS.keys())
def test_the_kind_of_a_table(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], above: str, kind: str) -> None:
    assert of(*header, rows=rows, above=above).kind == kind


RATIOS = {
    ("batch", "310", "310P", "T4", "310P/310", "310P/T4"): [(2, 1), (2, 3)],
    ("模型", "310性能", "310P性能", "T4性能", "310P/T4"): [(2, 3)],
    ("bs", "GPU (FPS)", "NPU (FPS)", "NPU vs GPU"): [(2, 1)],
    ("bs", "优化前", "优化后", "优化后/优化前"): [(2, 1)],
    ("bs", "Ascend 310P", "T4", "310P : T4"): [(1, 2)],
    ("bs", "FPS", "加速比"): [None],
    ("bs", "images/s", "s/iter"): [],
}


@pytest.mark.parametrize(("header", "of_columns"), RATIOS.items(), ids=lambda v: " ".join(map(str, v)))
def test_a_ratio_names_the_columns_that_it_divides(
    header: tuple[str, ...], of_columns: list[tuple[int, int] | None]
) -> None:
    row = tuple(f"{i}.5" for i in range(len(header)))
    assert [column.of for column in of(*header, rows=(row, row)).of_role("ratio")] == of_columns


SETTINGS = {
    "name of cards and side": (("NAME", "FPS"), ("8p-NPU", "10"), {("cards", "8"), ("whose", "npu")}),
    "name with more": (("NAME", "FPS"), ("8P_NPU-ARM", "10"), {("cards", "8"), ("whose", "npu"), ("name", "arm")}),
    "a column of cards": (("FPS", "Npu_nums"), ("10", "8"), {("cards", "8")}),
    "a word in the place of a value": (("FPS", "AMP_Type"), ("10", "1p Gpu"), {("dtype", "1p gpu"), ("whose", "gpu")}),
    "batch and resolution": (
        ("bs4 640x640", "FPS"),
        ("bs4 640x640", "10"),
        {("batch", "4"), ("resolution", "640x640")},
    ),
    "a column without a name": (("", "FPS", "场景"), ("a", "10", "夜间"), {("场景", "夜间"), ("name", "a")}),
    "nothing measured": (("Epochs", "FPS"), ("-", "10"), set()),
}


@pytest.mark.parametrize(("header", "row", "settings"), SETTINGS.values(), ids=SETTINGS.keys())
def test_the_settings_of_a_row(header: tuple[str, ...], row: tuple[str, ...], settings: set[tuple[str, str]]) -> None:
    assert settings <= of(*header, rows=(row,)).rows[0].settings


def test_a_caption_stands_right_above() -> None:
    table = read("# t\n\n很久以前\n\n| x |\n|---|\n\n**表 3** batch8 的结果：\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    assert "batch8" in table.caption
    assert "很久" not in table.caption


def test_cells_are_read_as_seen() -> None:
    table = of("模型", "结果", rows=(("[Net-A](https://x.org/a_3.5.pth)", "**1** <br> 2"),))
    assert table.rows[0].cells == ("Net-A", "1   2")
