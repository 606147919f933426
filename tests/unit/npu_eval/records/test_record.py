from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import samples
from npu_deliver.experiments.registry import KINDS, parse_record, read_record
from npu_eval.agreement.difference import RELATIVE_ERROR_BOUNDS, ULP_EDGES, ClassRanking, Difference
from npu_eval.errors import RecordError
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.performance.data import ENDS, LatencyRun, PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.models.prediction import Prediction
from npu_eval.records.provenance import DeviceFacts, Provenance, WeightsFacts
from npu_eval.records.record import SCHEMA, Record, record_sha256, record_text, replayed, write_record

ALL = samples.all_records() | {"training": samples.training_record()}

words = st.text(max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
sums = st.floats(0.0, 1e30)
counts = st.integers(0, 10**9)
durations = st.floats(1e-9, 1e4)


def tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=2).map(tuple)


def some(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=size, max_size=size).map(tuple)


devices = st.builds(DeviceFacts, memory_bytes=st.none() | counts, soc=st.none() | words)
weights = st.builds(WeightsFacts, missing_keys=tuples(words), unexpected_keys=tuples(words))
provenances = st.builds(
    Provenance, device=devices, weights=weights, host=st.just(samples.host_facts()),
    versions=st.dictionaries(words, words, max_size=3), replayed_from=st.none() | words,
)  # fmt: skip
predictions = st.builds(Prediction, score=finite, box=st.none() | some(finite, 4))
inference = st.builds(
    InferenceData, results=tuples(st.builds(PhotoResult, predictions=tuples(predictions), picture=st.none() | words))
)
differences = st.builds(
    Difference,
    **{f.name: sums for f in dataclasses.fields(Difference) if f.type == "float"} | {"dot": finite},
    **{f.name: counts for f in dataclasses.fields(Difference) if f.type == "int"},
    shape=tuples(counts),
    over_bounds=some(counts, len(RELATIVE_ERROR_BOUNDS)),
    ulp_counts=some(counts, len(ULP_EDGES) + 1),
)
rankings = st.builds(
    ClassRanking, reference_classes=tuples(counts), reference_values=tuples(finite),
    candidate_classes=tuples(counts), candidate_values=tuples(finite),
)  # fmt: skip
precision = st.builds(
    PrecisionData, differences=tuples(differences), repeats=tuples(differences), rankings=tuples(rankings)
)
runs = st.builds(
    LatencyRun, batch_size=st.integers(1, 4096), samples_s=tuples(durations), warmup_s=tuples(durations),
    first_call_s=st.none() | durations, peak_memory_bytes=st.none() | counts, enqueue_s=st.just(()),
    device_s=st.just(()), ended_by=st.sampled_from(ENDS),
)  # fmt: skip
performance = st.builds(PerformanceData, runs=tuples(runs))
by_kind = {"inference": inference, "precision": precision, "performance": performance}
records = st.one_of(
    st.builds(Record, provenance=provenances, command=tuples(words), of=st.just(KINDS[name]), data=data)
    for name, data in by_kind.items()
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records)
def test_any_record_comes_back_as_it_was(record: Record) -> None:
    text = record_text(record)
    again = parse_record(text, "r.json")
    assert again == record
    assert record_text(again) == text
    assert record_sha256(again) == record_sha256(record)


@pytest.mark.parametrize("kind", ALL)
def test_a_stored_record_comes_back_and_its_hash_is_that_of_its_file(kind: str, tmp_path: Path) -> None:
    write_record(tmp_path / "records" / "r.json", ALL[kind])
    stored = (tmp_path / "records" / "r.json").read_bytes()
    assert read_record(tmp_path / "records" / "r.json", spec_sha256=samples.eval_spec().sha256) == ALL[kind]
    assert hashlib.sha256(stored).hexdigest() == record_sha256(ALL[kind])


def frozen_parts(value: Any) -> list[Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [value, *(p for f in dataclasses.fields(value) for p in frozen_parts(getattr(value, f.name)))]
    if isinstance(value, tuple):
        return [p for item in value for p in frozen_parts(item)]
    assert not isinstance(value, (list, set)), "a record holds nothing that can grow"
    return []


@pytest.mark.parametrize("kind", ALL)
def test_a_record_is_immutable_in_every_part(kind: str) -> None:
    before = record_text(ALL[kind])
    for part in frozen_parts(ALL[kind]):
        for field in dataclasses.fields(part):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(part, field.name, getattr(part, field.name))
            with pytest.raises(dataclasses.FrozenInstanceError):
                delattr(part, field.name)
    assert record_text(ALL[kind]) == before


@pytest.mark.parametrize("kind", ALL)
def test_a_record_survives_copying_and_pickling(kind: str) -> None:
    assert copy.deepcopy(ALL[kind]) == ALL[kind] == pickle.loads(pickle.dumps(ALL[kind]))


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [p for key, item in value.items() for p in places(item, (*path, key))]
    elif isinstance(value, list) and value:
        found += places(value[0], (*path, 0))
    return found


def at(content: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        content = content[key]
    return content


def tampered(kind: str, path: tuple[str | int, ...], value: Any) -> str:
    content = json.loads(record_text(ALL[kind]))
    if value is ...:
        del at(content, path[:-1])[path[-1]]
    else:
        at(content, path[:-1])[path[-1]] = value
    return json.dumps(content)


PROVEN = {("provenance", "device", "evidence"), ("provenance", "device", "proof")}
"""Fields that a record may not hold in any combination; see the tests of the proof."""


@pytest.mark.parametrize("kind", ALL)
def test_every_hash_and_number_is_in_the_records_hash(kind: str) -> None:
    content = json.loads(record_text(ALL[kind]))
    hashes = {record_sha256(ALL[kind])}
    leaves = [p for p in places(content) if isinstance(at(content, p), (str, int, float)) and p[0] != "schema"]
    changed = 0
    for path in leaves:
        value = at(content, path)
        if path == ("kind",) or path == ("provenance", "device", "kind") or path[:3] in PROVEN:
            continue
        other = not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)
        try:
            hashes.add(record_sha256(parse_record(tampered(kind, path, other), "r.json")))
        except RecordError:  # a number that contradicts another one is found even sooner
            hashes.add(str(path))
        changed += 1
    assert changed > 20
    assert len(hashes) == changed + 1


@pytest.mark.parametrize("kind", ALL)
def test_a_value_of_another_type_is_refused_wherever_it_stands(kind: str) -> None:
    for path in places(json.loads(record_text(ALL[kind]))):
        with pytest.raises(RecordError, match=r"^r\.json"):
            parse_record(tampered(kind, path, {"no": ["such", {}]}), "r.json")


def test_device_times_are_stored_beside_the_samples_and_leave_other_records_as_they_were() -> None:
    assert '"device_s": []' not in record_text(samples.performance_record())
    run = samples.latency_run()
    times = {"enqueue_s": tuple(s / 4 for s in run.samples_s), "device_s": tuple(s / 2 for s in run.samples_s)}
    made = samples.performance_record(data=samples.performance_data(runs=(replace(run, **times),)))
    assert parse_record(record_text(made), "r.json") == made
    for broken in ({"device_s": ()}, {"enqueue_s": times["enqueue_s"][1:]}, {"device_s": (0.0, *run.samples_s[1:])}):
        wrong = samples.performance_data(runs=(replace(run, **{**times, **broken}),))
        with pytest.raises(RecordError, match=r"^r\.json: data\.runs\[0\]"):
            parse_record(record_text(samples.performance_record(data=wrong)), "r.json")


@pytest.mark.parametrize("kind", ALL)
def test_a_missing_key_is_refused_unless_the_field_has_a_default(kind: str) -> None:
    optional = {"box", "memory_bytes", "soc", "proof", "limits", "npu_smi", "fallbacks", "replayed_from", "detections",
                "elements", "floors", "switching", "reason", "reference_bundle",
                "more", "repairs", "notes"}  # fmt: skip
    optional |= {"throughput", "processes", "end_to_end", "enqueue", "cache", "sampled", "machine"}
    for path in places(json.loads(record_text(ALL[kind]))):
        free = path[:2] in (("provenance", "versions"), ("provenance", "numeric_modes"), ("provenance", "environment"))
        free |= bool({"bands", "settings"} & set(path[:-1]))
        if isinstance(path[-1], int) or path[-1] in optional or (free and len(path) >= 3):
            continue
        with pytest.raises(RecordError, match=rf"{path[-1]}|is not a record|was expected"):
            parse_record(tampered(kind, path, ...), "r.json")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    text = tampered("performance", ("data", "runs", 0, "samples_s", 3), 12345.5).replace("12345.5", value)
    with pytest.raises(RecordError, match=r"^r\.json"):
        parse_record(text, "r.json")


@pytest.mark.parametrize(
    ("kind", "path", "value", "where"),
    [
        (
            "performance",
            ("data", "runs", 1, "samples_s", 2),
            "x",
            r"r\.json: data\.runs\[1\]\.samples_s\[2\]: a number",
        ),
        ("performance", ("data", "runs", 1, "sample_s"), [], r"data\.runs\[1\]: unknown key 'sample_s'; did you mean"),
        ("performance", ("data", "runs", 0, "samples_s", 0), 0.0, r"data\.runs\[0\]: .* above zero"),
        ("performance", ("data", "runs", 0, "samples_s", 0), -1.0, r"data\.runs\[0\]: .* above zero"),
        ("performance", ("data", "runs", 1, "batch_size"), 0, r"data\.runs\[1\]: .* above zero"),
        ("precision", ("data", "differences", 1, "over_bounds"), [0], r"data\.differences\[1\]: .* another length"),
        ("precision", ("data", "repeats", 0, "ulp_counts"), [], r"data\.repeats\[0\]: .* another length"),
        ("precision", ("data", "differences", 0, "sum_sq_reference"), -1.0, r"data\.differences\[0\]: .* is negative"),
        ("precision", ("data", "differences", 0, "ulp_counts", 0), -1, r"data\.differences\[0\]: .* is negative"),
        ("precision", ("provenance", "device", "soc"), 3, r"r\.json\.provenance\.device\.soc: text was expected"),
        ("inference", ("kind",), "drawing", "kind 'drawing' is unknown"),
        ("inference", ("kind",), [], r"kind '\[\]' is unknown"),
        ("inference", ("kind",), "precision", "unknown key 'results'"),
        ("inference", ("schema",), "npu-deliver/record/2", f"schema 'npu-deliver/record/2' is not '{SCHEMA}'"),
        ("inference", ("schema",), ..., "schema 'None' is not"),
        ("inference", ("note",), "hello", "unknown key 'note'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(kind: str, path: tuple[str | int, ...], value: Any, where: str) -> None:
    with pytest.raises(RecordError, match=where):
        parse_record(tampered(kind, path, value), "r.json")


@pytest.mark.parametrize("text", ["", "[]", "null", "7", '"record"', "{}"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"^r\.json: "):
        parse_record(text, "r.json")


def test_a_record_of_another_spec_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", ALL["precision"])
    with pytest.raises(RecordError, match=r"^r\.json: was made under spec .*; run the experiment again$"):
        read_record(tmp_path / "r.json", spec_sha256=samples.eval_spec(seed=1).sha256)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b'{"schema": "npu-deliver/rec'])
def test_a_record_that_cannot_be_read_is_an_error_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"^r\.json: ") as caught:
        read_record(tmp_path / "r.json")
    assert caught.value.exit_code == 9


def test_a_sample_that_is_nan_is_never_stored(tmp_path: Path) -> None:
    run = samples.latency_run(samples_s=(0.1, float("nan")))
    with pytest.raises(RecordError, match="nan cannot be stored"):
        write_record(tmp_path / "r.json", samples.performance_record(data=samples.performance_data(runs=(run,))))
    assert not list(tmp_path.iterdir())


def test_a_replayed_record_says_of_which_it_is_and_keeps_its_findings() -> None:
    original = ALL["performance"]
    once = replayed(original)
    assert once.data == original.data
    assert once.provenance.replayed_from == record_sha256(original)
    assert replayed(once) == once, "the origin is named, not the last hop"


def test_finite_elements_are_those_of_the_histogram() -> None:
    assert samples.difference((1.0, 2.0, 3.0)).finite_count == 3


def test_a_reference_from_a_bundle_round_trips_and_never_comes_from_an_npu() -> None:
    where = samples.provenance(reference_bundle=samples.bundle_origin())
    record = samples.precision_record(provenance=where)
    assert parse_record(record_text(record), "r.json") == record
    where = samples.provenance(reference_bundle=samples.bundle_origin(device=samples.device_facts()))
    with pytest.raises(RecordError, match="the reference was made on an NPU; make it on a CPU or a GPU"):
        parse_record(record_text(samples.precision_record(provenance=where)), "r.json")


def test_a_file_that_is_read_again_is_the_same_record_until_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(path, ALL["precision"])
    first = read_record(path)
    assert read_record(path) is first
    write_record(path, dataclasses.replace(first, code_sha256="0" * 64))
    assert read_record(path).code_sha256 == "0" * 64
    assert record_sha256(read_record(path)) == hashlib.sha256(path.read_bytes()).hexdigest() != record_sha256(first)
