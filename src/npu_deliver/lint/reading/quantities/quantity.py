"""A quantity: a printed number with what it is, on which side, under which settings, and what stands beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.words.label import Meaning, by_unit, statistic
from npu_deliver.lint.reading.words.number import Number, with_label_unit
from npu_deliver.lint.reading.words.settings import Settings

CLAUSE = re.compile(r"[,;，；。、()!?|\[\]{}]|(?:\s[-–—]>?\s)|→|->")
"""What ends the words that belong to one number."""


RELATIVE = re.compile(
    r"加速|提速|提升|提高|相对|相比|对比|[快慢高低]|倍(?!率)|vs\b|speed|fast|slow|ratio|gain|improv|compar|relative|times",
    re.IGNORECASE,
)
"""Words that make a bare "2x" a ratio of measurements."""


@dataclass(slots=True)
class Quantity:
    """One number and its meaning. ``context`` is every label that applies to it, from the cell out.

    ``named`` are the words that name the quantity itself, ``settings`` what else is said of it and sets it apart;
    ``logged`` where it stands in a block of log text.
    """

    kind: str
    stat: str
    side: str
    number: Number
    at: Span
    label: str
    context: str
    section: int
    table: int = -1
    row: int = -1
    column: int = -1
    settings: Settings = frozenset()
    named: str = ""
    logged: bool = False


@dataclass(slots=True)
class Group:
    """Quantities of one measurement: a row, a column, a line, a run of pairs, a JSON object."""

    quantities: list[Quantity] = field(default_factory=list)
    context: str = ""
    section: int = 0
    shape: str = "line"

    def one(self, kind: str, stats: tuple[str, ...] = ("",)) -> list[Quantity]:
        """The group's quantities of a kind, with one of the statistics."""
        return [q for q in self.quantities if q.kind == kind and q.stat in stats]


@dataclass(slots=True)
class Quantities:
    """Everything numeric in a document."""

    all: list[Quantity] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


_SLASH_STATS = re.compile(r"\b(\w+(?:\s*/\s*\w+)+)\s*(?:\([^)]*\))?\s*[:=]?\s*$")


def slash_stats(left: str) -> list[str]:
    """``mean/max:`` before ``6.9/50.3`` names the numbers one by one."""
    match = _SLASH_STATS.search(left)
    parts = [part.strip() for part in match[1].split("/")] if match else []
    return parts if len(parts) > 1 and all(statistic(part) for part in parts) else []


_TIMES = frozenset({"latency", "total_time", "load_time", "step_time"})
_NEVER_A_TIME = frozenset({"speedup", "gain", "batch", "accuracy", "warmup", "count", "schedule", "cards"})
_CHANGE = re.compile(r"提升|提高|下降|降低|gain|improv|reduc|faster|slower|高|快|慢")


def fitting(what: Meaning | None, number: Number, label: str) -> Meaning | None:
    """A meaning that the unit allows: milliseconds are no frame rate, a percentage of a latency is a change of it."""
    unit = with_label_unit(number, label).unit
    if what is None:
        return by_unit(unit)
    if what.kind == "statistic":
        return Meaning({"s": "latency", "/s": "throughput"}[unit], what.stat) if unit in ("s", "/s") else None
    if unit == "/s":
        return Meaning("throughput", statistic(label) if what.kind in ("latency", "throughput", "performance") else "")
    if unit == "s":
        return _time(what, label)
    if unit == "x":
        return Meaning("speedup") if what.kind in (*_TIMES, "throughput", "gain", "speedup", "performance") else None
    if unit == "%" and what.kind in (*_TIMES, "throughput", "speedup", "performance"):
        return Meaning("gain") if number.signed or _CHANGE.search(label) else None
    if (what.kind in _TIMES and unit != "s") or (unit == "B" and what.kind != "memory"):
        return None
    if what.kind == "batch" and (unit or not number.integer or number.value < 1):
        return None
    return what


def _time(what: Meaning, label: str) -> Meaning | None:
    if what.kind in ("throughput", "error", "performance"):
        return Meaning("latency", statistic(label))
    return None if what.kind in _NEVER_A_TIME else what
