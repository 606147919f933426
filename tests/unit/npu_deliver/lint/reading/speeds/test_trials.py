"""Measured speeds and what they were measured under, from tables upright and on their side, and from lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.lint.reading.arithmetic.ratios import ratios
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import Document, document
from npu_deliver.lint.reading.speeds.linearity import linearities
from npu_deliver.lint.reading.speeds.spoken_ratios import spoken_ratios
from npu_deliver.lint.reading.speeds.spoken_trials import spoken_trials
from npu_deliver.lint.reading.speeds.sweeps import best_rows, best_sentences, sweeps
from npu_deliver.lint.reading.speeds.trial import Speed
from npu_deliver.lint.reading.speeds.trial_words import batch_in, cards_of
from npu_deliver.lint.reading.speeds.trials import trials

READERS = (trials, sweeps, best_rows, best_sentences, ratios, spoken_ratios, spoken_trials, linearities)


def _read(text: str) -> Document:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    return document(raw, "README.md")


@pytest.mark.parametrize(
    ("cell", "cards", "rest"),
    [
        ("8p-npu", 8, "npu"),
        ("npu-1p(arm)", 1, "npu arm"),
        ("1p gpu", 1, "gpu"),
        ("8卡", 8, ""),
        ("单卡", 1, ""),
        ("8*910b", 8, "910b"),
        ("310p3", None, "310p3"),
        ("resnet50", None, "resnet50"),
    ],
)
def test_a_name_holds_its_cards(cell: str, cards: int | None, rest: str) -> None:
    assert cards_of(cell) == (cards, rest)


@pytest.mark.parametrize(
    ("cell", "batch", "rest"),
    [("net(bs8)", 8, "net"), ("batch 16", 16, ""), ("bs1_part1", 1, "part1"), ("8p", None, "8p")],
)
def test_a_name_holds_its_batch(cell: str, batch: int | None, rest: str) -> None:
    assert batch_in(cell) == (batch, rest)


def test_a_row_takes_its_settings_from_the_row_above() -> None:
    text = "| 芯片 | 序列 | Batch | 性能 |\n|---|---|---|---|\n| 310P3 | 64 | 1 | 42.5 |\n| ... | ... | 4 | 99.5 |\n"
    found = _read(text).facts(trials)
    assert [(t.batch, t.settings) for t in found] == [
        (1, (("芯片", "310p3"), ("序列", "64"), ("(speed)", "性能"))),
        (4, (("芯片", "310p3"), ("序列", "64"), ("(speed)", "性能"))),
    ]


@pytest.mark.parametrize("head", ["卡数", "world_size", "num_npus", "设备数量", "设备数"])
def test_a_column_of_cards_is_one_for_speeds_and_for_quantities(head: str) -> None:
    page = _read(f"| {head} | 吞吐 (FPS) |\n|---|---|\n| 1 | 86.5 |\n| 8 | 650.5 |\n")
    assert [(t.cards, t.number.value) for t in page.facts(trials)] == [(1, 86.5), (8, 650.5)]
    assert {q.settings & {("cards", "1"), ("cards", "8")} for q in page.quantities.all} == {
        frozenset(),  # one card is what a page means that says nothing of them
        frozenset({("cards", "8")}),
    }


def test_what_a_speed_counts_is_told_by_its_cell_before_its_head() -> None:
    text = "| 名称 | 性能 |\n|---|---|\n| a-8p | 17.6fps |\n| b-8p | 2.2 s |\n| c-8p | 12.5 |\n"
    assert [t.speed for t in _read(text).facts(trials)] == [Speed.RATE, Speed.TIME, Speed.UNSTATED]


def test_a_table_on_its_side_is_turned() -> None:
    text = "| batch | 8 | 16 |\n|---|---|---|\n| 吞吐 (FPS) | 86.5 | 98.5 |\n| 精度 | 0.97 | 0.96 |\n"
    found = _read(text).facts(trials)
    assert [(t.batch, t.row, t.column, t.number.value) for t in found] == [(8, 1, 0, 86.5), (16, 2, 0, 98.5)]


CELL = st.text(alphabet="0123456789.%/:*xp卡最优 batchsFPNUTm-", max_size=12)


@given(st.lists(CELL, min_size=2, max_size=5), st.lists(st.lists(CELL, max_size=6), max_size=5))
def test_any_table_can_be_read(header: list[str], rows: list[list[str]]) -> None:
    table = "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
    page = _read(f"# 推理\n\n最优 batch 为 8，310P 是 T4 的 1.5 倍。\n\n{table}\n")
    for reader in READERS:
        page.facts(reader)  # type: ignore[arg-type]
    for trial in page.facts(trials):
        assert trial.number.value > 0
        assert trial.cards is None or trial.cards >= 0
        assert trial.batch is None or trial.batch > 0


@pytest.mark.parametrize(
    "piece",
    ["batch 8 时", "最优", "best batch 8 ", "310P 是 ", "310P性能达到", "1p 8 FPS ", "| 最优 | 8 ", "性能最优batch"],
)
def test_long_lines_end(piece: str) -> None:
    table = "| batch | 310P | T4 |\n|---|---|---|\n| 8 | 20.5 | 10.5 |\n| 16 | 21.5 | 11.5 |\n"
    page = _read(f"{table}\n{piece * 3000} 1.5 倍\n")
    for reader in READERS:
        page.facts(reader)  # type: ignore[arg-type]
