"""Strangers' files: broken, binary, huge, nested, linked and escaped ones are read within limits or named as unread."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

from lint_reports import linted
from npu_deliver.errors import ConfigError
from npu_deliver.lint import Result, lint
from npu_deliver.lint.output import as_json, text
from npu_deliver.lint.reading.folder import files as reading
from npu_deliver.lint.reading.folder.jsontext import scan
from npu_deliver.lint.reading.folder.submission import document


def _unread(result: Result) -> list[str]:
    return [finding.message.en for finding in result.findings if finding.rule == "NPU000a"]


def test_a_binary_file_named_md_is_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(bytes(range(256)) * 64)
    assert "binary" in _unread(lint([tmp_path]))[0]


def test_control_characters_without_nul_are_binary_too(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\x01\x02\x03\x04abc" * 500)
    assert "binary" in _unread(lint([tmp_path]))[0]


def test_gbk_is_read_as_chinese() -> None:
    raw, problem = reading.decode("| 平均延迟 | 21.65 ms |".encode("gbk"), "a.md")
    assert raw is not None
    assert raw.lines == ("| 平均延迟 | 21.65 ms |",)
    assert problem is not None
    assert problem.what == "encoding"


def test_broken_utf8_is_read_as_far_as_it_goes() -> None:
    raw, problem = reading.decode("延迟 21.65 ms\n".encode() + b"\xff\xff\x80\n" + b"latency 5 ms\n", "a.md")
    assert raw is not None
    assert "latency 5 ms" in raw.lines[-1]
    assert problem is not None


def test_utf16_is_read() -> None:
    raw, problem = reading.decode("延迟".encode("utf-16"), "a.md")
    assert raw is not None
    assert raw.text == "延迟"
    assert problem is None


def test_a_huge_table_is_cut_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FILE_LIMIT_BYTES", 200_000)
    row = "| 21.65 ms | 46.20 FPS |\n"
    (tmp_path / "README.md").write_text("| 延迟 | 帧率 |\n|---|---|\n" + row * 20_000, encoding="utf-8")
    started = time.monotonic()
    result = lint([tmp_path])
    assert "only its beginning" in _unread(result)[0]
    assert time.monotonic() - started < 60


def test_deeply_nested_json_ends_the_reading_of_that_file_only(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# r\n", encoding="utf-8")
    (tmp_path / "summary.json").write_text("[" * 100_000, encoding="utf-8")
    assert [f.found.en for f in lint([tmp_path]).findings if f.rule == "NPU000b"] == ["depth"]


def test_front_matter_with_anchors_is_left_alone() -> None:
    bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n# report\n"
    assert not [f for f in linted(bomb) if f.severity == "error"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("- 权重：$weight\n", encoding="utf-8")
    inside = tmp_path / "sub"
    inside.mkdir()
    (inside / "README.md").symlink_to(tmp_path / "secret.md")
    result = lint([inside])
    assert "link out of the folder" in _unread(result)[0]
    assert not [f for f in result.findings if f.rule == "NPU001"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# r\n", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a.md").symlink_to(tmp_path / "b.md")
    (tmp_path / "b.md").symlink_to(tmp_path / "a.md")
    assert len(_unread(lint([tmp_path]))) == 2


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# r\n", encoding="utf-8")
    os.mkfifo(tmp_path / "run.log")
    assert "no plain file" in _unread(lint([tmp_path]))[0]


def test_a_zip_is_named_and_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# r\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("README.md", "$weight")
    result = lint([tmp_path])
    assert "archive" in _unread(result)[0]
    assert not [f for f in result.findings if f.rule == "NPU001"]


def test_escape_sequences_never_reach_the_terminal(tmp_path: Path) -> None:
    name = "evil\x1b[2J.md"
    (tmp_path / name).write_text("- 权重路径：$weight \x1b]0;owned\x07 \u202egnp.exe\n", encoding="utf-8")
    result = lint([tmp_path / name])
    assert [f for f in result.findings if f.rule == "NPU001"]
    shown = "\n".join(text(result, "en", colour=False)) + as_json(result, "en")
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        lint([tmp_path / "nowhere"])


def test_an_empty_file_and_an_empty_folder_are_clean(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"")
    assert not lint([tmp_path]).findings
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not lint([empty]).findings


@pytest.mark.parametrize(
    "text",
    [
        "a" * 3_000_000,
        "|" * 100_000,
        "`" * 50_000,
        "1" * 50_000,
        "- " * 50_000,
        "$" * 9_000,
        "(" * 20_000,
        "1/" * 30_000,
        "=" * 30_000,
        "延迟" * 30_000,
        "1e999999 ms " * 400,
    ],
)
def test_pathological_lines_take_no_long_time(text: str) -> None:
    started = time.monotonic()
    linted(text)
    assert time.monotonic() - started < 30


def test_a_comment_in_a_configuration_breaks_nothing() -> None:
    scalars, broken = scan('{"a": 1, // why, "b": 2\n "c": "x // y"}')
    assert broken is None
    assert [(s.path, s.raw, s.line) for s in scalars] == [(("a",), "1", 1), (("c",), "x // y", 2)]


def test_code_in_another_encoding_is_no_finding_and_a_report_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes("# 报告\n".encode("gbk"))
    (tmp_path / "train.py").write_bytes("# 训练\n".encode("gbk"))
    assert [finding.file for finding in lint([tmp_path]).findings if finding.rule == "NPU000a"] == [
        str(tmp_path / "README.md")
    ]


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("CMakeLists.txt", "# a\n# b\nproject(x)\n", "other"),
        ("classes.txt", "person\nbicycle\n", "log"),
        ("notes.txt", "# 结果\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "report"),
        ("run.txt", "# begin\n" + "step 1 loss 0.3\n" * 40 + "# end\n", "log"),
        ("README.txt", "x\n", "report"),
    ],
)
def test_a_text_file_is_a_page_only_where_it_is_written_as_one(name: str, text: str, kind: str) -> None:
    raw, _ = reading.decode(text.encode("utf-8"), name)
    assert raw is not None
    assert document(raw, name).kind == kind


def test_pages_are_read_before_logs_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"a{number}.log").write_text(f"step {number} loss 0.5 in this line\n" * 12_000, encoding="utf-8")
    (tmp_path / "readme.md").write_text("# r\n\n权重：$weight\n", encoding="utf-8")
    result = lint([tmp_path])
    assert [f for f in result.findings if f.rule == "NPU001"]
    assert any("only its beginning" in what for what in _unread(result))
    assert any("2 files from here on" in what for what in _unread(result))


def test_code_has_a_budget_of_its_own(tmp_path: Path) -> None:
    budget = reading.Budget()
    assert budget.take(10**9, written=True) == reading.FILE_LIMIT_BYTES
    assert budget.take(10**9, written=True) == reading.WRITTEN_LIMIT_BYTES - reading.FILE_LIMIT_BYTES
    assert budget.take(1, written=True) == 0
    assert budget.take(1, written=False) == 1
    budget.spend(reading.LINES_LIMIT, written=False)
    assert budget.take(1, written=False) == 0


def test_a_batch_with_the_number_0_is_no_batch_size(tmp_path: Path) -> None:
    """A log that numbers its batches from 0."""
    (tmp_path / "README.md").write_text(
        "# r\n\nNPU: Ascend 910B\n\nbatch 0, latency 5.2 ms and 46.3 FPS\n", encoding="utf-8"
    )
    assert any(
        "46.3 FPS × 5.2 ms = 0.2408, which should be the batch size, 1" in f.message.en
        for f in lint([tmp_path]).findings
    )


@pytest.mark.parametrize(("most", "blamed"), [(8, True), (200, False)])
def test_batches_that_are_numbered_say_nothing_of_how_large_they_are(tmp_path: Path, most: int, blamed: bool) -> None:
    numbered = "\n\n".join(f"batch {number}" for number in range(2, most))
    page = f"# r\n\nNPU: Ascend 910B\n\n{numbered}\n\n[run] latency 5.2 ms, 4600 images/s\n"
    (tmp_path / "README.md").write_text(page, encoding="utf-8")
    assert any("4600 images/s × 5.2 ms" in f.message.en for f in lint([tmp_path]).findings) is blamed
