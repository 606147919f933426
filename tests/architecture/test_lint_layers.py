"""The linter's two layers: `reading` says what a span is, `rules` say what contradicts and never look at raw text.

Which room of `reading` builds on which is a contract of `pyproject.toml`; here is what imports alone cannot say.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = ROOT / "src/npu_deliver/lint"
RULES = LINT / "rules"
READING = LINT / "reading"
ROOMS = sorted(path.parent for path in READING.glob("*/__init__.py"))
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


def _taken_from_finding(path: Path) -> set[str]:
    """What a module takes from where findings, rules and their words are defined."""
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "npu_deliver.lint.finding"
        for alias in node.names
    }


def test_reading_gives_facts_with_their_place_and_finds_nothing() -> None:
    taken = {path.name: _taken_from_finding(path) for path in READING.rglob("*.py")}
    assert set().union(*taken.values()) == {"Span", "Quote"}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_is_no_hall_and_says_in_one_line_what_it_holds(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert said.endswith(".")
    assert len(said.splitlines()) == 1
    assert 2 <= len(list(room.glob("[!_]*.py"))) <= 25


def test_every_module_that_reads_is_in_a_room_and_every_room_is_on_the_page() -> None:
    page = (ROOT / "docs/how-to/lint.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- `(\w+)/` ", page, re.MULTILINE)
    assert sorted(listed) == [room.name for room in ROOMS]
    assert not list(READING.glob("[!_]*.py"))
