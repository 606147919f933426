from __future__ import annotations

import pytest

from npu_deliver.lint.reading.words.settings import Settings, merged, settings, telling, valued

NAMED: dict[str, set[tuple[str, str]]] = {
    "8p-NPU": {("cards", "8")},
    "NPU-1p": {("cards", "1")},
    "1P-竞品A": {("cards", "1"), ("chip", "竞品a")},
    "1p Gpu": {("cards", "1")},
    "单机8卡": {("cards", "8"), ("nodes", "1")},
    "双卡总吞吐": {("cards", "2")},
    "Npu_nums: 8": {("cards", "8")},
    "4 × NPU": {("cards", "4")},
    "npu:0": set(),
    "top-1 / 3 个": set(),
    "batch1 的性能：": {("batch", "1")},
    "bs64": {("batch", "64")},
    "fp16 bs8 640x640": {("batch", "8"), ("dtype", "fp16"), ("resolution", "640x640")},
    "Ascend 310P3": {("chip", "310p3")},
    "310P/310": {("chip", "310+310p")},
    "Atlas 800T A2": {("chip", "atlas800ta2")},
    "resnet50": set(),
    "PyTorch 1.8": {("torch", "1.8")},
    "端到端": {("phase", "pipeline")},
    "优化前": {("stage", "before")},
}


@pytest.mark.parametrize(("text", "named"), NAMED.items(), ids=NAMED.keys())
def test_the_settings_that_a_text_names(text: str, named: Settings) -> None:
    assert settings(text) == named


def test_the_innermost_text_has_the_last_word_and_the_usual_goes_without_saying() -> None:
    layers = [settings("batch 8, 8卡"), settings("bs1")]
    assert merged(layers) == {("cards", "8"), ("batch", "1")}
    assert telling(layers) == {("cards", "8")}


@pytest.mark.parametrize(
    ("name", "cell", "found"),
    [
        ("cards", "8", {("cards", "8")}),
        ("cards", "1p Gpu", {("cards", "1")}),
        ("batch", "bs4", {("batch", "4")}),
        ("batch", "4", {("batch", "4")}),
        ("torch", "PyTorch 1.8", {("torch", "1.8")}),
        ("torch", "1.11", {("torch", "1.11")}),
        ("dataset", "`COCO  2017`", {("dataset", "coco 2017")}),
        ("dataset", "-", set()),
        ("dataset", " ", set()),
    ],
)
def test_a_cell_gives_the_value_of_its_headers_setting(name: str, cell: str, found: Settings) -> None:
    assert valued(name, cell) == found
