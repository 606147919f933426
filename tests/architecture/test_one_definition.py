"""What a page, a log and a verdict must agree on is defined once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for folder in ("src/npu_eval", "src/npu_deliver", "templates")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".j2") and "lint" not in path.parts  # the linter reads other people's words
]


def code(path: Path) -> str:
    """A file without its docstrings and comments: only what it does counts."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    return ast.unparse(_without_docstrings(ast.parse(text)))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            kept = [
                n for n in body if not (isinstance(n, ast.Expr) and isinstance(getattr(n.value, "value", None), str))
            ]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


CODE = {path.relative_to(ROOT).as_posix(): code(path) for path in SOURCES}


@pytest.mark.parametrize(
    ("pattern", "homes"),
    [
        (
            r"'(?:fp32-equal|within-criteria|not-judged)'",
            {"src/npu_eval/agreement/levels.py", "src/npu_deliver/experiments/precision/words.py"},
        ),
        (r"FP32_EQUAL\s*(?::\s*\w+\s*)?= ", {"src/npu_eval/agreement/levels.py"}),
        (r"\bFORMATS\s*= ", {"src/npu_eval/agreement/levels.py"}),
        (r"\bCAUSES\s*= \('ok'", {"src/npu_eval/agreement/levels.py"}),
        (r"CONTEST_ERROR\s*= ", {"src/npu_eval/asked/criteria.py"}),
        (r"threshold=0\.01\b|< 0\.01\b|<= 0\.01\b|< 1 %", set()),
        (r"(?:METRICS|_UNITS)\b.*= \{'relative_l2'", {"src/npu_eval/asked/metrics.py"}),
        (r"metric\.(?:startswith|endswith)\(", set()),
        (r"RANDOM WEIGHTS|随机权重", {"src/npu_eval/records/stamps.py"}),
        (r"random \(seeded\)", {"src/npu_eval/records/stamps.py"}),
        (r"PATTERNS_ZH|EXPECTED_ZH|REASONS_ZH|_REFUSAL_ZH|_UNMEASURED_ZH", set()),
        (r"re\.(?:fullmatch|sub|match)\(.*(?:zh|chinese)", set()),
    ],
)  # fmt: skip
def test_it_stands_in_one_place(pattern: str, homes: set[str]) -> None:
    assert {name for name, text in CODE.items() if re.search(pattern, text)} == homes


def test_the_host_prints_in_one_place_where_strangers_words_are_made_visible():
    printing = [
        name
        for name, text in CODE.items()
        if name.startswith("src/npu_deliver") and re.search(r"typer\.s?echo\(|sys\.stdout\.write\(", text)
    ]
    assert printing == ["src/npu_deliver/commands/saying.py"]
