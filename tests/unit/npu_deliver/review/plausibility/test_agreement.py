"""Experiments of one network that did what the spec asks are left alone; those that did not are told."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

import samples
from npu_deliver.review.plausibility import agreement
from npu_eval.asked.spec import TimingProtocol
from npu_eval.experiments.inference.data import InferenceData

SPEC = samples.eval_spec(timing=TimingProtocol(tier="smoke"))
TIMM = samples.eval_spec(adapter="timm:tiny", timing=TimingProtocol(tier="smoke"))


def told(folder=None, spec=SPEC, **records):
    found = list(agreement.remarks(folder, spec, {**samples.records(spec), **records}))
    return [r.what for r in found if r.certain], [r.what for r in found if not r.certain]


def timed(**changes):
    return {"performance": samples.performance_record(data=replace(samples.performance_data(), **changes))}


def shown(*results):
    return {"inference": samples.inference_record(data=InferenceData(results=results))}


def softmax(classes=(281, 285, 282, 287, 292), values=(9.25, 7.5, 7.125, 3.0, 2.75)):
    total = sum(map(math.exp, values))
    return tuple(
        replace(prediction, index=c, score=math.exp(v) / total)
        for prediction, c, v in zip(samples.predictions(), classes, values, strict=True)
    )


def test_the_examples_are_left_alone():
    assert told() == ([], [])


# --- the protocol ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "what"), [
    ({"runs": (samples.latency_run(2),)}, "times batches of [2], spec.json asks for [1, 8]"),
    ({"runs": ()}, "times batches of []"),
    ({"throughput": (samples.throughput_run(1),)}, "are of different batches"),
    ({"runs": (samples.latency_run(input_shape=(4, 3, 8, 8)), samples.latency_run(8))}, "has the shape [4, 3, 8, 8]"),
    ({"runs": (samples.latency_run(samples_s=(0.5, 0.6, 0.7)), samples.latency_run(8))}, "after 3 calls, which asks"),
    ({"end_to_end": (samples.end_to_end("other.jpg"),)}, "times other.jpg from file to predictions"),
    ({"end_to_end": (samples.end_to_end(total_s=0.01),)}, "its phases take"),
    ({"runs": (samples.latency_run(1, enqueue_s=(1.0,) * 70, device_s=(1.0,) * 70), samples.latency_run(8))},
     "70 calls took longer to submit than in all"),
])  # fmt: skip
def test_what_the_protocol_cannot_give_is_told(changes, what):
    contradictions, doubts = told(**timed(**changes))
    assert any(what in each for each in contradictions)
    assert doubts == []


def test_calls_that_are_too_short_for_their_tier_are_a_doubt():
    quick = tuple(t / 10 for t in samples.latency_samples(70))
    _, doubts = told(**timed(runs=(samples.latency_run(1, samples_s=quick), samples.latency_run(8))))
    assert doubts == ["batch 1: ended by the protocol after 0.15 s of calls, which asks for 1 s"]
    windows = samples.throughput_run(1, windows_s=(0.1, 0.11, 0.1))
    _, doubts = told(**timed(throughput=(windows, samples.throughput_run(8))))
    assert doubts == ["batch 1: 3 windows of 0.31 s in all, the tier smoke measures 0.5 s"]


def test_what_ended_by_a_limit_or_without_memory_is_left_alone():
    limited = samples.latency_run(1, samples_s=(400.0,), ended_by="limit")
    assert told(**timed(runs=(limited, samples.out_of_memory_run(8)))) == ([], [])


# --- one network -----------------------------------------------------------------------------------------------------


def test_a_network_that_was_timed_and_another_that_was_compared_are_a_doubt():
    other = samples.sampled_output(sum_sq_reference=16.0)
    _, doubts = told(**timed(sampled=(other,)))
    assert "has the norm 4 where it was timed, 3.77" in doubts[0]
    assert told(**timed(sampled=(samples.sampled_output(sum_sq_reference=14.3),))) == ([], [])


def test_another_best_class_is_a_doubt_of_an_adapter_and_impossible_for_a_library_s_softmax():
    results = [samples.photo_result(path, predictions=softmax()) for path in samples.PHOTOS]
    assert told(spec=TIMM, **shown(*results)) == ([], [])
    other = replace(results[0], predictions=softmax(classes=(285, 281, 282, 287, 292)))
    contradictions, doubts = told(spec=TIMM, **shown(other, results[1]))
    assert "its best class is 285" in contradictions[0]
    contradictions, doubts = told(**shown(other, results[1]))
    assert contradictions == []
    assert "its best class is 285" in doubts[0]


def test_other_scores_are_impossible_for_a_library_s_softmax():
    first, *rest = softmax()
    sure = samples.photo_result(predictions=(first, replace(rest[0], score=0.01), *rest[1:]))
    contradictions, _ = told(spec=TIMM, **shown(sure))
    assert "classes 281 and 285 have scores of" in contradictions[0]
    assert told(**shown(sure)) == ([], [])


def test_a_device_whose_repeats_differ_is_no_liar():
    results = [samples.photo_result(path, predictions=softmax()) for path in samples.PHOTOS]
    other = replace(results[0], predictions=softmax(classes=(285, 281, 282, 287, 292)))
    data = samples.precision_data()
    repeats = tuple(replace(d, bitwise_equal=False, sum_sq_diff=d.sum_sq_reference / 100) for d in data.repeats)
    broken = samples.precision_record(data=replace(data, repeats=repeats))
    contradictions, doubts = told(spec=TIMM, precision=broken, **shown(other, results[1]))
    assert contradictions == []
    assert "its best class is 285" in doubts[0]


def test_two_classes_that_lie_near_each_other_may_change_places():
    near = samples.ranking(candidate_values=(7.52, 7.5, 7.125, 3.0, 2.75))
    data = samples.precision_data(rankings=(near,))
    other = samples.photo_result(predictions=softmax((285, 281, 282, 287, 292), (7.52, 7.5, 7.125, 3.0, 2.75)))
    assert told(spec=TIMM, precision=samples.precision_record(data=data), **shown(other)) == ([], [])


def test_an_object_that_only_one_experiment_saw_is_a_doubt():
    data = samples.precision_data(rankings=(), detections=(samples.detections(),))
    precision = samples.precision_record(data=data)
    boxed = replace(samples.predictions()[0], box=(1.0, 2.0, 3.0, 4.0))
    same = samples.photo_result(predictions=(replace(boxed, label="cat", score=0.9), replace(boxed, score=0.4)))
    assert told(precision=precision, **shown(same)) == ([], [])
    other = samples.photo_result(predictions=(replace(boxed, label="zebra", score=0.9),))
    contradictions, doubts = told(precision=precision, **shown(other))
    assert contradictions == []
    assert "1 of 1 sure objects (zebra 0.900 …)" in doubts[0]


# --- a data set ------------------------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path):
    header = {"schema": "npu-deliver/results/1", "images": "a" * 64}
    lines = [{"image": f"{n}.jpg", "best": [n]} for n in range(19)] + [{"image": "x.jpg", "unreadable": "is no image"}]

    def write(lines=lines, header=header):
        path = tmp_path / "evaluation/results/dataset.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in (header, *lines)))
        return tmp_path

    write.lines = lines
    return write


def counted(**changes):
    return {"dataset": samples.dataset_record(data=samples.class_data(**changes))}


def test_a_file_of_results_with_a_line_for_each_image_is_left_alone(results):
    assert told(results(), **counted()) == ([], [])
    masks = {"image": "y.jpg", "detections": "m" * (3 * 2**22)}
    assert told(results([*results.lines[1:], masks]), **counted()) == ([], [])


def test_more_images_than_results_cannot_be(results):
    for lines in (results.lines[:-1], [*results.lines, {"image": "y.jpg", "best": []}], results.lines[:19] * 2):
        (what,), _ = told(results(lines), **counted())
        assert "counts 20 images, 1 of them unreadable" in what


@pytest.mark.parametrize("name", ["nowhere.jsonl", "../outside.jsonl", "evaluation", "/etc/hostname"])
def test_a_file_that_is_none_or_lies_outside_is_left_to_others(results, name):
    folder = results()
    assert told(folder, **counted(results=name)) == ([], [])


@pytest.mark.parametrize("content", ["", "[]\n", "{}\n", "{\n", "[" * 200_000])
def test_a_file_of_anything_else_is_left_to_others(results, content):
    folder = results()
    (folder / "evaluation/results/dataset.jsonl").write_text(content)
    assert told(folder, **counted()) == ([], [])
