"""Logs are pure and stable. The golden files are rewritten by ``NPU_DELIVER_UPDATE_GOLDEN=1 pytest <this file>``; look
at the difference before it is committed: a log that changes makes every deliverable of an earlier version unverifiable.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest

import samples
from npu_deliver.experiments.registry import KINDS, parse_record
from npu_eval.agreement import metrics
from npu_eval.asked.spec import EvalSpec, TrainingProtocol
from npu_eval.experiments.performance import speed
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.training.data import LossPoint
from npu_eval.notation import units
from npu_eval.records.log import exit_code, log_lines, log_name, log_text, verdicts_of
from npu_eval.records.record import Record, record_sha256, record_text, replayed
from npu_eval.records.stamps import UNTIMED, Stamp, shouted
from npu_eval.timing.samples import MIN_RUN

GOLDEN = Path(__file__).parents[3] / "golden" / "logs"
CRITERIA = samples.eval_spec().criteria


def rich_records() -> dict[str, Record]:
    """Records in which every branch of the log is taken."""
    far = samples.difference((1.0, -2.0, 1e-9), (1.02, -2.0, 1e-3), output="features.p3")
    other = samples.ranking(
        "inputs/flower.jpg", candidate_classes=(285, 281, 282, 287, 0), candidate_values=(9.0, 8.0, 7.0, 3.0, 2.0)
    )
    empty = samples.ranking("inputs/dark.jpg", reference_classes=(), reference_values=(), candidate_classes=(),
                            candidate_values=())  # fmt: skip
    cpu = samples.provenance(device=samples.cpu_facts(), weights=samples.random_weights(), reference_device="cpu")
    noisy = samples.latency_run(8, samples_s=(0.1, 0.3) * 20, ended_by="limit", peak_memory_bytes=None)
    return {
        "inference": samples.inference_record(
            data=dataclasses.replace(
                samples.inference_record().data,
                results=(
                    samples.photo_result(),
                    samples.photo_result("inputs/dark.jpg", predictions=(), picture=None, picture_sha256=None),
                ),
            )
        ),
        "precision": samples.precision_record(
            data=samples.precision_data(
                differences=(samples.difference(), far, samples.repeated()),
                rankings=(samples.ranking(), other, empty),
                detections=(
                    samples.detections(),
                    samples.detections("inputs/dark.jpg", reference_count=0, candidate_count=0, pairs=(), lone=()),
                ),
            ),
            provenance=cpu,
        ),
        "performance": replayed(
            samples.performance_record(
                data=samples.performance_data(
                    runs=(
                        samples.latency_run(samples_s=samples.latency_samples(700)),
                        noisy,
                        samples.out_of_memory_run(),
                    )
                ),
            )
        ),
        "training": samples.training_record(
            data=samples.training_data(
                losses=(
                    *samples.training_data().losses,
                    LossPoint(step=2, name="loss_ctr", reference=1.0, candidate=None),
                ),
                gradients=(dataclasses.replace(samples.training_data().gradients[0], nonfinite=3),),
            )
        ),
        "optimisation": samples.optimisation_record(),
    }


RECORDS = rich_records()


def every_kind(spec: EvalSpec, **changes: Any) -> dict[str, Record]:
    return samples.all_records(spec, **changes) | {"optimisation": samples.optimisation_record(spec=spec, **changes)}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_log_is_what_it_always_was(kind: str) -> None:
    path, text = GOLDEN / f"{kind}.log", log_text(RECORDS[kind], CRITERIA)
    if os.environ.get("NPU_DELIVER_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", RECORDS)
def test_a_log_is_a_function_of_the_stored_record(kind: str) -> None:
    again = parse_record(record_text(RECORDS[kind]), "r.json")
    assert log_text(again, iter(CRITERIA)) == log_text(RECORDS[kind], CRITERIA)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_log_is_whole_lines_without_trailing_blanks(kind: str) -> None:
    text = log_text(RECORDS[kind], CRITERIA)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text.splitlines() == log_lines(RECORDS[kind], CRITERIA)
    assert all(line == line.rstrip() for line in text.splitlines())


def field(record: Record, name: str) -> str:
    lines = [line for line in log_lines(record, CRITERIA) if line.startswith(f"{name:<11}")]
    assert len(lines) == 1
    return lines[0][11:]


@pytest.mark.parametrize("kind", RECORDS)
def test_a_log_names_its_record_code_spec_and_exit_code(kind: str) -> None:
    record = RECORDS[kind]
    assert field(record, "record") == f"sha256 {record_sha256(record)}"
    assert field(record, "spec") == f"sha256 {samples.eval_spec().sha256}"
    assert field(record, "code") == f"sha256 {samples.CODE_SHA256}"
    assert field(record, "command") == " ".join(record.command)
    assert log_lines(record, CRITERIA)[-1] == f"exit code  {exit_code(record, verdicts_of(record, CRITERIA))}"


@pytest.mark.parametrize(
    ("changes", "stamps"),
    [
        ({}, []),
        ({"weights": samples.random_weights()}, [Stamp.RANDOM_WEIGHTS]),
        ({"device": samples.cpu_facts()}, [Stamp.NO_NPU]),
        ({"device": samples.simulated_facts()}, [Stamp.SIMULATED]),
        ({"replayed_from": "ab" * 32}, [Stamp.REPLAYED]),
        (
            {"device": samples.simulated_facts(), "weights": samples.random_weights(), "replayed_from": "ab" * 32},
            [Stamp.SIMULATED, Stamp.REPLAYED, Stamp.RANDOM_WEIGHTS],
        ),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_stamps_stand_right_below_the_title(kind: str, changes: dict[str, Any], stamps: list[Stamp]) -> None:
    spec = samples.eval_spec(training=TrainingProtocol())
    record = every_kind(spec, provenance=samples.provenance(**changes))[kind]
    lines = log_lines(record, CRITERIA)
    assert lines[2 : 2 + len(stamps)] == [f"!!! {shouted(stamp)} !!!" for stamp in stamps]
    assert sum(line.startswith("!!!") for line in lines) == len(stamps)
    assert field(record, "weights").startswith("random") == (Stamp.RANDOM_WEIGHTS in stamps)


@pytest.mark.parametrize("kind", ["precision", "performance"])
def test_the_exit_code_is_zero_only_when_every_verdict_is_pass(kind: str) -> None:
    good = samples.records()[kind]
    metric = {"precision": "relative_l2", "performance": "latency_mean_s"}[kind]
    for threshold, code, overall in ((9.0, 0, "PASS"), (-1.0, 1, "FAIL")):
        rules = (samples.criterion(metric, threshold), samples.criterion("sample_count", 1.0))
        lines = log_lines(good, rules)
        assert lines[-1] == f"exit code  {code}"
        assert lines[-2] == f"overall    {overall}"
    absent = (samples.criterion(metric, 9.0, outputs=("nothing",)),)
    assert log_lines(good, absent)[-1] == "exit code  1"
    assert "holds no output 'nothing'" in log_text(good, absent)


def test_inference_has_no_verdict_and_so_none_to_miss() -> None:
    text = log_text(samples.inference_record(), CRITERIA)
    assert text.endswith("exit code  0\n")
    assert "overall" not in text
    assert "verdicts" not in text


def test_verdict_lines_are_one_for_each_criterion_of_the_experiment() -> None:
    lines = log_lines(samples.precision_record(), CRITERIA)
    found = [line.split()[1] for line in lines if re.match(r"(PASS|FAIL|NOT_MEASURED) ", line)]
    assert found == [c.id for c in CRITERIA if c.experiment == "precision"]


def test_every_statistic_of_a_record_is_in_its_log() -> None:
    record = RECORDS["performance"]
    text = log_text(record, CRITERIA)
    assert isinstance(record.data, PerformanceData)
    for run in record.data.runs:
        if len(run.samples_s) < MIN_RUN:
            assert "out of memory" in text
            continue
        s = speed.latency(run)
        wanted = [units.ms(v) for v in (s.mean_s, s.std_s, s.min_s, s.max_s, *s.percentiles_s.values())]
        wanted.append(",".join(s.stability.reasons) or "-")
        assert all(w in text for w in wanted)
    precision = RECORDS["precision"]
    text = log_text(precision, CRITERIA)
    assert isinstance(precision.data, PrecisionData)
    for a in map(metrics.agreement, precision.data.differences):
        wanted = [units.sci(a.relative_l2), units.db(a.snr_db), units.cosine(a.cosine_similarity)]
        wanted += [units.sci(a.mean_relative_error), units.percent(a.share_below_floor)]
        assert all(w in text for w in wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_simulated_npu_has_no_times_no_plain_verdict_and_another_name(kind: str) -> None:
    rules = (*CRITERIA, samples.criterion("latency_p50_s", 0.1), samples.criterion("throughput_per_s", 1.0))
    spec = samples.eval_spec(training=TrainingProtocol())
    simulated = every_kind(spec, provenance=samples.provenance(device=samples.simulated_facts()))[kind]
    text = log_text(simulated, rules)
    assert not re.search(r"\d ms\b|\d /s\b|\d MiB\b", text)
    assert not re.search(r"\b(PASS|FAIL|NOT_MEASURED)\b(?! \(simulated\))", text)
    assert (UNTIMED in text) == (kind in ("performance", "optimisation", "precision"))
    assert log_name(simulated) == KINDS[kind].log.replace(".log", ".simulated.log")
    assert log_name(every_kind(spec)[kind]) == KINDS[kind].log


def test_no_ranking_is_no_equal_ranking() -> None:
    row = next(line for line in log_lines(RECORDS["precision"], CRITERIA) if line.startswith("inputs/dark.jpg"))
    assert row.split()[-2:] == ["no", "0/0"]


def test_the_contests_names_of_the_logs() -> None:
    assert KINDS["precision"].log == "precision_eval.log"
    assert KINDS["performance"].log == "performance_eval.log"


def test_a_log_names_the_bundle_that_the_reference_came_from() -> None:
    where = samples.provenance(reference_device="cuda:0", reference_bundle=samples.bundle_origin())
    text = log_text(samples.precision_record(provenance=where), CRITERIA)
    assert f"bundle     sha256 {samples.bundle_origin().sha256}\n" in text
    assert "made on    cuda:0 (NVIDIA A100-SXM4-40GB), AMD EPYC 7742, at 2025-05-30T09:12:00+00:00\n" in text
    assert "made with  python 3.10.4, torch 2.6.0+cu124\n" in text
    assert "bundle " not in log_text(samples.precision_record(), CRITERIA)


def test_the_devices_own_time_has_a_table_where_its_events_measured() -> None:
    wall = samples.latency_run().samples_s
    run = samples.latency_run(enqueue_s=tuple(s / 4 for s in wall), device_s=tuple(s / 2 for s in wall))
    data = samples.performance_data(runs=(run,), enqueue=None)
    lines = log_lines(samples.performance_record(data=data), CRITERIA)
    start = lines.index("device time: events around the same calls; a call is host-bound above 0.8")
    assert lines[start + 3].split()[0] == "1"
    assert lines[start + 3].split()[-3:] == ["0.5000", "0.00", "%"]
    assert any(line.startswith("host-bound: no (enqueue ") and "0.5000" in line for line in lines)
