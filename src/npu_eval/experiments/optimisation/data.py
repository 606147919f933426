"""What the optimisation experiment stores: raw times of interleaved fresh processes, never an effect.

Standard library only; `effects` derives everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from npu_eval.errors import RecordError
from npu_eval.experiments.precision.data import PrecisionData, check_precision
from npu_eval.jsonio import ABSENT_BY_DEFAULT
from npu_eval.machine.load import MachineState
from npu_eval.notation.phrases import NOTHING, Phrase
from npu_eval.under_test.messages import ProfileData


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Calls made one after the other by one of two processes; ``on`` tells the one with the switches from the other."""

    on: bool
    samples_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two processes side by side, their bursts in the order in which they ran: off on on off, on off off on."""

    block: int
    bursts: tuple[Burst, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of switches against another, in fresh processes.

    Both empty: identical code against itself (A/A). ``stage`` is ``a/a``, ``single`` or ``combination``. ``readings``
    are the switches' values read back inside the process, ``defaults`` what documentation says they are here without
    us. ``refused`` says why nothing was timed; ``ended`` why no more was.
    """

    stage: str
    switches: tuple[str, ...]
    against: tuple[str, ...]
    timed: str
    defaults: dict[str, str]
    readings: dict[str, str]
    refused: Phrase
    ended: Phrase
    first_call_s: float | None
    peak_memory_bytes: int | None
    resident_bytes: int | None
    precision: PrecisionData | None
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """One batch size in one process: windows of ``calls`` pipelined calls; none where it did not fit into memory.

    ``ended_by`` is as for a `LatencyRun`, or ``failed``, and ``failed`` then says how.
    """

    block: int
    batch_size: int
    calls: int
    windows_s: tuple[float, ...]
    peak_memory_bytes: int | None
    ended_by: str
    failed: Phrase = field(default=NOTHING, metadata=ABSENT_BY_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class DeviceRace:
    """One device's share of a race: ``calls`` finished in the ``seconds`` of wall clock that all devices shared."""

    device: str
    calls: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ScalingRun:
    """Several devices at once from one shared start, and each of them alone by the same rule."""

    batch_size: int
    together: tuple[DeviceRace, ...]
    alone: tuple[DeviceRace, ...]


@dataclass(frozen=True, kw_only=True)
class OptimisationData:
    """Every trial with its raw bursts. ``untried`` maps what the budget left no time for to what it would have been."""

    budget_s: float
    spent_s: float
    batch_size: int
    min_effect: float
    baseline_first_call_s: float | None
    baseline_readings: dict[str, str]
    trials: tuple[Trial, ...]
    untried: tuple[str, ...]
    sweep: tuple[SweepRun, ...]
    scaling: tuple[ScalingRun, ...]
    profile: ProfileData | None
    machine: tuple[MachineState, ...]
    ended: Phrase


def check_optimisation(data: OptimisationData, where: str) -> None:
    """Refuse numbers that no experiment writes.

    Raises:
        RecordError: a duration or a count is not above zero, or a pair lacks one of its two sides.
    """
    for i, trial in enumerate(data.trials):
        place = f"{where}.trials[{i}]"
        if trial.precision is not None:
            check_precision(trial.precision, f"{place}.precision")
        for pair in trial.pairs:
            samples = [s for burst in pair.bursts for s in burst.samples_s]
            if {burst.on for burst in pair.bursts if burst.samples_s} != {False, True} or min(samples) <= 0.0:
                raise RecordError("a pair needs times above zero on both sides", where=place)
    for i, run in enumerate(data.sweep):
        if run.batch_size < 1 or run.calls < 1 or min((*run.windows_s, 1.0)) <= 0.0:
            raise RecordError("batch sizes, calls and durations are above zero", where=f"{where}.sweep[{i}]")
    for i, race in enumerate(data.scaling):
        if min((1.0, *(r.seconds for r in (*race.together, *race.alone)))) <= 0.0:
            raise RecordError("a race lasts longer than nothing", where=f"{where}.scaling[{i}]")
