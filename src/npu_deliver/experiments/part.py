"""The host's half of an experiment, declared. Standard library only: the verifier reads it, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from npu_eval.asked.spec import SpecFile
from npu_eval.records.kind import Kind
from npu_eval.records.record import Record

Rows = Iterator[tuple[Any, ...]]


def no_rows(found: Any, device: str) -> Rows:
    """Of an experiment whose numbers stand in no table of their own."""
    del found, device
    yield from ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the host makes of an experiment's record.

    ``summarize`` gives the field of the summary that has the kind's name: what the records come to, None (or an empty
    tuple) where the experiment left none. ``rows`` are (first cells of a table row, the things whose numbers it may
    show …) of that field, on pages that call the device by a name.

    ``pictures`` are the stems of the charts that may be drawn; their source is the record, or the summary where
    ``of_summary`` says so. ``draws_record``: from the record itself, and not only from what the summary derives of it.
    ``timed``: they show times, which those of a simulated device are not.
    """

    kind: Kind
    summarize: Callable[[Mapping[str, Record], SpecFile], Any]
    rows: Callable[[Any, str], Rows] = no_rows
    pictures: tuple[str, ...] = ()
    of_summary: bool = False
    draws_record: bool = False
    timed: bool = False
