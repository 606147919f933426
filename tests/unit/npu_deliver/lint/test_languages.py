"""What the linter says in Chinese is Chinese: words of ours come in both languages, the report's own as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lint_reports import EXAMPLES, linted
from npu_deliver.lint import expectations, rules
from npu_deliver.lint.finding import Finding, Rule, Text

SENTENCE = re.compile(r"(?<![\w.$/-])[a-z]{2,} [a-z]{2,}(?![\w./-])")
"""Two lower-case English words in a row."""
QUOTED = re.compile(r"“[^”]*”|'[^']*'|`[^`]*`|https?://\S+")
"""What the report says, or a source's address."""


def is_english(text: str, own: str = "") -> bool:
    """Whether a sentence in Chinese holds English words of ours; ``own`` is the report that it speaks of."""
    return any(m[0] not in own for m in SENTENCE.finditer(QUOTED.sub("·", text)))


def test_english_words_are_seen_and_names_are_not() -> None:
    assert is_english("应为 two runs of one input")
    assert is_english("缺少 input shape")
    assert not is_english("“the report says” 与 torch_npu 2.9、npu-smi、a.log 不同")
    assert not is_english("缺少 input shape", "the input shape is [1, 3]")


def chinese(finding: Finding) -> Iterator[str]:
    yield finding.message.zh
    yield finding.expected.zh
    yield finding.found.zh


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_no_finding_is_said_in_english_words_in_chinese(rule: Rule) -> None:
    report = rule.bad.lower()
    for finding in linted(rule.bad):
        for text in chinese(finding):
            assert not is_english(text, report), text


EVERY = {name: value for name, value in vars(expectations).items() if isinstance(value, Text)}
MADE = {
    "listed": expectations.listed(expectations.PROTOCOL),
    "without": expectations.without("a.py"),
    "without a text": expectations.without(expectations.listed(["batch"])),
    "batch_stated": expectations.batch_stated(8),
    "or_explained": expectations.or_explained(">= 3"),
    "in_folder": expectations.in_folder("a.log"),
    "defined": expectations.defined("main", "a.py"),
    "about": expectations.about("3 %"),
    "on_line": expectations.on_line("hf_ab…", 7),
}


@pytest.mark.parametrize(("name", "text"), [*EVERY.items(), *MADE.items(), *expectations.PROTOCOL.items()])
def test_each_expectation_has_both_languages(name: str, text: Text) -> None:
    assert not re.search("[\u4e00-\u9fff]", text.en), name
    assert re.search("[\u4e00-\u9fff]", text.zh) or name in ("STRICT", "batch"), name
    assert re.findall(r"\d+", text.zh) == re.findall(r"\d+", text.en) or name == "on_line", name


def plain_words() -> Iterator[tuple[str, int, str]]:
    """(file, line, text) of each literal that a rule gives as expected or found, to be said in every language."""
    for path in sorted(Path(rules.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("expected", "got"):
                for part in ast.walk(node.value):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield path.name, part.lineno, part.value


def test_what_is_said_in_every_language_is_no_english() -> None:
    found = [(file, line, text) for file, line, text in plain_words() if SENTENCE.search(text)]
    assert not found
