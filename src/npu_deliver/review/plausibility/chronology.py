"""Whether the times of a folder can be those of its runs: in the records, in the ledger, and of one beside the other.

A record's end is its start plus the seconds that a clock counted which nobody can set, so within a record nothing can
be out of order. The ledger reads the machine's clock at each entry. Where that clock was set back meanwhile, the ledger
itself shows it, and what is out of order beside it is then a doubt and no contradiction. So are the hours that two
clocks may be apart: those of a record that was adopted, which may be another machine's, and of a container, which may
run in a virtual machine that slept.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence

from npu_deliver import ledger
from npu_deliver.ledger import Entry, Event
from npu_deliver.review.plausibility.remarks import LEDGER_ITSELF, Remark, contradiction, doubt
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.records.record import Record, record_sha256

CLOCKS_APART_S = 60.0
"""Seconds by which a step's own clock reading may precede the ledger's: a clock may be corrected between the two."""

ROUNDED_S = 1.0
"""Times are stored in whole seconds, cut off: so much longer may have passed between two of them."""

AHEAD = dt.timedelta(days=1)
"""How far after the checker's now a time may lie: clocks of machines without a network are wrong by hours."""

_NO_CONTAINER = "local:"
"""How a record names an interpreter of the machine that kept the ledger."""


def remarks(records: Mapping[str, Record], entries: Sequence[Entry], now: dt.datetime) -> Iterator[Remark]:
    """What is wrong with the times.

    Args:
        records: those that are reported, by experiment.
        entries: the ledger's; none where it cannot be read.
        now: of whoever checks.
    """
    for kind, record in records.items():
        yield from _of_a_record(kind, record, now)
    steady = True
    for remark in _of_the_ledger(entries, now):
        steady &= remark.certain
        yield remark
    for remark in _beside_the_ledger(records, entries):
        yield remark if steady else doubt(remark.of, remark.what)


def _of_a_record(kind: str, record: Record, now: dt.datetime) -> Iterator[Remark]:
    started, finished = _time(record.started_at), _time(record.finished_at)
    if started is None or finished is None:
        yield contradiction(kind, f"{record.started_at!r} to {record.finished_at!r}: no two times in UTC")
        return
    lasted = (finished - started).total_seconds()
    if lasted < 0:
        yield contradiction(kind, f"ended at {record.finished_at}, before it started at {record.started_at}")
    for what, seconds in _measured(record):
        if lasted >= 0 and seconds > lasted + ROUNDED_S:
            yield contradiction(kind, f"{what} {seconds:.1f} s, but it started and ended within {lasted:.0f} s")
    yield from _ahead(kind, "ended", record.finished_at, now)
    bundle = record.provenance.reference_bundle
    made = None if bundle is None else _time(bundle.made_at)
    if bundle is not None and made is not None and made - finished > AHEAD:
        yield doubt(kind, f"its reference was made at {bundle.made_at}, after it ended at {record.finished_at}")


def _measured(record: Record) -> Iterator[tuple[str, float]]:
    """(what took them, seconds) of what was timed one after the other; starts of processes are left out."""
    data = record.data
    if isinstance(data, PerformanceData):
        series = [s for run in data.runs for s in (*run.warmup_s, *run.samples_s)]
        series += [run.first_call_s for run in data.runs if run.first_call_s is not None]
        series += [s for run in data.throughput for s in run.windows_s]
        series += [s for process in data.processes for s in (*process.samples_s, *process.windows_s)]
        series += [way.total_s for way in data.end_to_end]
        series += [*data.cache.repeated_s, *data.cache.distinct_s] if data.cache else []
        yield "its timed calls took", sum(series)
        yield "watched the machine for", sum(state.watched_s for state in data.machine)
    if isinstance(data, PrecisionData) and data.switching is not None:
        yield "its timed calls took", sum(s for run in data.switching.modes for s in run.samples_s)
    if isinstance(data, OptimisationData):
        bursts = (s for t in data.trials for p in t.pairs for burst in p.bursts for s in burst.samples_s)
        windows = (s for run in data.sweep for s in run.windows_s)
        yield "its timed calls took", sum(bursts) + sum(windows)
        yield "spent", data.spent_s


def _of_the_ledger(entries: Sequence[Entry], now: dt.datetime) -> Iterator[Remark]:
    """Its own order. Doubts alone say that a clock was set back; everything else is certain."""
    for entry in entries:
        if _time(entry.time) is None:
            yield contradiction(LEDGER_ITSELF, f"line {entry.number + 1}: {entry.time!r} is no time in UTC")
    for before, after in itertools.pairwise(entries):
        earlier, later = _time(before.time), _time(after.time)
        if earlier is not None and later is not None and later < earlier:
            yield doubt(
                LEDGER_ITSELF,
                f"line {after.number + 1} is of {after.time}, the one before of {before.time}: a clock was set back, "
                "and the times prove no order",
            )
        if before.event is Event.STARTED and (after.event not in (Event.FINISHED, Event.FAILED)):
            yield contradiction(
                LEDGER_ITSELF,
                f"line {after.number + 1} comes before the end of {before.experiment}, which started in line "
                f"{before.number + 1}: steps run one after the other",
            )
    if entries:
        yield from _ahead(LEDGER_ITSELF, "its last line is", max(entry.time for entry in entries), now)


def _beside_the_ledger(records: Mapping[str, Record], entries: Sequence[Entry]) -> Iterator[Remark]:
    """Each record lies between the entries of the run that made it; of a replayed one only the end is of this run."""
    hashes = {record_sha256(record): kind for kind, record in records.items()}
    slack = dt.timedelta(seconds=CLOCKS_APART_S)
    for end in ledger.standing(entries):
        kind = hashes.get(end.record_sha256 or "")
        if kind is None or kind != end.experiment:
            continue
        record, ended = records[kind], _time(end.time)
        started, finished = _time(record.started_at), _time(record.finished_at)
        if started is None or finished is None or ended is None:
            continue
        line = f"line {end.number + 1} of the ledger"
        one_clock = end.of is not None and record.provenance.image.startswith(_NO_CONTAINER)
        if finished - ended > slack:
            remark = contradiction if one_clock or finished > ended + AHEAD else doubt
            yield remark(kind, f"ended at {record.finished_at}, but {line} has it {end.event} at {end.time}")
        if end.of is None or not 0 <= end.of < end.number or record.provenance.replayed_from is not None:
            continue
        start = entries[end.of]
        began = _time(start.time)
        if began is not None and began - started > slack:
            what = f"started at {record.started_at}, before the ledger started it at {start.time}"
            remark = contradiction if one_clock or started + AHEAD < began else doubt
            yield remark(kind, f"{what} (line {start.number + 1})")


def _ahead(of: str, what: str, time: str, now: dt.datetime) -> Iterator[Remark]:
    found = _time(time)
    if found is not None and found - now > AHEAD:
        here = now.isoformat(timespec="minutes")
        yield doubt(of, f"{what} at {time}, which is still to come: here it is {here}; one of the clocks is wrong")


def _time(text: str) -> dt.datetime | None:
    """A stored time; None for what is none, or has no time zone."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found
