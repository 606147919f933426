from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import samples
from npu_deliver.experiments.registry import parse_record
from npu_eval.errors import RecordError
from npu_eval.experiments.dataset.data import ClassCounts, DatasetData, Unusable, check_dataset, mean_precision
from npu_eval.jsonio import from_json, to_json
from npu_eval.records.record import record_text


def test_a_record_of_it_is_read_back() -> None:
    for data in (samples.dataset_data(), samples.class_data()):
        assert from_json(DatasetData, to_json(data)) == data
        record = samples.dataset_record(data=data)
        assert parse_record(record_text(record), "dataset.json") == record


def test_ap_is_the_mean_over_categories_with_objects() -> None:
    categories = samples.dataset_data().detection[0].categories
    assert mean_precision(categories) == pytest.approx(samples.dataset_data().detection[0].official.stats[0])
    assert mean_precision(categories[-1:]) == -1.0  # no object


def changed_scores(**changes: Any) -> DatasetData:
    data = samples.dataset_data()
    return replace(data, detection=(replace(data.detection[0], **changes),))


def changed_stat(place: int, value: float) -> DatasetData:
    run = samples.dataset_data().detection[0].official
    return changed_scores(runs=(replace(run, stats=(*run.stats[:place], value, *run.stats[place + 1 :])),))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (changed_stat(0, 0.9), "ap is not the mean"),
        (changed_stat(1, 0.9), "ap50 is not the mean"),
        (changed_stat(2, 0.9), "ap75 is not the mean"),
        (changed_stat(8, 1.5), "outside of 0 to 1"),
        (changed_stat(8, -0.5), "outside of 0 to 1"),
        (changed_scores(runs=()), "12 numbers"),
        (replace(samples.dataset_data(), detection=()), "neither or of both"),
        (replace(samples.dataset_data(), classification=ClassCounts(classes=2, top1=0, top5=0)), "neither or of both"),
        (replace(samples.dataset_data(), detections=-1), "impossible"),
        (replace(samples.dataset_data(), unreadable=(Unusable(name="a", why="b"),) * 5000), "impossible"),
        (
            replace(samples.class_data(), classification=ClassCounts(classes=5, top1=3, top5=2)),
            "more classes are right",
        ),
        (replace(samples.class_data(), classification=ClassCounts(classes=5, top1=1, top5=999)), "more classes"),
    ],
)
def test_numbers_that_no_evaluation_gives_are_refused(data: DatasetData, what: str) -> None:
    with pytest.raises(RecordError, match=what):
        check_dataset(data, "data")
