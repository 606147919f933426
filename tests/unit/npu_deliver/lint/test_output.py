"""What a result looks like to people, programs and code-scanning viewers."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from lint_reports import DATA
from npu_deliver.cli import app
from npu_deliver.lint import lint
from npu_deliver.lint.output import as_json, as_sarif, text

REPORT = DATA / "convnextv2.md"
CLEAN = "# 报告\n\n一段文字。\n"


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["lint", *arguments])
    return done.exit_code, done.stdout


def test_each_finding_has_the_agreed_keys() -> None:
    document = json.loads(as_json(lint([REPORT]), "en"))
    keys = ["rule", "severity", "file", "line", "message", "evidence", "expected", "found"]
    assert document["findings"]
    assert all(list(finding) == keys for finding in document["findings"])
    assert all(set(span) == {"file", "line", "text"} for f in document["findings"] for span in f["evidence"])


def test_the_text_names_file_line_rule_spans_expected_and_found() -> None:
    lines = list(text(lint([REPORT]), "zh", colour=False))
    at = next(number for number, line in enumerate(lines) if "NPU003a" in line)
    assert "4.8446" in "".join(lines[at : at + 4])
    assert "应为" in lines[at + 3]
    assert "实为" in lines[at + 3]


def test_colours_are_only_used_when_asked_for() -> None:
    result = lint([REPORT])
    assert "\x1b[31m" in "\n".join(text(result, "en", colour=True))
    assert "\x1b" not in "\n".join(text(result, "en", colour=False))


def test_sarif_has_the_shape_that_viewers_need() -> None:
    document = json.loads(as_sarif(lint([REPORT]), "en"))
    run = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert document["version"] == "2.1.0"
    assert run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        region = result["locations"][0]["physicalLocation"]
        assert region["region"]["startLine"] >= 1
        assert " " not in region["artifactLocation"]["uri"]


def test_exit_codes_follow_the_severity(tmp_path: Path) -> None:
    clean, warned = tmp_path / "clean.md", tmp_path / "warned.md"
    clean.write_text(CLEAN, encoding="utf-8")
    warned.write_text("- 权重路径：/home/me/model.pth\n", encoding="utf-8")
    assert _run(str(clean))[0] == 0
    assert _run(str(warned))[0] == 0
    assert _run(str(warned), "--fail-on", "warning")[0] == 8
    assert _run(str(REPORT))[0] == 8


def test_rules_are_listed_and_explained_in_both_languages() -> None:
    code, listed = _run("--list", "--lang", "en")
    assert code == 0
    assert "NPU004a" in listed
    for lang, word in (("zh", "公式"), ("en", "formula")):
        code, explained = _run("--explain", "NPU004a", "--lang", lang)
        assert code == 0
        assert word in explained
        assert "49.18" in explained


def test_a_suppression_with_a_reason_is_honoured_and_counted(tmp_path: Path) -> None:
    report = tmp_path / "a.md"
    line = "- 权重路径：$weight\n"
    report.write_text(f"<!-- npu-lint: ignore NPU001 because the shop is called $weight -->\n{line}", encoding="utf-8")
    result = lint([report])
    assert not result.findings
    assert [mark.reason for _, mark in result.waived] == ["the shop is called $weight"]
    assert json.loads(as_sarif(result, "en"))["runs"][0]["results"][0]["suppressions"]
    report.write_text(f"<!-- npu-lint: ignore NPU001 -->\n{line}", encoding="utf-8")
    assert {finding.rule for finding in lint([report]).findings} == {"NPU000c", "NPU001"}


def test_a_rule_that_says_something_of_the_world_names_its_source() -> None:
    assert "source: TorchNPU's own APIs" in _run("--explain", "NPU015a", "--lang", "en")[1]
    assert "出处: TorchNPU 自定义 API" in _run("--explain", "NPU015a", "--lang", "zh")[1]
    assert "source:" not in _run("--explain", "NPU001", "--lang", "en")[1]
