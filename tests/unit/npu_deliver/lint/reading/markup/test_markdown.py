from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.lint.reading.markup.markdown import Structure, parse


def read(text: str) -> Structure:
    return parse(tuple(text.split("\n")))


def zone_of(structure: Structure, text: str) -> str:
    return next(line.zone for line in structure.lines if text in line.text)


TABLES = {
    "plain": "| a | b |\n|---|---|\n| 1 | 2 |",
    "padded": "|  a    |     b      |\n| :-----: |   :------:   |\n|    1    |      2       |",
    "without outer bars": "a | b\n--|--\n1 | 2",
    "single dashes": "| a | b |\n| - | - |\n| 1 | 2 |",
    "in a list": "- 见下表\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |",
    "in a quote": "> | a | b |\n> |---|---|\n> | 1 | 2 |",
    "moved to the right": "结果\n\n    | a | b |\n    |---|---|\n    | 1 | 2 |",
    "right below text": "结果如下：\n| a | b |\n|---|---|\n| 1 | 2 |",
    "full-width bars": "｜ a ｜ b ｜\n｜---｜---｜\n｜ 1 ｜ 2 ｜",
    "in a log": "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```",
    "another number of cells below the header": "| a | b |\n|---|---|---|\n| 1 | 2 |",
    "HTML": "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>2</td></tr>\n</table>",
    "emphasis": "| **a** | `b` |\n|---|---|\n| 1 | 2 |",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES.keys())
def test_a_table_is_read_however_it_is_set(text: str) -> None:
    (table,) = read(text).tables
    lines = text.split("\n")
    assert table.header == ("a", "b")
    assert [cells for _, cells in table.rows] == [("1", "2")]
    assert ["1" in lines[number - 1] for number, _ in table.rows] == [True]
    assert {"table"} == {line.zone for line in read(text).lines if "1" in line.text or "a" in line.text}


def test_a_cell_keeps_its_escaped_bar_and_a_short_row_stays_short() -> None:
    (table,) = read("| a | b |\n|---|---|\n| x \\| y | 2 |\n| only |\ntext below").tables
    assert [cells for _, cells in table.rows] == [("x | y", "2"), ("only",)]


def test_a_merged_html_cell_stands_in_every_row_that_it_covers() -> None:
    (table,) = read(
        "<table>\n  <tr><td>模型</td><td>卡</td><td>FPS</td></tr>\n"
        "  <tr><td rowspan=2>A</td><td>1</td><td>10</td></tr>\n"
        "  <tr><td>8</td><td>75</td></tr>\n  <tr><td colspan='2'>B</td><td>9</td></tr>\n</table>"
    ).tables
    assert table.header == ("模型", "卡", "FPS")
    assert table.rows == [(3, ("A", "1", "10")), (4, ("A", "8", "75")), (5, ("B", "B", "9"))]


def test_a_huge_html_span_takes_no_memory() -> None:
    (table,) = read('<table><tr><td colspan="999999999">x</td><td>y</td></tr></table>').tables
    assert len(table.header) < 100


HEADINGS = {
    "# 性能": "性能",
    "## 性能 ##": "性能",
    "##性能结果": "性能结果",
    "性能\n===": "性能",
    "一、性能": "性能",
    "2.1 性能": "性能",
    '# 性能<a name="s1"></a>': "性能",
    "> ## 性能": "性能",
}


@pytest.mark.parametrize(("text", "title"), HEADINGS.items(), ids=HEADINGS.keys())
def test_a_heading_begins_a_section(text: str, title: str) -> None:
    structure = read(f"{text}\n\n延迟 1 ms")
    assert [section.title for section in structure.sections[1:]] == [title]
    assert structure.lines[-1].section == 1


@pytest.mark.parametrize("text", ["#include <x>", "#", "a long line\nof two, above a rule\n---", "0" * 90 + "\n---"])
def test_what_is_no_heading(text: str) -> None:
    assert len(read(text).sections) == 1


def test_sections_nest() -> None:
    structure = read("# a\n## b\n### c\n## d\n")
    assert [section.titles for section in structure.sections[1:]] == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "d")]


def test_a_fence_in_a_list_may_stand_further_left_than_its_mark() -> None:
    structure = read("1. 运行\n\n   ```\npython3 run.py --batch_size 8\n   ```\n\n## 结果\n\n时延 1 ms\n")
    assert zone_of(structure, "run.py") == "code"
    assert zone_of(structure, "时延") == "text"
    assert structure.sections[-1].title == "结果"


UNCLOSED = {
    "never": "```\nloss.backward()\n\n## 结果\n\n时延 1 ms\n",
    "before another fence": "```bash\nrun a\n\n```bash\nrun b\n```\n\n## 结果\n\n时延 1 ms\n",
    "a mark too many": "```bash\nrun a\n```\n\n```\n\n## 结果\n\n时延 1 ms\n\n```\n\n# 公告\n",
}


@pytest.mark.parametrize("text", UNCLOSED.values(), ids=UNCLOSED.keys())
def test_a_fence_that_was_not_closed_ends_above_the_next_heading(text: str) -> None:
    structure = read(text)
    assert zone_of(structure, "时延") == "text"
    assert "结果" in {section.title for section in structure.sections}


def test_a_comment_in_a_shell_script_is_no_heading() -> None:
    structure = read("```\ncd a\n\n## 8p\n\nbash train_8p.sh\n```\n\n时延 1 ms\n")
    assert len(structure.sections) == 1
    assert zone_of(structure, "train_8p") == "code"


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("```python\nKEY = 1\n```", "code"),
        ("```\nKEY: 1\n```", "log"),
        ("```\n$ run KEY\n```", "code"),
        ("```\npython run.py \\\n  --batch KEY\n```", "code"),
        ("```text\nKEY\n```", "log"),
        ("<!-- KEY -->", "comment"),
        ("<!-- a\n\nKEY\n-->", "comment"),
        ("text\n<!--\nKEY\n-->", "comment"),
        ("text <!-- KEY -->", "text"),
        ("---\na: KEY\n---\n", "front"),
        ("    python KEY.py", "code"),
        ("    lr=1, KEY", "log"),
        ("    安装之后再运行评测脚本，KEY", "text"),
        ("```KEY``` is a word", "text"),
    ],
)
def test_the_zone_of_a_line(text: str, zone: str) -> None:
    assert zone_of(read(text), "KEY") == zone


def test_front_matter_is_no_heading_and_is_read() -> None:
    structure = read("---\nhardware: NPU\ntags:\n  - a\n  - b\n---\n# t\n")
    assert structure.front == {"hardware": ["NPU"], "tags": ["a", "b"]}
    assert [section.title for section in structure.sections[1:]] == ["t"]


@given(st.text(alphabet="`~#-|>*1. \t\nab<!/table:→，一、", max_size=200))
def test_every_text_keeps_its_lines(text: str) -> None:
    lines = tuple(text.split("\n"))
    structure = parse(lines)
    assert [line.text for line in structure.lines] == list(lines)
    assert [line.number for line in structure.lines] == list(range(1, len(lines) + 1))
    assert all(0 <= line.section < len(structure.sections) for line in structure.lines)
    assert all(len(table.header) > 1 for table in structure.tables)


@pytest.mark.parametrize(
    "line", ["```x", "<table", "<!--", "> " * 50, "| a " * 300, "- " * 60, "[" * 3000, "```x\n\n# h", "|-" * 500]
)
def test_a_long_run_of_one_mark_ends(line: str) -> None:
    assert parse(tuple((line + "\n").split("\n") * 400)).lines
