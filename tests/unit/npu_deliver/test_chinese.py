"""Everything that can be said can be said in Chinese, with the same parts, and in nothing but Chinese."""

from __future__ import annotations

import re

import pytest

import samples
from npu_deliver.chinese import CHINESE
from npu_deliver.words import LANGUAGES, phrase_words
from npu_eval.asked.criteria import NO_FALLBACK, origin
from npu_eval.asked.profiles import PROFILES, criteria_of
from npu_eval.asked.spec import TASKS
from npu_eval.notation.phrases import AS_WRITTEN, ENGLISH, placeholders, said

HAN = re.compile("[\u4e00-\u9fff]")
UNCHANGED = {AS_WRITTEN, "batch", "operators", "output"}
"""Names and others' words, which are the same in every language."""


def test_both_languages_have_the_same_codes():
    assert list(ENGLISH) == list(CHINESE)


@pytest.mark.parametrize("code", ENGLISH)
def test_both_languages_have_the_same_parts(code):
    assert placeholders(ENGLISH[code]) == placeholders(CHINESE[code])
    assert bool(HAN.search(CHINESE[code])) == (code not in UNCHANGED)
    assert not HAN.search(ENGLISH[code])


@pytest.mark.parametrize("code", ENGLISH)
def test_no_form_breaks_a_table_or_a_code_span(code):
    for text in (ENGLISH[code], CHINESE[code]):
        assert not set(text) & set("|`<>\n\\")


@pytest.mark.parametrize("code", ENGLISH)
def test_each_part_is_shown_in_each_language(code):
    phrase = said(code, **{name: f"<{name}>" for name in placeholders(ENGLISH[code])})
    for lang in LANGUAGES:
        assert all(f"<{name}>" in phrase_words(phrase, lang) for name in phrase.args)


RULES = [(name, task, training) for name in PROFILES for task in TASKS for training in (False, True)]


@pytest.mark.parametrize(("name", "task", "training"), RULES)
def test_the_origin_of_each_threshold_of_ours_is_known(name, task, training):
    for criterion in (*criteria_of(name, task, training=training), NO_FALLBACK):
        assert str(origin(criterion)) == criterion.why
        assert HAN.search(phrase_words(origin(criterion), "zh"))


def test_a_users_own_reason_stands_as_it_was_written():
    own = samples.criterion()
    assert origin(own).code == AS_WRITTEN
    assert {phrase_words(origin(own), lang) for lang in LANGUAGES} == {own.why}
