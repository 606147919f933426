"""Which runs there were: an append-only, hash-chained list, so that a report cannot quietly choose among its runs.

Each line is one entry and holds the sha256 of the line before; the first holds the hash of the criteria, which are
thereby fixed before anything ran. A step that starts is entered before it runs, and entered again when it finished or
failed; a record that is replaced by a later one is entered as discarded. A ledger lives beside the finished folder,
where no run, fresh or resumed, replaces it; a copy travels inside. Other criteria begin another ledger, and each notes
how many runs the others hold. Standard library only.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import RecordError
from npu_eval.jsonio import from_json, loads, to_json, write_atomic
from npu_eval.limits import MAX_TEXT_BYTES, read_text

NAME = "ledger.jsonl"
SUFFIX = ".jsonl"


class Event(enum.StrEnum):
    """What an entry tells.

    ``adopted``: a record is reported whose run no entry tells of, such as one made before there was a ledger.
    ``elsewhere``: so many runs were started under other criteria.
    """

    OPENED = "opened"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    DISCARDED = "discarded"
    ADOPTED = "adopted"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line. ``of`` is the number of the entry that this one ends; what does not apply is None and not written."""

    number: int
    previous: str | None = None
    time: str
    event: Event
    criteria_sha256: str | None = None
    of: int | None = None
    experiment: str | None = None
    spec_sha256: str | None = None
    code_sha256: str | None = None
    record_sha256: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    count: int | None = None

    @property
    def line(self) -> str:
        """The entry as it stands in the file, without the newline."""
        held = {key: value for key, value in to_json(self).items() if value is not None}
        return json.dumps(held, ensure_ascii=False, allow_nan=False)

    @property
    def sha256(self) -> str:
        """Hash of the line, which the next entry holds."""
        return hashlib.sha256(self.line.encode("utf-8")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What a ledger comes to, counted in steps.

    Every step that started finished or failed; every record of a finished or adopted one is reported or was discarded.
    ``elsewhere`` were started under other criteria. ``head_sha256`` is the hash of the last line, and so of the chain.
    """

    criteria_sha256: str
    opened_at: str
    entries: int
    head_sha256: str
    started: int
    finished: int
    failed: int
    discarded: int
    adopted: int
    reported: int
    elsewhere: int


def parse(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of a ledger, each proven to follow the one before.

    Raises:
        RecordError: a line is torn, is not written as entries are, or does not hold the hash of the line before.
    """
    if not text.endswith("\n"):
        raise RecordError("does not end with a whole line", where=where)
    entries: list[Entry] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n")):
        place = f"{where}: line {number + 1}"
        entry = from_json(Entry, loads(line, place), place)
        if entry.line != line or entry.number != number:
            raise RecordError("is not written as entries are", where=place)
        if entry.previous != (entries[-1].sha256 if entries else None):
            raise RecordError("does not follow the line before: the chain is broken", where=place)
        if (entry.event is Event.OPENED) != (number == 0) or (number == 0 and entry.criteria_sha256 is None):
            raise RecordError("the criteria stand in the first entry and nowhere else", where=place)
        entries.append(entry)
    return tuple(entries)


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a ledger's file.

    Raises:
        RecordError: it is absent, or as `parse` does.
    """
    try:
        return parse(read_text(path, MAX_TEXT_BYTES), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", where=path.name) from error


def unended(entries: Sequence[Entry]) -> list[Entry]:
    """The starts that no entry ends."""
    ended = {entry.of for entry in entries if entry.event in (Event.FINISHED, Event.FAILED)}
    return [entry for entry in entries if entry.event is Event.STARTED and entry.number not in ended]


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of records that were not discarded."""
    gone = {entry.of for entry in entries if entry.event is Event.DISCARDED}
    return [e for e in entries if e.event in (Event.FINISHED, Event.ADOPTED) and e.number not in gone]


def runs(entries: Sequence[Entry]) -> Runs:
    """What a ledger comes to."""
    counts = {event: sum(entry.event is event for entry in entries) for event in Event}
    return Runs(
        criteria_sha256=entries[0].criteria_sha256 or "",
        opened_at=entries[0].time,
        entries=len(entries),
        head_sha256=entries[-1].sha256,
        started=counts[Event.STARTED],
        finished=counts[Event.FINISHED],
        failed=counts[Event.FAILED],
        discarded=counts[Event.DISCARDED],
        adopted=counts[Event.ADOPTED],
        reported=len(standing(entries)),
        elsewhere=_elsewhere(entries),
    )


def contradictions(entries: Sequence[Entry], criteria_sha256: str, records: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a ledger beside the criteria and the records of its folder.

    Args:
        records: experiment → sha256 of the record that is reported.
    """
    if entries[0].criteria_sha256 != criteria_sha256:
        yield "its first entry fixes other criteria than those of spec.json"
    for entry in unended(entries):
        yield f"line {entry.number + 1}: {entry.experiment} started and neither finished nor failed"
    yield from _wrong_ends(entries)
    reported = {(entry.experiment, entry.record_sha256) for entry in standing(entries)}
    for experiment, sha256 in records.items():
        if (experiment, sha256) not in reported:
            yield f"tells of no run that made the reported record of {experiment} ({sha256[:12]}…)"
    for what, told in sorted(reported - set(records.items()), key=str):
        yield f"tells of a record of {what} ({str(told)[:12]}…) that is neither reported nor discarded"


def _wrong_ends(entries: Sequence[Entry]) -> Iterator[str]:
    """Entries that end what never began, or began as something else, or ended before."""
    begun = {
        Event.FINISHED: (Event.STARTED,),
        Event.FAILED: (Event.STARTED,),
        Event.DISCARDED: (Event.FINISHED, Event.ADOPTED),
    }
    ended: set[int] = set()
    for entry in entries:
        if entry.event not in begun:
            continue
        start = entries[entry.of] if entry.of is not None and 0 <= entry.of < entry.number else None
        if start is None or start.number in ended or not _ends(entry, start, begun[entry.event]):
            yield f"line {entry.number + 1}: {entry.event} is not the end of anything that began"
        else:
            ended.add(start.number)


def _ends(entry: Entry, start: Entry, begun: tuple[Event, ...]) -> bool:
    same = start.event in begun and start.experiment == entry.experiment
    return same and (entry.event is not Event.DISCARDED or start.record_sha256 == entry.record_sha256)


def _elsewhere(entries: Sequence[Entry]) -> int:
    return max((entry.count or 0 for entry in entries if entry.event is Event.ELSEWHERE), default=0)


class Ledger:
    """A ledger that is being kept. Each entry is on the disk, whole, before the method that makes it returns."""

    def __init__(self, path: Path, entries: Sequence[Entry]) -> None:
        self._path = path
        self._entries = list(entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was entered."""
        return tuple(self._entries)

    @property
    def text(self) -> str:
        """The file."""
        return "".join(f"{entry.line}\n" for entry in self._entries)

    def started(self, experiment: str, *, spec_sha256: str, code_sha256: str) -> Entry:
        """A step is about to run."""
        return self._append(Event.STARTED, experiment=experiment, spec_sha256=spec_sha256, code_sha256=code_sha256)

    def finished(self, start: Entry, *, record_sha256: str, exit_code: int, not_before: str = "") -> Entry:
        """It left a valid record that ends at ``not_before``: later than now where the clock was set back."""
        return self._append(
            Event.FINISHED,
            of=start.number,
            experiment=start.experiment,
            spec_sha256=start.spec_sha256,
            record_sha256=record_sha256,
            exit_code=exit_code,
            time=_at_least(not_before),
        )

    def failed(self, start: Entry, *, reason: str, exit_code: int | None) -> Entry:
        """It left none. ``reason`` names the kind of error and no path: the ledger travels."""
        return self._append(
            Event.FAILED,
            of=start.number,
            experiment=start.experiment,
            spec_sha256=start.spec_sha256,
            exit_code=exit_code,
            reason=reason,
        )

    def settle(self, records: Mapping[str, str], spec_sha256: str) -> Runs:
        """Enter which records are reported, and so which are not; experiment → sha256 of its record."""
        waiting = dict(records)
        for entry in reversed(standing(self._entries)):
            if entry.experiment is not None and waiting.get(entry.experiment) == entry.record_sha256:
                del waiting[entry.experiment]
            else:
                self._append(
                    Event.DISCARDED,
                    of=entry.number,
                    experiment=entry.experiment,
                    spec_sha256=entry.spec_sha256,
                    record_sha256=entry.record_sha256,
                )
        for experiment, sha256 in waiting.items():
            self._append(Event.ADOPTED, experiment=experiment, spec_sha256=spec_sha256, record_sha256=sha256)
        return runs(self._entries)

    def note_elsewhere(self, count: int) -> None:
        """Enter how many runs were started under other criteria, if that is news."""
        if count > _elsewhere(self._entries):
            self._append(Event.ELSEWHERE, count=count)

    def _append(self, event: Event, **told: str | int | None) -> Entry:
        entry = Entry(number=len(self._entries), previous=self._entries[-1].sha256, time=_now(), event=event)
        entry = dataclasses.replace(entry, **told)  # type: ignore[arg-type]  # the names are those of the fields
        self._entries.append(entry)
        write_atomic(self._path, self.text)
        return entry


def keep(folder: Path, criteria_sha256: str, copy: Path) -> Ledger:
    """The ledger of some criteria: gone on with, or begun. A start that a killed run left open is entered as failed.

    Args:
        folder: where the ledgers of a deliverable are kept, one for each set of criteria.
        copy: the one that travels in the finished folder; taken where it goes on from what is kept here.

    Raises:
        RecordError: the ledger that is kept there cannot be read.
    """
    kept = _kept(folder)
    try:
        travelled: tuple[Entry, ...] = read(copy)
    except RecordError:  # there is none, or somebody changed it: what is kept here stands
        travelled = ()
    if travelled:
        key = travelled[0].criteria_sha256 or ""
        ours = kept.get(key, ())
        if travelled[: len(ours)] == ours:
            kept[key] = travelled
    path = folder / f"{criteria_sha256}{SUFFIX}"
    entries = kept.pop(criteria_sha256, ())
    if not entries:
        entries = (Entry(number=0, time=_now(), event=Event.OPENED, criteria_sha256=criteria_sha256),)
    ledger = Ledger(path, entries)
    write_atomic(path, ledger.text)
    for start in unended(entries):
        ledger.failed(start, reason="it never ended: killed, or the machine stopped", exit_code=None)
    ledger.note_elsewhere(sum(entry.event is Event.STARTED for other in kept.values() for entry in other))
    return ledger


def _kept(folder: Path) -> dict[str, tuple[Entry, ...]]:
    """Hash of the criteria → the ledger of them."""
    found = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found[path.stem] = read(path)
        except RecordError as error:
            fix = "restore the file, or move it away: its runs are then not counted"
            raise RecordError(f"{error.what} in the ledger of earlier runs", where=str(path), fix=fix) from error
    return found


def _at_least(time: str) -> str:
    """Now, or a stored time that is later; by more than a day nobody's clock is set back while a step runs."""
    now = _now()
    try:
        ahead = dt.datetime.fromisoformat(time) - dt.datetime.fromisoformat(now)
    except (ValueError, TypeError):  # no time, or one without its zone
        return now
    return time if dt.timedelta(0) < ahead < dt.timedelta(days=1) else now


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
