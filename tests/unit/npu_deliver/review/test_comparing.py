from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import deliverables
import samples
from npu_deliver.cli import app
from npu_deliver.errors import RecordError
from npu_deliver.review.comparing import compare, lines
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.records.record import Record


def made(root: Path, name: str, *, slower: float = 1.0, **performance: Any) -> Path:
    """A deliverable of one and the same model, whose every time is so many times as long."""

    def change(record: Record) -> Record:
        if not isinstance(record.data, PerformanceData):
            return record
        processes = tuple(
            replace(
                p, samples_s=tuple(s * slower for s in p.samples_s), windows_s=tuple(s * slower for s in p.windows_s)
            )
            for p in record.data.processes
        )
        return replace(record, data=replace(record.data, **({"processes": processes} | performance)))

    deliverables.write_model(root / name)
    job = deliverables.job_of(root / name)
    deliverables.make(job, deliverables.FakeEngine(change=change))
    return job.output


def test_a_slower_one_is_told_with_its_interval(tmp_path: Path) -> None:
    a, b = made(tmp_path, "a"), made(tmp_path, "b", slower=1.2)
    found = compare(a, b)
    assert {(r.quantity, r.batch_size) for r in found.rows} == {
        (q, s) for q in ("latency", "throughput") for s in (1, 8)
    }
    for row in found.rows:
        assert row.outcome == "B is slower"
        assert row.low < row.factor < row.high < 1
        assert row.factor == pytest.approx(1 / 1.2, rel=1e-6)
    assert {r.outcome for r in compare(b, a).rows} == {"B is quicker"}
    assert any("B is slower" in line for line in lines(found))


@pytest.mark.parametrize("slower", [1.0, 1.04])
def test_what_two_sessions_of_one_code_can_differ_by_is_no_difference(tmp_path: Path, slower: float) -> None:
    found = compare(made(tmp_path, "a"), made(tmp_path, "b", slower=slower))
    assert {row.outcome for row in found.rows} == {"no measurable difference"}
    assert found.differences == ()


def test_what_cannot_be_compared_is_refused_with_the_reason(tmp_path: Path) -> None:
    a = made(tmp_path, "a")
    with pytest.raises(RecordError, match="B has 0 fresh processes, fewer than 3; measure with TIER=standard"):
        compare(a, made(tmp_path, "b", processes=()))
    other = samples.latency_run(1, input_shape=(1, 3, 320, 320))
    with pytest.raises(RecordError, match="input shape differs: 3x224x224 and 3x320x320"):
        compare(a, made(tmp_path, "c", runs=(other,), throughput=(samples.throughput_run(1),)))
    broken = made(tmp_path, "d")
    deliverables.change_file(broken / "readme.md", "Tiny", "Tinier")
    with pytest.raises(RecordError, match="contradicts itself"):
        compare(a, broken)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    a, b = made(tmp_path, "a"), made(tmp_path, "b", slower=1.5)
    told = CliRunner().invoke(app, ["compare", str(a), str(b)])
    assert told.exit_code == 0
    assert "B is slower" in told.stdout
    as_json = CliRunner().invoke(app, ["compare", str(a), str(b), "--json"])
    assert json.loads(as_json.stdout)["rows"][0]["outcome"] == "B is slower"
