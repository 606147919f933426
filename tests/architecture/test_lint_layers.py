"""The linter's two layers: `reading` says what a span is, `rules` say what contradicts and never look at raw text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "src/npu_deliver/lint/rules"
STILL_READ_TEXT: set[str] = set()
"""Rules that have not been parted from their reading yet; the list may only shrink."""
RAW = {"plain", "search", "says", "structure", "raw"}
"""What of a document is text: its lines and the search in them."""


def _looks_at_text(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "re"
    }
    return sorted(
        {f"import {name}" for name in imports}
        | {
            f".{node.attr} (line {node.lineno})"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in RAW
        }
    )


@pytest.mark.parametrize(
    "path", sorted(p for p in RULES.glob("*.py") if p.name not in STILL_READ_TEXT), ids=lambda p: p.name
)
def test_a_rule_judges_facts_and_reads_no_text(path: Path) -> None:
    assert _looks_at_text(path) == []


def test_the_list_of_exceptions_names_only_rules_that_need_it() -> None:
    assert {name for name in STILL_READ_TEXT if not _looks_at_text(RULES / name)} == set()
