"""The pages that this project renders satisfy its own linter."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint_reports import linted
from npu_deliver.lint.finding import Severity

PAGES = sorted((Path(__file__).parents[3] / "golden").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_of_ours_has_no_error(page: Path) -> None:
    found = linted(page.read_text(encoding="utf-8"))
    assert [f for f in found if f.severity is Severity.ERROR] == []


def test_random_weights_are_a_warning_where_a_banner_says_so_and_an_error_elsewhere() -> None:
    rules = {f.rule: f.severity for f in linted("# 模型\n\n> **⚠ 随机权重：不是训练好的模型**\n\n- 加载：随机权重\n")}
    assert rules.get("NPU012d") is Severity.WARNING
    assert "NPU012c" not in rules
    assert "NPU012c" in {f.rule for f in linted("# 模型\n\n- 分类头随机初始化\n")}
