"""Times of an honest run are left alone, also where a clock was set; times that no run can have are named."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

import samples
from npu_deliver import ledger
from npu_deliver.ledger import Event, Ledger, keep
from npu_deliver.review.plausibility import chronology
from npu_eval.records.record import record_sha256

NOW = dt.datetime(2025, 6, 2, tzinfo=dt.UTC)
START = dt.datetime(2025, 6, 1, 8, tzinfo=dt.UTC)
CRITERIA = "c" * 64


class Times:
    """A clock that a test sets."""

    def __init__(self, time: dt.datetime) -> None:
        self.time = time

    def now(self) -> str:
        return self.text(0)

    def text(self, seconds: float) -> str:
        return (self.time + dt.timedelta(seconds=seconds)).isoformat(timespec="seconds")

    def wait(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch) -> Times:
    times = Times(START)
    monkeypatch.setattr(ledger, "_now", times.now)
    return times


@pytest.fixture
def kept(clock, tmp_path) -> Ledger:
    return keep(tmp_path / "ledgers", CRITERIA, tmp_path / "none")


def step(kept, clock, record, *, lasts=100.0, set_back=0.0):
    """Run a step that left a record; meanwhile the clock may be set back. Returns the record as it was stored."""
    start = kept.started(record.kind, spec_sha256="5" * 64, code_sha256="0" * 64)
    clock.wait(2)
    stored = replace(record, started_at=clock.now(), finished_at=clock.text(lasts))
    clock.wait(lasts - set_back)
    kept.finished(start, record_sha256=record_sha256(stored), exit_code=0, not_before=stored.finished_at)
    return stored


def told(records, entries=(), now=NOW):
    found = list(chronology.remarks({record.kind: record for record in records}, entries, now))
    return [r.what for r in found if r.certain], [r.what for r in found if not r.certain]


def test_the_records_of_an_honest_run_are_left_alone(kept, clock):
    records = [step(kept, clock, record) for record in samples.all_records().values()]
    assert told(records, kept.entries) == ([], [])


def test_a_record_that_ends_before_it_starts_cannot_be(clock):
    record = samples.inference_record(started_at=clock.text(10), finished_at=clock.text(9))
    (what,), doubts = told([record])
    assert "before it started" in what
    assert doubts == []


@pytest.mark.parametrize("time", ["yesterday", "", "2025-06-01T08:00:00", "2025-13-01T08:00:00+00:00"])
def test_what_is_no_time_in_utc_cannot_be(time):
    (what,), _ = told([samples.inference_record(started_at=time)])
    assert "no two times in UTC" in what


def test_calls_that_took_longer_than_the_whole_record_cannot_be(clock):
    record = samples.performance_record(started_at=clock.now(), finished_at=clock.text(30))
    assert any("its timed calls took" in what for what in told([record])[0])
    assert any("watched the machine" in what for what in told([record])[0])
    record = samples.optimisation_record(started_at=clock.now(), finished_at=clock.text(500))
    assert [what.partition(" ")[0] for what in told([record])[0]] == ["spent"]
    assert told([replace(record, finished_at=clock.text(600))]) == ([], [])


def test_a_time_that_is_still_to_come_is_a_doubt_because_a_clock_may_be_wrong(kept, clock):
    record = step(kept, clock, samples.inference_record())
    contradictions, doubts = told([record], kept.entries, now=START - dt.timedelta(days=3))
    assert contradictions == []
    assert len(doubts) == 2
    assert all("still to come" in doubt for doubt in doubts)
    assert told([record], kept.entries, now=START - dt.timedelta(hours=12)) == ([], [])


@pytest.mark.parametrize(("image", "started", "finished", "what"), [
    ("local:sha256:", -3600, 0, "before the ledger started it"),
    ("local:sha256:", 0, 3600, "but line"),
    ("sha256:", -90000, 0, "before the ledger started it"),
    ("sha256:", 0, 90000, "but line"),
])  # fmt: skip
def test_a_record_outside_of_its_entries_cannot_be(kept, clock, image, started, finished, what):
    honest = samples.inference_record()
    honest = replace(honest, provenance=replace(honest.provenance, image=image + "a" * 64))
    start = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
    moved = replace(honest, started_at=clock.text(started), finished_at=clock.text(100 + finished))
    clock.wait(100)
    kept.finished(start, record_sha256=record_sha256(moved), exit_code=0)
    contradictions, doubts = told([moved], kept.entries)
    assert len(contradictions) == 1
    assert what in contradictions[0]
    assert not [doubt for doubt in doubts if "still to come" not in doubt]


def test_steps_that_overlap_cannot_be(kept, clock):
    first = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
    kept.started("precision", spec_sha256="5" * 64, code_sha256="0" * 64)
    kept.finished(first, record_sha256="a" * 64, exit_code=0)
    contradictions, _ = told([], kept.entries)
    assert any("one after the other" in what for what in contradictions)


def test_a_replayed_record_may_be_older_than_its_run_but_not_younger(kept, clock):
    old = samples.inference_record(started_at=clock.text(-90000), finished_at=clock.text(-89000))
    old = replace(old, provenance=replace(old.provenance, replayed_from="a" * 64))
    start = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
    kept.finished(start, record_sha256=record_sha256(old), exit_code=0)
    assert told([old], kept.entries) == ([], [])


@pytest.mark.parametrize("set_back", [20, 95, 3600])
def test_a_clock_that_was_set_back_while_a_step_ran_accuses_nobody(kept, clock, set_back):
    records = [step(kept, clock, samples.inference_record(), set_back=set_back)]
    records += [step(kept, clock, samples.precision_record(), set_back=0), step(kept, clock, samples.training_record())]
    contradictions, doubts = told(records, kept.entries)
    assert contradictions == []
    assert all("a clock was set back" in d or "before the ledger started it" in d for d in doubts)
    assert doubts


def test_a_later_end_is_believed_only_within_a_day(kept, clock):
    for time in ("2031-01-01T00:00:00+00:00", "later", "2025-06-01T09:00:00"):
        start = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
        assert kept.finished(start, record_sha256="a" * 64, exit_code=0, not_before=time).time == clock.now()


def test_an_adopted_record_younger_than_its_entry_may_be_of_a_machine_with_another_clock(kept, clock):
    young = samples.inference_record(started_at=clock.text(0), finished_at=clock.text(7200))
    kept.settle({"inference": record_sha256(young)}, "5" * 64)
    assert kept.entries[-1].event is Event.ADOPTED
    contradictions, (what,) = told([young], kept.entries)
    assert contradictions == []
    assert "adopted" in what


def test_the_clock_of_a_container_may_go_behind_the_ledger_s(kept, clock):
    early = samples.inference_record(started_at=clock.text(-600), finished_at=clock.text(-500))
    early = replace(early, provenance=replace(early.provenance, image="sha256:" + "a" * 64))
    start = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
    kept.finished(start, record_sha256=record_sha256(early), exit_code=0)
    contradictions, (what,) = told([early], kept.entries)
    assert contradictions == []
    assert "before the ledger started it" in what


def test_a_reference_from_the_future_is_a_doubt(clock):
    bundle = samples.bundle_origin(made_at=clock.text(400000))
    record = samples.precision_record(started_at=clock.now(), finished_at=clock.text(100))
    record = replace(record, provenance=replace(record.provenance, reference_bundle=bundle))
    contradictions, doubts = told([record])
    assert contradictions == []
    assert "its reference was made" in doubts[0]


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
)
def test_the_first_and_the_last_day_that_there_are_can_be_reckoned_with(clock, kept, time):
    start = kept.started("inference", spec_sha256="5" * 64, code_sha256="0" * 64)
    record = replace(samples.inference_record(), started_at=time, finished_at=time)
    kept.finished(start, record_sha256=record_sha256(record), exit_code=0)
    entries = [replace(entry, time=time) for entry in kept.entries]
    assert told([record], entries)[0] == []
    assert any(told([record], kept.entries))
