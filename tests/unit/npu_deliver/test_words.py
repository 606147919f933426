"""The words that pictures and pages share exist in both languages."""

import re

import pytest

import samples
from npu_deliver import words
from npu_eval import training
from npu_eval.config import TASKS, default_criteria
from npu_eval.detection_data import CAUSES
from npu_eval.judge import judge
from npu_eval.stamps import Stamp, stamp_words
from npu_eval.training_data import LossPoint

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


@pytest.mark.parametrize("task", TASKS)
def test_each_default_reason_has_chinese_words(task):
    for criterion in default_criteria(task):
        assert HAN.search(words.reason(criterion.why, "zh"))
        assert words.reason(criterion.why, "en") == criterion.why


def test_a_users_own_reason_stands_as_it_was_written():
    assert words.reason("house rule 7", "zh") == "house rule 7"


@pytest.mark.parametrize("by", ["protocol", "limit", "call limit", "out of memory"])
def test_each_end_of_a_run_has_words(by):
    assert HAN.search(words.ended(by, "zh"))
    assert not HAN.search(words.ended(by, "en"))


def unmeasured_reasons():
    few = samples.latency_run(8, samples_s=(0.1,), ended_by="limit")
    runs = samples.performance_data(
        runs=(few, samples.out_of_memory_run(), samples.latency_run(4, samples_s=(), ended_by="call limit"))
    )
    hollow = samples.difference((), ulp_counts=(0,) * 8, count=4, nonfinite_reference=4, nonfinite_candidate=4)
    performance, precision = (
        samples.performance_record(data=runs),
        samples.precision_record(data=samples.precision_data(differences=(hollow,), rankings=())),
    )
    mean = samples.criterion("latency_mean_s", 1.0)
    yield judge(None, mean)
    yield judge(precision, samples.criterion("top1_agreement", 0.99))
    yield judge(precision, samples.criterion("relative_l2", 0.01))
    yield judge(precision, samples.criterion("relative_l2", 0.01, outputs=("boxes",)))
    for size in ("4", "8", "64"):
        yield judge(performance, samples.criterion("latency_mean_s", 1.0, outputs=(size,)))


def test_each_reason_for_no_value_has_chinese_words():
    """Of every way in which `judge` comes to no value."""
    reasons = [verdict.reason for verdict in unmeasured_reasons()]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons) == 7
    for text in reasons:
        assert HAN.search(words.unmeasured(text, "zh")), text
        assert words.unmeasured(text, "en") == text
        assert re.findall(r"\d+", words.unmeasured(text, "zh")) == re.findall(r"\d+", text)


def test_where_the_worst_value_was_seen():
    assert words.seen("all inputs", "en") == "all inputs"
    assert HAN.search(words.seen("all inputs", "zh"))
    assert words.seen("batch 8", "zh") == "batch 8"


def test_what_detections_and_training_lack_is_told_in_chinese():
    none = {"reference_count": 0, "candidate_count": 0, "pairs": (), "lone": ()}
    empty = samples.precision_record(data=samples.precision_data(detections=(samples.detections(**none),)))
    broken = samples.training_data(losses=(LossPoint(step=1, name="loss", reference=1.0, candidate=None),))
    reasons = [judge(empty, samples.criterion(m)).reason for m in ("detections_matched", "detection_box_iou")]
    reasons.append(judge(samples.training_record(data=broken), samples.criterion("loss_error")).reason)
    assert len(set(reasons)) == 3
    for text in reasons:
        assert HAN.search(words.unmeasured(text, "zh")), text
        assert words.unmeasured(text, "en") == text


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_of_a_lone_detection_has_words_in_both_languages(cause):
    assert HAN.search(words.cause(cause, "zh"))
    assert not HAN.search(words.cause(cause, "en"))


def test_how_the_steps_were_taken_keeps_its_numbers_in_chinese():
    text = f"SGD, momentum {training.MOMENTUM:g}, gradients clipped to norm {training.MAX_GRADIENT_NORM:g}"
    assert words.optimizer(text, "zh") == "SGD，动量 0.9，梯度裁剪至范数 10"
    assert words.optimizer(text, "en") == text
