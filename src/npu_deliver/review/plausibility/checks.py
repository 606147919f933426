"""Cross checks between what a folder says in different places, so that a forger has to keep many things consistent.

Hashes bind the files of a folder to each other; whoever writes all of them anew is bound by none. What is left is that
measurements are related: times to clocks, sums to each other, speed to what a chip can do. Each check names something
that cannot be so, or something that is hard to believe (`remarks`). It runs on the records alone, whatever version made
the folder. Without attestation nothing here can prove that a folder is honest; docs/how-to/verify.md says what cannot
be found.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from npu_deliver import ledger
from npu_deliver.errors import DeliverError
from npu_deliver.experiments.registry import OPTIONAL, asked, read_record
from npu_deliver.review.otherwise import Finding
from npu_deliver.review.plausibility import agreement, chronology, device_limits, difference_sums, timed_series
from npu_deliver.review.plausibility.remarks import LEDGER_ITSELF, Remark, contradiction
from npu_eval.asked.layout import LEDGER
from npu_eval.asked.spec import SpecFile, read_spec_file
from npu_eval.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What cannot be so, and what is hard to believe."""

    contradictions: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()


def weigh(folder: Path, now: dt.datetime | None = None) -> Weighed:
    """Hold what a folder says in one place against what it says in others.

    What cannot be read is left out: that is a finding of its own, elsewhere.

    Args:
        now: of whoever checks; the machine's clock unless given.
    """
    try:
        spec_file = read_spec_file(folder / "spec.json")
    except DeliverError:
        return Weighed()
    layout = spec_file.layout
    records = _records(folder, spec_file)
    found = dict.fromkeys(_remarks(folder, spec_file, records, now or dt.datetime.now(dt.UTC)))
    file_of = {kind: layout.record(kind) for kind in records} | {LEDGER_ITSELF: layout.at(LEDGER)}
    return Weighed(
        contradictions=tuple(Finding(file=file_of[r.of], what=r.what) for r in found if r.certain),
        doubts=tuple(Finding(file=file_of[r.of], what=r.what) for r in found if not r.certain),
    )


def _remarks(folder: Path, spec_file: SpecFile, records: dict[str, Record], now: dt.datetime) -> Iterator[Remark]:
    spec = spec_file.evaluation
    try:
        entries = ledger.read(folder / spec_file.layout.at(LEDGER))
    except DeliverError:
        entries = ()
    yield from chronology.remarks(records, entries, now)
    checks: tuple[tuple[str, Callable[[], Iterable[Remark]]], ...] = (
        ("precision", lambda: difference_sums.remarks(records["precision"], spec)),
        ("performance", lambda: timed_series.remarks(records)),
        ("performance", lambda: device_limits.remarks(records)),
        ("performance", lambda: agreement.remarks(folder, spec, records)),
    )
    for of, check in checks:
        try:
            yield from check() if of in records else ()
        except (ArithmeticError, ValueError, LookupError) as error:  # lists that do not fit together, too
            yield contradiction(of, f"holds what no measurement gives ({error})")


def _records(folder: Path, spec_file: SpecFile) -> dict[str, Record]:
    """The records of the folder that can be read, by their experiment."""
    spec, found = spec_file.evaluation, {}
    for kind in (*asked(spec), *OPTIONAL):
        try:
            record = read_record(folder / spec_file.layout.record(kind), spec_sha256=spec.sha256)
        except DeliverError:
            continue
        if record.kind == kind:
            found[kind] = record
    return found
