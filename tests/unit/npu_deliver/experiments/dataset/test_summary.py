"""What a summary and its pages say of an evaluation on a data set."""

from dataclasses import replace

import pytest

import samples
from npu_deliver.experiments.dataset.summary import summarize_dataset
from npu_deliver.report.figures import draw
from npu_deliver.report.render import render
from npu_deliver.review.numerals import allowed_numbers, stray_numerals
from npu_deliver.summary import summarize
from npu_eval.experiments.dataset.data import DirectRun
from npu_eval.models.protocols import PROTOCOLS
from npu_eval.records.log import log_text


def summary_of(data):
    records = samples.records() | {"dataset": samples.dataset_record(data=data)}
    return summarize(samples.spec_file(), records), records


CLASSIFIER = samples.class_data(comparisons=(samples.comparison(metric="top1_accuracy"),))


def test_undefined_precisions_are_none():
    boxes, masks = summarize_dataset(samples.dataset_data()).scores
    assert boxes.evaluators[0].stats["ap_large"] is None
    assert [c.ap for c in boxes.categories] == [pytest.approx(0.525), pytest.approx(0.2625), None]
    assert boxes.by_threshold[0] == pytest.approx(0.5625)
    assert (boxes.identical, masks.identical) == (True, True)
    assert boxes.category_count == 3


def test_evaluators_that_differ_are_told_from_one_alone():
    data = samples.dataset_data()
    scores = data.detection[0]
    fast, slow = scores.runs
    other = replace(fast, stats=(*fast.stats[:-2], 0.4626, fast.stats[-1]))
    for runs, identical in (((other, slow), False), ((slow,), None)):
        changed = replace(data, detection=(replace(scores, runs=runs),))
        assert summarize_dataset(changed).scores[0].identical is identical


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("data", [samples.dataset_data(), CLASSIFIER], ids=["detector", "classifier"])
def test_the_section_holds_only_numbers_of_the_record(data, lang):
    summary, _ = summary_of(data)
    page = render(summary, lang=lang)["readme.md"]
    assert list(stray_numerals(page, "readme.md", allowed_numbers(summary), summary.layout)) == []
    shown = ("0.5625", "1292") if data.detection else ("75.00 %", "95.00 %")
    for number in shown:
        assert number in page
        wrong = page.replace(number, "0.9999" if number[0] == "0" else "98.76 %", 1)
        assert list(stray_numerals(wrong, "readme.md", allowed_numbers(summary), summary.layout))


@pytest.mark.parametrize(("lang", "row"), [("en", "Protocol of detection"), ("zh", "检测协议")])
def test_the_protocol_of_detection_stands_with_its_limits(lang, row):
    def line(name):
        direct = DirectRun(protocol=PROTOCOLS[name], classes_at_once=16)
        summary, _ = summary_of(samples.dataset_data(direct=direct))
        page = render(summary, lang=lang)["readme.md"]
        assert list(stray_numerals(page, "readme.md", allowed_numbers(summary), summary.layout)) == []
        return next(line for line in page.splitlines() if row in line)

    assert "`coco`" in line("coco")
    assert "0.0000" in line("coco")
    assert "100" in line("coco")
    assert "0.0100" in line("seed")
    assert "100" not in line("seed").replace("0.0100", "")
    summary, _ = summary_of(samples.dataset_data())
    assert row not in render(summary, lang=lang)["readme.md"]


def test_numbers_of_boxes_in_the_row_of_masks_are_found():
    summary, _ = summary_of(samples.dataset_data())
    page = render(summary, lang="en")["readme.md"]
    row = next(line for line in page.splitlines() if line.startswith("| segm | person |"))
    wrong = page.replace(row, row.replace("0.4750", "0.5250"))
    assert [found for _, found in stray_numerals(wrong, "readme.md", allowed_numbers(summary), summary.layout)] == [
        "0.5250"
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_detector_has_a_chart_and_a_classifier_none(lang):
    for data, charts in ((samples.dataset_data(), 1), (CLASSIFIER, 0)):
        summary, records = summary_of(data)
        logs = {e.log: log_text(records[e.experiment], summary.criteria) for e in summary.evidence}
        names = draw(summary, records, logs, lang)
        assert sum(name.endswith("dataset_chart.png") for name in names) == charts
        assert any(name.endswith("dataset_report.png") for name in names)
