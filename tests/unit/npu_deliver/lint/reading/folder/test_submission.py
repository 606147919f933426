"""What belongs to one submission, and the rules that need its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lint_reports import folder_findings
from npu_deliver.lint import Finding, lint
from npu_deliver.lint.reading.folder import files
from npu_deliver.lint.reading.folder.files import decode
from npu_deliver.lint.reading.folder.submission import document


def _rules(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.rule for finding in findings}


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    text = "- 精度日志：logs/accuracy_compare.log\n"
    assert "NPU024c" in _rules(folder_findings(tmp_path, README_dot_md=text))
    assert "NPU024c" not in _rules(folder_findings(tmp_path, logs__accuracy_compare_dot_log="ok\n"))


def test_requirements_leave_the_platform_out(tmp_path: Path) -> None:
    found = folder_findings(tmp_path, README_dot_md="# r\n", requirements_dot_txt="timm==1.0\ntorch-npu==2.9.0\n")
    assert [(f.rule, f.line) for f in found if f.rule == "NPU025e"] == [("NPU025e", 2)]


def test_deploy_serves_on_the_port_that_is_tested(tmp_path: Path) -> None:
    assert "NPU025f" in _rules(folder_findings(tmp_path, README_dot_md="# r\n", deploy_dot_sh="python serve.py\n"))
    good = 'exec python serve.py --port 8000 --weights "$MODEL_PATH"\n'
    assert "NPU025f" not in _rules(folder_findings(tmp_path, deploy_dot_sh=good))


def test_the_readme_imports_what_exists(tmp_path: Path) -> None:
    readme = "```python\nfrom inference import AgeClassifier\n```\n"
    assert "NPU025g" in _rules(folder_findings(tmp_path, README_dot_md=readme, inference_dot_py="class Other: ...\n"))
    assert "NPU025g" not in _rules(folder_findings(tmp_path, inference_dot_py="class AgeClassifier: ...\n"))


def test_a_layout_that_was_begun_is_whole(tmp_path: Path) -> None:
    begun = folder_findings(tmp_path, README_dot_md="# r\n", eval__eval_accuracy_dot_py="", inference_dot_py="")
    (told,) = [finding.expected.en for finding in begun if finding.rule == "NPU025i"]
    assert told == "eval/eval_performance.py, logs/accuracy_eval.log, results/accuracy_eval.json"
    whole = folder_findings(tmp_path, eval__eval_performance_dot_py="", logs__accuracy_eval_dot_log="",
                            results__accuracy_eval_dot_json="{}")  # fmt: skip
    assert "NPU025i" not in _rules(whole)


def test_a_layout_in_a_folder_of_its_own_is_known_too(tmp_path: Path) -> None:
    begun = folder_findings(tmp_path, README_dot_md="# r\n", x__logs__accuracy_compare_dot_log="",
                            x__inference_dot_py="", x__requirements_dot_txt="")  # fmt: skip
    (told,) = [finding.expected.en for finding in begun if finding.rule == "NPU025i"]
    assert told == "logs/summary.json"


def test_the_same_report_twice_is_a_copy(tmp_path: Path) -> None:
    body = "".join(f"This is a sentence of the report, number {n} of them.\n" for n in range(12))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(body, encoding="utf-8")
    result = lint([tmp_path])
    assert result.submissions == 2
    assert "NPU025h" in _rules(result.findings)


def test_a_summary_that_contradicts_the_readme_is_found(tmp_path: Path) -> None:
    readme = "## 结果\n- 平均延迟：4.98 ms\n"
    found = folder_findings(tmp_path, README_dot_md=readme, summary_dot_json='{\n "latency_ms": 4.8446\n}\n')
    assert [(f.rule, f.evidence[-1].line) for f in found if f.rule == "NPU003a"]
    good = folder_findings(tmp_path, summary_dot_json='{"latency_ms": 4.9812}')
    assert "NPU003a" not in _rules(good)


def test_a_fallback_in_a_log_is_found(tmp_path: Path) -> None:
    log = "ok\n'aten::isin' is not currently supported on the NPU backend and will fall back to run on the CPU.\n"
    found = folder_findings(tmp_path, README_dot_md="# r\n", logs__run_dot_log=log)
    assert [(f.file.rsplit("/", 1)[1], f.line) for f in found if f.rule == "NPU020a"] == [("run.log", 2)]


def test_loose_reports_stand_alone(tmp_path: Path) -> None:
    for name, value in (("a.md", "4.98"), ("b.md", "7.31")):
        (tmp_path / name).write_text(f"## 结果\n- 平均延迟：{value} ms\n", encoding="utf-8")
    result = lint([tmp_path])
    assert result.submissions == 2
    assert "NPU003a" not in _rules(result.findings)


@given(st.text(alphabet="ab延迟 \n:：1．.％%", max_size=60))
def test_asking_the_whole_text_first_hides_no_line(text: str) -> None:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    for pattern in map(re.compile, (r"^延迟", r"1\.?%$", r"(?<!a)b", r"a\s*:", r"^$", r"^(?!.*a).*b")):
        asked = document(raw, "README.md")
        assert asked.says(pattern) == any(pattern.search(line.plain) for line in asked.lines)
        zones = ("text", "table", "log", "front", "blank", "code", "comment")
        assert [line.number for line, _ in asked.search(pattern, zones)] == [
            line.number for line in asked.lines if pattern.search(line.plain)
        ]


def test_files_beyond_the_limit_of_one_submission_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FILES_LIMIT", 3)
    for model in "ab":
        (tmp_path / model).mkdir()
        for name in ("README.md", *(f"x{n}.py" for n in range(8))):
            (tmp_path / model / name).write_text("# r\n", encoding="utf-8")
    result = lint([tmp_path])
    assert result.submissions == 2
    assert [f.message.en.rsplit("(", 1)[1] for f in result.findings if f.rule == "NPU000a"] == [
        "6 files from here on)"
    ] * 2


def test_many_submissions_are_read_by_several_processes_with_the_same_result(tmp_path: Path) -> None:
    body = "".join(f"This is a sentence of the report, number {n} of them.\n" for n in range(12))
    for n in range(12):
        (tmp_path / f"m{n:02}").mkdir()
        text = f"| 真实权重路径 | $weight{n} |\n|---|---|\n" + (body if n % 5 == 0 else "")
        (tmp_path / f"m{n:02}" / "README.md").write_text(text, encoding="utf-8")
    assert lint([tmp_path], processes=2) == lint([tmp_path], processes=1)


@given(st.text(alphabet="aBfFpPsS延迟 \n.%", max_size=40))
def test_a_pattern_that_ignores_case_is_screened_as_it_searches(text: str) -> None:
    raw, _ = decode(text.encode("utf-8"), "README.md")
    assert raw is not None
    for pattern in (r"FPS", r"(?P<A>FP)\S", r"\Ba", r"[A-F]p"):
        compiled = re.compile(pattern, re.IGNORECASE)
        asked = document(raw, "README.md")
        assert asked.says(compiled) == any(compiled.search(line.plain) for line in asked.lines)
