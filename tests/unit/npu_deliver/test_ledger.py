"""No run is lost and none can be taken out: over failures, kills, fresh runs, other criteria and a rewritten chain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deliverables
from deliverables import FakeEngine, make
from npu_deliver import ledger, pipeline
from npu_deliver.errors import RecordError, StepError
from npu_deliver.ledger import Event, Ledger, keep
from npu_deliver.review import verify

CRITERIA = "c" * 64
SPEC = {"spec_sha256": "5" * 64}
RECORD = "a" * 64


@pytest.fixture
def kept(tmp_path) -> Ledger:
    return keep(tmp_path / "ledgers", CRITERIA, tmp_path / "none")


def run(kept, experiment="precision", record=RECORD):
    start = kept.started(experiment, **SPEC, code_sha256="0" * 64)
    return kept.finished(start, record_sha256=record, exit_code=0)


def problems(entries, records=None, criteria=CRITERIA):
    return list(ledger.contradictions(entries, criteria, {"precision": RECORD} if records is None else records))


def test_the_criteria_are_on_the_disk_before_anything_runs(kept, tmp_path):
    (path,) = (tmp_path / "ledgers").iterdir()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["criteria_sha256"] == CRITERIA
    assert ledger.read(path)[0].event is Event.OPENED


def test_what_ran_failed_and_was_replaced_is_counted(kept):
    failed = kept.started("precision", **SPEC, code_sha256="0" * 64)
    kept.failed(failed, reason="DeviceError", exit_code=4)
    run(kept, record="b" * 64)
    run(kept)
    found = kept.settle({"precision": RECORD}, "5" * 64)
    assert (found.started, found.finished, found.failed, found.discarded, found.reported) == (3, 2, 1, 1, 1)
    assert found.criteria_sha256 == CRITERIA
    assert found.head_sha256 == kept.entries[-1].sha256
    assert problems(kept.entries) == []
    before = kept.text
    kept.settle({"precision": RECORD}, "5" * 64)
    assert kept.text == before, "settling twice tells nothing new"


def test_the_same_record_twice_is_reported_once(kept):
    run(kept)
    run(kept)
    assert kept.settle({"precision": RECORD}, "5" * 64).reported == 1
    assert problems(kept.entries) == []


def test_a_record_without_a_run_is_adopted_and_told(kept):
    found = kept.settle({"precision": RECORD}, "5" * 64)
    assert (found.started, found.adopted, found.reported) == (0, 1, 1)
    assert problems(kept.entries) == []


def test_a_start_that_a_kill_left_open_is_a_failure_for_the_next_run(kept, tmp_path):
    kept.started("precision", **SPEC, code_sha256="0" * 64)
    again = keep(tmp_path / "ledgers", CRITERIA, tmp_path / "none")
    assert [entry.event for entry in again.entries] == [Event.OPENED, Event.STARTED, Event.FAILED]
    assert again.entries[-1].exit_code is None


def test_other_criteria_begin_another_ledger_that_counts_the_runs_of_the_first(kept, tmp_path):
    run(kept)
    other = keep(tmp_path / "ledgers", "d" * 64, tmp_path / "none")
    assert other.settle({}, "5" * 64).elsewhere == 1
    again = keep(tmp_path / "ledgers", CRITERIA, tmp_path / "none")
    assert again.entries == kept.entries, "going back to them goes on with theirs"


def test_the_copy_that_travels_is_gone_on_with_on_another_machine(kept, tmp_path):
    run(kept)
    copy = tmp_path / "ledger.jsonl"
    copy.write_text(kept.text, encoding="utf-8")
    assert keep(tmp_path / "elsewhere", CRITERIA, copy).entries == kept.entries
    run(kept)
    assert keep(tmp_path / "ledgers", CRITERIA, copy).entries == kept.entries, "an older copy takes nothing back"


def test_a_kept_ledger_that_was_spoilt_is_refused_by_name(kept, tmp_path):
    (path,) = (tmp_path / "ledgers").iterdir()
    path.write_text(path.read_text()[:-5])
    with pytest.raises(RecordError, match=rf"{CRITERIA}\.jsonl: does not end with a whole line .*move it away"):
        keep(tmp_path / "ledgers", CRITERIA, tmp_path / "none")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_digit_breaks_the_chain_or_moves_its_head(kept, data):
    if len(kept.entries) == 1:
        run(kept)
    text = kept.text
    at = data.draw(st.sampled_from(deliverables.digits(text)))
    changed = deliverables.changed(text, at, data.draw(st.integers(1, 9)))
    try:
        entries = ledger.parse(changed, "ledger")
    except RecordError:
        return
    assert entries[-1].sha256 != kept.entries[-1].sha256


@pytest.mark.parametrize("without", [1, 2])
def test_an_entry_that_was_taken_out_breaks_the_chain(kept, without):
    run(kept)
    run(kept)
    lines = kept.text.splitlines(keepends=True)
    with pytest.raises(RecordError, match=r"line 3: |line 2: "):
        ledger.parse("".join(lines[:without] + lines[without + 1 :]), "ledger")


def rewritten(entries):
    """The chain made anew over what was changed, as somebody would who knows how."""
    kept = Ledger.__new__(Ledger)
    kept._path, kept._entries = None, []
    for number, entry in enumerate(entries):
        previous = kept._entries[-1].sha256 if number else None
        kept._entries.append(replace(entry, number=number, previous=previous))
    return ledger.parse(kept.text, "ledger")


def test_a_chain_made_anew_no_longer_fits_the_records(kept):
    run(kept, record="b" * 64)
    run(kept)
    kept.settle({"precision": RECORD}, "5" * 64)
    entries = kept.entries
    assert problems(rewritten(entries)) == []
    assert any("no run that made the reported record" in p for p in problems(rewritten(entries[:3])))
    assert any("neither reported nor discarded" in p for p in problems(rewritten(entries[:-1])))
    assert any("neither finished nor failed" in p for p in problems(rewritten(entries[:2]), {}))
    assert any("is not the end of anything" in p for p in problems(rewritten([entries[0], entries[2]])))
    assert any("other criteria" in p for p in problems(entries, criteria="d" * 64))


@pytest.mark.parametrize(
    "text",
    ["", "x\n", "{}\n", "null\n", '{"number": 0}\n', '{"number": 0, "time": "t", "event": "started"}\n',
     '{"number": 0, "time": "t", "event": "opened", "criteria_sha256": "c"} \n'],
)  # fmt: skip
def test_what_is_no_ledger_is_an_error_that_names_the_line(text):
    with pytest.raises(RecordError, match=r"^ledger"):
        ledger.parse(text, "ledger")


# --- the whole line --------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path):
    deliverables.write_model(tmp_path)
    return deliverables.job_of(tmp_path)


def events(job):
    return [(entry.event, entry.experiment) for entry in ledger.read(job.output / verify.LEDGER)]


def counts(summary):
    runs = summary.runs
    return runs.started, runs.finished, runs.failed, runs.discarded, runs.reported


def test_failed_runs_and_fresh_runs_stay_in_the_count_of_the_folder_that_replaces_them(job):
    assert counts(make(job)) == (3, 3, 0, 0, 3)
    broken = FakeEngine(instead={"precision": lambda step, folder, tell: 70})
    with pytest.raises(StepError):
        make(job, broken, fresh=True)
    later = FakeEngine(change=lambda record: replace(record, finished_at="2025-06-02T08:00:00+00:00"))
    assert counts(make(job, later, fresh=True)) == (8, 7, 1, 4, 3)
    assert verify.verify(job.output).holds
    assert "8 次" in (job.output / "readme.md").read_text(encoding="utf-8")
    failed = [entry for entry in ledger.read(job.output / verify.LEDGER) if entry.event is Event.FAILED]
    assert [(entry.experiment, entry.reason, entry.exit_code) for entry in failed] == [("precision", "StepError", 6)]


def test_an_interrupted_run_is_in_the_ledger(job):
    def interrupt(step, folder, tell):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(job, FakeEngine(instead={"performance": interrupt}))
    assert counts(make(job)) == (4, 3, 1, 0, 3)
    assert events(job)[-3:] == [("failed", "performance"), ("started", "performance"), ("finished", "performance")]


def test_the_report_alone_changes_no_ledger(job):
    make(job)
    before = (job.output / verify.LEDGER).read_bytes()
    with deliverables.mock.patch.object(deliverables.figures, "draw", deliverables.blank_pictures):
        pipeline.report(job, "en")
    assert (job.output / verify.LEDGER).read_bytes() == before
    assert "3 runs started, 3 finished, 0 failed" in (job.output / "readme.md").read_text(encoding="utf-8")


def test_a_folder_without_its_ledger_is_named(folder):
    (folder / verify.LEDGER).unlink()
    deliverables.reseal(folder)
    assert verify.LEDGER in {finding.file for finding in verify.verify(folder).findings}
