"""The words that pictures and pages share exist in both languages."""

import re

import pytest

from npu_deliver import words
from npu_deliver.experiments.precision import words as precision
from npu_eval.agreement.detections import CAUSES
from npu_eval.agreement.levels import LEVELS
from npu_eval.experiments.performance.data import ENDS
from npu_eval.records.stamps import Stamp, stamp_words

HAN = re.compile("[\u4e00-\u9fff]")


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_each_stamp_has_words(lang):
    assert len({stamp_words(stamp, lang) for stamp in Stamp}) == len(Stamp)


def test_no_stamp_is_part_of_another():
    """`verify` looks for a stamp's words on a page; one inside another would pass for it."""
    every = [stamp_words(stamp, lang) for lang in words.LANGUAGES for stamp in Stamp]
    inside = [(a, b) for a in every for b in every if a != b and a in b]
    assert all("SIMULATED" in a for a, _ in inside)  # the English one stands in the Chinese one on purpose
    assert len(inside) == 1


def test_the_line_of_stamps():
    assert words.stamp_line((), "zh") is None
    line = words.stamp_line((Stamp.REPLAYED, Stamp.NO_NPU), "en")
    assert line == "REPLAYED: numbers of an earlier run  |  NO NPU: measured on another device"


@pytest.mark.parametrize("by", [*ENDS, "failed"])
def test_each_end_of_a_run_has_words(by):
    assert HAN.search(words.ended(by, "zh")) or by == "failed"  # which then says how in words of its own
    assert not HAN.search(words.ended(by, "en"))


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_of_a_lone_detection_has_words_in_both_languages(cause):
    assert HAN.search(precision.cause(cause, "zh"))
    assert not HAN.search(precision.cause(cause, "en"))


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_has_words_in_both_languages(level):
    assert HAN.search(precision.agreement_level(level, "zh"))
    assert precision.agreement_level(level, "en") == level
