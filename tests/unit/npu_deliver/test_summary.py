"""Every number of a summary is derived from the records, and records that do not belong together give none."""

import json
import statistics
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_deliver.errors import RecordError
from npu_deliver.summary import SCHEMA, Summary, summarize, summary_sha256
from npu_eval.asked.spec import Classes
from npu_eval.jsonio import dumps, from_json, loads
from npu_eval.records.record import record_sha256
from npu_eval.records.stamps import Stamp


def summary_of(spec=None, **records) -> Summary:
    return summarize(samples.spec_file(evaluation=spec or samples.eval_spec()), samples.records(spec) | records)


def with_provenance(record, **changes):
    return replace(record, provenance=replace(record.provenance, **changes))


def everywhere(records, **changes):
    return {kind: with_provenance(record, **changes) for kind, record in records.items()}


def test_the_words_are_those_of_a_model_that_is_asked_and_of_no_other():
    asked = samples.eval_spec(classes=Classes(count=2, names=("shoe", "cup")))
    assert summary_of(asked).words == ("shoe", "cup")
    assert summary_of(replace(asked, adapter="timm:resnet18")).words == ()
    assert summary_of().words == ()
    assert "words" not in loads(dumps(summary_of()), "x")


# --- precision -------------------------------------------------------------------------------------------------------


def test_the_worst_values_are_those_of_the_worst_output():
    near = samples.difference((3.0, 4.0), (3.0, 4.0), input="inputs/cat.jpg")
    far = samples.difference((3.0, 4.0), (3.0, 4.5), input="inputs/flower.jpg")  # |d| = 0.5, |r| = 5
    data = samples.precision_data(differences=(near, far))
    found = summary_of(precision=samples.precision_record(data=data)).precision
    assert found.worst_relative_l2 == pytest.approx(0.1)
    assert found.worst_max_abs_diff == 0.5
    assert found.worst_mean_abs_diff == 0.25
    assert found.worst_cosine_similarity == pytest.approx((9 + 18) / (5 * (9 + 20.25) ** 0.5))
    assert found.worst_share_over_1_percent == 0.5
    assert not found.within_1_percent
    assert [a.input for a in found.agreements] == ["inputs/cat.jpg", "inputs/flower.jpg"]


@pytest.mark.parametrize(("error", "within"), [(0.0, True), (0.00999, True), (0.01, False), (0.5, False)])
def test_within_one_per_cent_is_below_one_per_cent(error, within):
    data = samples.precision_data(differences=(samples.difference((1.0,), (1.0 + error,)),))
    assert summary_of(precision=samples.precision_record(data=data)).precision.within_1_percent is within


@pytest.mark.parametrize(
    "changes",
    [{"nonfinite_mismatch": 1}, {"ulp_counts": (0,) * 8, "nonfinite_reference": 1, "nonfinite_candidate": 1}],
)
def test_what_was_not_compared_is_not_within_one_per_cent(changes):
    equal = samples.difference((1.0,), (1.0,), **changes)
    data = samples.precision_data(differences=(equal,))
    assert not summary_of(precision=samples.precision_record(data=data)).precision.within_1_percent


def test_the_ranking_says_what_both_sides_saw():
    same = samples.ranking()
    swapped = samples.ranking("inputs/flower.jpg", candidate_classes=(285, 281, 282, 287, 999))
    data = samples.precision_data(rankings=(same, swapped))
    found = summary_of(precision=samples.precision_record(data=data)).precision
    assert [(r.top1_match, r.top5_common) for r in found.rankings] == [(True, 5), (False, 4)]
    assert (found.top1_agreement, found.top5_agreement) == (0.5, 0.9)
    assert (found.top1_match, found.top5_match) == (False, False)


def test_an_empty_ranking_is_no_match():
    empty = samples.ranking(reference_classes=(), candidate_classes=(), reference_values=(), candidate_values=())
    data = samples.precision_data(rankings=(empty,))
    found = summary_of(precision=samples.precision_record(data=data)).precision
    assert not found.rankings[0].top1_match
    assert found.top1_match is False


def test_without_classes_there_is_no_top_k():
    data = samples.precision_data(rankings=())
    found = summary_of(precision=samples.precision_record(data=data)).precision
    assert (found.rankings, found.top1_agreement, found.top5_agreement, found.top1_match) == ((), None, None, None)


@pytest.mark.parametrize("equal", [True, False])
def test_the_repeats_are_the_candidates_own(equal):
    again = samples.repeated() if equal else samples.difference((1.0,), (1.1,))
    data = samples.precision_data(repeats=(samples.repeated(), again))
    found = summary_of(precision=samples.precision_record(data=data)).precision
    assert found.repeats_bitwise_equal is equal
    assert (found.worst_repeat_relative_l2 == 0) is equal


# --- performance -----------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(1e-4, 10), min_size=4, max_size=40), st.integers(1, 64))
def test_latency_comes_from_the_calls_and_throughput_from_the_windows(times, size):
    windows = samples.throughput_run(size, calls=3, windows_s=(0.5, 1.0))
    data = samples.performance_data(
        runs=(samples.latency_run(size, samples_s=tuple(times)),), throughput=(windows,), processes=(), sampled=()
    )
    found = summary_of(performance=samples.performance_record(data=data)).performance
    (run,), (pipelined,) = found.runs, found.throughput
    assert pipelined.images_per_s == pytest.approx(2 * 3 * size / 1.5)
    assert (pipelined.slowest_window_per_s, pipelined.quickest_window_per_s) == (3 * size, 6 * size)
    assert run.mean_s == pytest.approx(statistics.fmean(times))
    assert run.min_s <= run.mean_s * (1 + 1e-12)
    assert run.mean_s <= run.max_s * (1 + 1e-12)


def test_the_best_batch_size_has_the_highest_throughput():
    found = summary_of().performance
    assert [run.batch_size for run in found.runs] == [1, 8]
    assert found.best_batch_size == max(found.throughput, key=lambda run: run.images_per_s).batch_size == 8
    assert found.single.batch_size == 1
    assert found.input_shape == (3, 224, 224)


def test_a_batch_without_enough_calls_is_unmeasured():
    few = samples.latency_run(8, samples_s=(0.1, 0.1, 0.1), ended_by="limit")
    data = samples.performance_data(runs=(samples.latency_run(2), few, samples.out_of_memory_run()))
    found = summary_of(performance=samples.performance_record(data=data)).performance
    assert [(u.batch_size, u.ended_by, u.sample_count) for u in found.unmeasured] == [
        (8, "limit", 3),
        (64, "out of memory", 0),
    ]
    assert [run.batch_size for run in found.runs] == [2]
    assert found.single is None


def test_nothing_measured_has_no_best():
    data = samples.performance_data(runs=(samples.out_of_memory_run(),))
    found = summary_of(performance=samples.performance_record(data=data)).performance
    assert (found.runs, found.best_batch_size, found.single) == ((), None, None)


# --- the whole -------------------------------------------------------------------------------------------------------


def test_the_evidence_names_files_and_hashes():
    records = samples.records()
    evidence = {e.experiment: e for e in summarize(samples.spec_file(), records).evidence}
    assert list(evidence) == ["inference", "precision", "performance"]
    assert evidence["precision"].record_sha256 == record_sha256(records["precision"])
    assert evidence["precision"].log == "evaluation/logs/precision_eval.log"
    assert evidence["precision"].command == "python evaluation/eval_precision.py --save evaluation"
    assert {e.exit_code for e in evidence.values()} == {0}


def test_overall_is_the_worst_verdict():
    wrong = samples.precision_data(differences=(samples.difference((1.0,), (2.0,)),))
    found = summary_of(precision=samples.precision_record(data=wrong))
    assert str(found.overall) == "FAIL"
    assert {v.criterion: str(v.status) for v in found.verdicts}["output-error"] == "FAIL"
    assert {e.experiment: e.exit_code for e in found.evidence} == {"inference": 0, "precision": 1, "performance": 0}


@pytest.mark.parametrize("kind", ["inference", "precision", "performance"])
def test_a_part_without_its_record_is_not_measured(kind):
    found = summarize(samples.spec_file(), {k: r for k, r in samples.records().items() if k != kind})
    assert (found.inference == ()) == (kind == "inference")
    assert (found.precision is None) == (kind == "precision")
    assert (found.performance is None) == (kind == "performance")
    assert (str(found.overall) == "NOT_MEASURED") == (kind != "inference")


@pytest.mark.parametrize(
    ("changes", "hardware", "stamps"),
    [
        ({}, "NPU", ()),
        ({"device": samples.cpu_facts()}, None, (Stamp.NO_NPU,)),
        ({"device": samples.simulated_facts()}, None, (Stamp.SIMULATED,)),
        ({"weights": samples.random_weights()}, "NPU", (Stamp.RANDOM_WEIGHTS,)),
        ({"replayed_from": "ab" * 32}, None, (Stamp.REPLAYED,)),
    ],
)
def test_it_is_an_npu_result_only_by_evidence(changes, hardware, stamps):
    found = summarize(samples.spec_file(), everywhere(samples.records(), **changes))
    assert found.hardware == hardware
    assert found.stamps == stamps
    assert found.npu_count == (changes.get("device", samples.device_facts()).kind == "npu")


def test_one_replayed_record_is_enough_for_the_stamp():
    records = samples.records()
    records["precision"] = with_provenance(records["precision"], replayed_from="ab" * 32)
    assert summarize(samples.spec_file(), records).stamps == (Stamp.REPLAYED,)


def test_one_replayed_record_is_enough_to_be_no_npu_result():
    records = samples.records()
    for kind in records:
        mixed = records | {kind: with_provenance(records[kind], replayed_from="ab" * 32)}
        assert summarize(samples.spec_file(), mixed).hardware is None


@pytest.mark.parametrize("kind", ["precision", "performance"])
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("code", lambda r: replace(r, code_sha256="0" * 64)),
        ("device", lambda r: with_provenance(r, device=samples.device_facts(description="Ascend910B1"))),
        ("device", lambda r: with_provenance(r, device=samples.simulated_facts())),
        ("weights", lambda r: with_provenance(r, weights=samples.weights_facts(sha256="0" * 64))),
        ("weights", lambda r: with_provenance(r, weights=samples.random_weights())),
        ("environment", lambda r: with_provenance(r, image="sha256:0")),
    ],
)
def test_records_of_different_runs_are_refused(kind, what, change):
    records = samples.records()
    records[kind] = change(records[kind])
    with pytest.raises(RecordError, match=f"was made with other {what} than evaluation/records/inference.json") as told:
        summarize(samples.spec_file(), records)
    assert told.value.where == f"evaluation/records/{kind}.json"
    assert told.value.exit_code == 9


def test_a_record_of_another_spec_is_refused():
    records = samples.records() | {"precision": samples.precision_record(spec=samples.eval_spec(seed=1))}
    with pytest.raises(RecordError, match="was made under another spec"):
        summarize(samples.spec_file(), records)


def test_without_a_record_there_is_nothing_to_say():
    with pytest.raises(RecordError, match="there is no record; run the experiments first"):
        summarize(samples.spec_file(), {})


def test_a_summary_is_stored_and_read_again():
    found = summary_of()
    assert from_json(Summary, loads(dumps(found), "summary.json")) == found
    assert json.loads(dumps(found))["schema"] == SCHEMA
    with pytest.raises(FrozenInstanceError):
        found.overall = "PASS"


def test_its_hash_changes_with_every_number():
    assert summary_sha256(summary_of()) == summary_sha256(summary_of())
    data = samples.performance_data(runs=(samples.latency_run(1, first_call_s=3.2500001), samples.latency_run(8)))
    assert summary_sha256(summary_of(performance=samples.performance_record(data=data))) != summary_sha256(summary_of())
