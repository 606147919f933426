"""Every rule finds its own failing example and keeps silent on its passing one."""

from __future__ import annotations

import re

import pytest

from lint_reports import EXAMPLES, NEED_FILES, linted
from npu_deliver.errors import ConfigError
from npu_deliver.lint import catalogue
from npu_deliver.lint.finding import Rule


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_failing_example_fails(rule: Rule) -> None:
    assert rule.id in {finding.rule for finding in linted(rule.bad)}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_passing_example_passes(rule: Rule) -> None:
    findings = linted(rule.good)
    assert rule.id not in {finding.rule for finding in findings}
    assert not [finding for finding in findings if finding.severity == "error"]


@pytest.mark.parametrize("name", [name for name in NEED_FILES if catalogue.rule(name).bad])
def test_no_page_alone_breaks_a_rule_that_needs_files(name: str) -> None:
    assert name not in {finding.rule for finding in linted(catalogue.rule(name).bad)}


def test_ids_follow_the_checks() -> None:
    ids = [rule.id for rule in catalogue.RULES]
    assert ids == sorted(set(ids))
    assert {int(name[3:6]) for name in ids} == set(range(26))
    assert all(re.fullmatch(r"NPU\d{3}[a-z]?", name) for name in ids)


def test_every_rule_speaks_both_languages() -> None:
    for rule in catalogue.RULES:
        for text in (rule.title, rule.why):
            assert re.search(r"[\u4e00-\u9fff]", text.zh)
            assert not re.search(r"[\u4e00-\u9fff]", text.en)


def test_a_rule_is_found_in_any_case_and_misspelling_is_told() -> None:
    assert catalogue.rule("npu004A").id == "NPU004a"
    with pytest.raises(ConfigError, match="NPU004"):
        catalogue.rule("NPU004z")
