"""Whoever takes the stamp from a simulated result is found, whichever part of the folder he edits, and reseals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import deliverables
import samples
from deliverables import FakeEngine, change_file, job_of, make, reseal, write_model
from npu_deliver import pipeline
from npu_deliver.review import verify
from npu_eval.errors import DeliverError
from npu_eval.records.record import Record

RECORD = "evaluation/records/precision.json"
PROOF = {"device_nodes": ["/dev/davinci0"], "driver": "25.0.rc1", "library": "lib64/libascendcl.so", "marker": None,
         "cann": "8.5.0"}  # fmt: skip


def simulated(record: Record) -> Record:
    device = samples.simulated_facts()
    versions = record.provenance.versions | {"cann": "8.5.0.simulated"}
    return replace(record, provenance=replace(record.provenance, device=device, versions=versions))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path)
    make(job_of(tmp_path), FakeEngine(change=simulated))
    return tmp_path / "tiny/npu_deliverables"


def test_the_folder_holds_and_is_stamped(folder: Path) -> None:
    found = verify.verify(folder)
    assert found.findings == ()
    assert found.summary is not None
    assert found.summary.stamps[0] == "simulated"
    assert found.summary.hardware is None


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def claim_real(value: Any) -> None:
    value["provenance"]["device"]["evidence"] = "real"


def forget_the_mark(value: Any) -> None:
    claim_real(value)
    value["provenance"]["device"]["proof"]["marker"] = None


def forge_the_proof(value: Any) -> None:
    claim_real(value)
    value["provenance"]["device"]["proof"] = PROOF


def drop_the_proof(value: Any) -> None:
    claim_real(value)
    value["provenance"]["device"]["proof"] = None


def claim_a_cpu(value: Any) -> None:
    value["provenance"]["device"] |= {"kind": "cpu", "evidence": "real"}


@pytest.mark.parametrize("change", [claim_real, forget_the_mark, forge_the_proof, drop_the_proof, claim_a_cpu])
def test_an_edited_record_is_found(folder: Path, change: Callable[[Any], None]) -> None:
    edit(folder / RECORD, change)
    reseal(folder)
    assert not verify.verify(folder).holds


@pytest.mark.parametrize("change", [claim_real, forget_the_mark, forge_the_proof, drop_the_proof])
def test_rendering_anew_from_edited_records_does_not_help(
    folder: Path, tmp_path: Path, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npu_deliver.report.figures.draw", deliverables.blank_pictures)
    for path in (folder / "evaluation/records").glob("*.json"):
        edit(path, change)
    try:
        summary = pipeline.report(job_of(tmp_path), "zh")
    except DeliverError:
        return
    assert "simulated" in summary.stamps
    assert summary.hardware is None


@pytest.mark.parametrize(
    ("old", "new"),
    [('"simulated"', '"no-npu"'), ('"hardware": null', '"hardware": "NPU"'), ("8.5.0.simulated", "8.5.0")],
)
def test_an_edited_summary_is_found(folder: Path, old: str, new: str) -> None:
    change_file(folder / "summary.json", old, new)
    reseal(folder)
    assert not verify.verify(folder).holds


def test_another_device_in_the_spec_is_found(folder: Path) -> None:
    change_file(folder / "spec.json", '"device": "npu:0"', '"device": "npu:1"')
    reseal(folder)
    assert not verify.verify(folder).holds


SHOWN = ["readme.simulated.md", "OPTIMIZATION_RECORD.simulated.md", "evaluation/logs/precision_eval.simulated.log",
         "evaluation/screenshots/precision_chart.simulated.png"]  # fmt: skip


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("name", SHOWN)
def test_another_name_is_found(folder: Path, name: str, copied: bool) -> None:
    plain = folder / name.replace(".simulated", "")
    plain.write_bytes((folder / name).read_bytes())
    if not copied:
        (folder / name).unlink()
    reseal(folder)
    assert not verify.verify(folder).holds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# [SIMULATED] ", "# "),
        ("SIMULATED - NOT AN NPU RESULT", "MEASURED"),
        ("**PASS (simulated)**", "**PASS**"),
        ("| n/a (simulated) |", "| 21.497 ms |"),
        ("library_name: pytorch\n", "library_name: pytorch\nhardware: NPU\n"),
    ],
)
def test_an_edited_page_is_found(folder: Path, old: str, new: str) -> None:
    change_file(folder / "readme.simulated.md", old, new)
    reseal(folder)
    assert not verify.verify(folder).holds


@pytest.mark.parametrize(("old", "new"), [("!!! SIMULATED - NOT AN NPU RESULT !!!\n", ""), (" (simulated)", "")])
def test_an_edited_log_is_found(folder: Path, old: str, new: str) -> None:
    change_file(folder / "evaluation/logs/precision_eval.simulated.log", old, new)
    reseal(folder)
    assert not verify.verify(folder).holds
