"""Each source says what was read and when, in both languages, with the same digits."""

from __future__ import annotations

import re

from npu_eval.asked.profiles import PROFILES
from npu_eval.notation import sources
from npu_eval.notation.phrases import ENGLISH
from npu_eval.notation.sources import SAID_BY, Source, cited

ALL = [value for value in vars(sources).values() if isinstance(value, Source)]
OUR_OWN = {"why-finite", "why-repeatable", "why-no-fallback"}
"""Reasons that state a choice of ours and nothing about the world."""


def test_each_source_is_dated_and_says_the_same_in_both_languages() -> None:
    assert len(ALL) >= 10
    for source in ALL:
        assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", source.read), source
        assert re.findall(r"\d+", source.en) == re.findall(r"\d+", source.zh), source
        assert source.read in source.cited("zh")
        assert source.read in source.cited("en")


def test_several_are_told_one_after_the_other() -> None:
    two = (Source("one", "一", "2026"), Source("two", "二", "2026-01-02"))
    assert cited(two) == "one, read 2026; two, read 2026-01-02"
    assert cited(two, "zh") == "一，2026 查阅；二，2026-01-02 查阅"
    assert cited(()) == ""


def test_the_reason_of_each_criterion_is_sourced_or_our_own() -> None:
    assert {code for code in ENGLISH if code.startswith("why-")} == set(SAID_BY) | OUR_OWN
    assert all(profile.sources for profile in PROFILES.values())
