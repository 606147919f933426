"""The search for gains under a budget: pairs of fresh processes, block by block, until the time or the questions end.

Every block starts one baseline and, one after the other, a process for each switch that is still open. What is clearly
slower or clearly nothing is dropped; only what is open costs time. Nothing is called a gain here: `effects` judges the
finished record.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import Burst, Pair, SweepRun, Trial
from npu_eval.experiments.optimisation.effects import Outcome
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.under_test.crew import START_TIMEOUT_S, ProcessEnded, Worker
from npu_eval.under_test.messages import Reply, Request, Role

BURST_S = 0.1
"""Seconds of a burst: short against what a busy machine does in a second, long against a message."""
ROUNDS = 8
"""Rounds of four bursts in a pair, until it is known how far rounds and processes differ: `effects.best_rounds`."""
PAIR_S = 8.0
"""Seconds after which a pair gets no further round: where a call takes seconds, another process tells more than a
further round of the same two, because calls of one process share its luck."""
MAX_PAIRS = 8
"""Pairs of a trial at most; more narrow an interval by less than a tenth each."""
MOST_CALLS = 200
"""Calls of a burst at most."""
MANY_TIMES, FEW_CALLS = 1_000_000, 20
"""Times of a search after which a burst has no more than so few calls: the record must stay below the size up to which
records are read (`limits.MAX_RECORD_BYTES`), and the longest one takes 42 bytes for each."""
WARM_S = 1.0
"""Seconds of warm-up of each process at most; the first call comes before."""
ORDERS = ((False, True, True, False), (True, False, False, True))
"""Off on on off, and its mirror: what drifts linearly cancels in each."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a process is started with: its switches, their environment, whether uploads are timed or calls pipelined."""

    switches: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    upload: bool = False
    pipelined: bool = False

    @property
    def timed(self) -> str:
        """What one time is of."""
        if self.pipelined:
            return "pipelined forwards"
        return "upload and forward" if self.upload else "forward"


@dataclass(kw_only=True)
class State:
    """A trial while it grows."""

    stage: str
    arm: Arm
    against: Arm
    defaults: dict[str, str]
    pairs: list[Pair] = field(default_factory=list)
    refused: Phrase = NOTHING
    ended: Phrase = NOTHING
    warm: Reply = field(default_factory=Reply)
    precision: PrecisionData | None = None

    def trial(self) -> Trial:
        """What is recorded of it."""
        return Trial(
            stage=self.stage,
            switches=self.arm.switches,
            against=self.against.switches,
            timed=self.arm.timed,
            defaults=self.defaults,
            readings=self.warm.readings or {},
            refused=self.refused,
            ended=self.ended,
            first_call_s=self.warm.first_call_s,
            peak_memory_bytes=self.warm.peak_memory_bytes,
            resident_bytes=self.warm.resident_bytes,
            precision=self.precision,
            pairs=tuple(self.pairs),
        )

    @property
    def open(self) -> bool:
        """Whether another pair could still tell something."""
        return not self.refused and not self.ended and len(self.pairs) < MAX_PAIRS


@dataclass(kw_only=True)
class Search:
    """Runs trials; holds the clock and what has been learnt of how long a process takes."""

    role: Role
    size: int
    reference: str
    min_effect: float
    deadline: float
    say: Callable[[str], None]
    chance: random.Random
    states: list[State] = field(default_factory=list)
    sweep: list[SweepRun] = field(default_factory=list)
    first_call_s: float | None = None
    call_s: float = 0.0
    start_s: float = 0.0
    cost_s: float = 0.0
    best_rounds: int = ROUNDS
    block: int = 0
    times: int = 0

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def start(self, arm: Arm) -> tuple[Worker, Reply]:
        """A warm process, and what its warm-up told.

        Raises:
            ProcessEnded: it died, refused a switch, or took longer than there is time.
        """
        role = Role(
            root=self.role.root, spec=self.role.spec, device=self.role.device, switches=arm.switches, upload=arm.upload
        )
        worker = Worker(role, arm.environment, timeout_s=max(5.0, min(START_TIMEOUT_S, self.left())))
        try:
            if worker.refused:
                raise ProcessEnded(worker.refused)
            warm = worker.ask(Request(do="warm", batch_size=self.size, seconds=WARM_S), timeout_s=max(5.0, self.left()))
            if warm.failed:
                raise ProcessEnded(warm.failed)
        except BaseException:
            worker.close()
            raise
        return worker, warm

    def run_block(self, states: Sequence[State], extra: Callable[[Worker, int], None] | None = None) -> None:
        """One pair for each of the states against fresh baselines; stops where the time ends.

        Args:
            extra: what else the baseline's process is asked, after the pairs.
        """
        baselines: dict[tuple[tuple[str, ...], bool], Worker] = {}
        order = list(states)
        if self.block:
            self.chance.shuffle(order)  # no switch is always the one after the start
        try:
            for state in order:
                if self.left() < self.cost_s and self.block + len(baselines) > 0:
                    break
                started = time.monotonic()
                self._pair(state, baselines)
                self.cost_s = 0.5 * self.cost_s + 0.5 * (time.monotonic() - started)
            if extra is not None and ((), False) in baselines and self.left() > 0:
                extra(baselines[((), False)], self.block)
        finally:
            for worker in baselines.values():
                worker.close()
            self.block += 1
        trials = [state.trial() for state in states]
        self.best_rounds = effects.best_rounds(trials, self.start_s, 4 * self._burst_s()) or self.best_rounds

    def _pair(self, state: State, baselines: dict[tuple[tuple[str, ...], bool], Worker]) -> None:
        key = (state.against.switches, state.against.upload)
        if key not in baselines:
            baselines[key], warm = self.start(state.against)
            self.learn(baselines[key].start_s, warm)
        try:
            worker, state.warm = self.start(state.arm)
        except ProcessEnded as ended:
            state.refused = state.refused or ended.how
            self.say(f"[optimisation] {' + '.join(state.arm.switches)}: {ended}")
            return
        with worker:
            try:
                if state.precision is None and state.arm.switches and self.reference:
                    compared = worker.ask(Request(do="compare", path=self.reference), timeout_s=max(5.0, self.left()))
                    state.precision = self._precision(compared)
                    state.refused = compared.failed
                if not state.refused:
                    state.pairs.append(self._bursts(baselines[key], worker, pipelined=state.arm.pipelined))
            except ProcessEnded as ended:
                state.refused = ended.how
        self._tell(state)

    def _precision(self, compared: Reply) -> PrecisionData | None:
        """The answers of a trial against the reference's; None where there are none."""
        if compared.failed:
            return None
        return PrecisionData(
            reference_dtype=self.role.spec.reference.dtype,
            candidate_dtype=compared.dtype,
            differences=compared.differences,
            repeats=(),
            rankings=compared.rankings,
        )

    def learn(self, start_s: float, warm: Reply) -> None:
        """What a call and a pair take, from the start and the warm-up of a process."""
        times = warm.times_s or (warm.first_call_s or BURST_S,)
        self.call_s = statistics.median(times)
        self.start_s = start_s + (warm.first_call_s or 0.0) + sum(times)
        self.cost_s = max(self.cost_s, self.start_s + 4 * self.rounds() * self._burst_s())

    def rounds(self) -> int:
        """Rounds of a pair: as many as are worth their time, at most those that `PAIR_S` has room for, one at least."""
        return max(1, min(self.best_rounds, int(PAIR_S / (4 * self._burst_s()))))

    def _burst_s(self) -> float:
        return max(BURST_S, self.call_s)

    def _bursts(self, off: Worker, on: Worker, *, pipelined: bool) -> Pair:
        most = MOST_CALLS if self.times < MANY_TIMES else FEW_CALLS
        calls = max(4 if pipelined else 1, min(most, round(BURST_S / self.call_s)))
        bursts = []
        for number in range(self.rounds()):
            for is_on in ORDERS[number % 2]:
                request = Request(do="windows" if pipelined else "burst", batch_size=self.size, calls=calls, windows=1)
                reply = (on if is_on else off).ask(request, timeout_s=max(30.0, 100 * calls * self.call_s))
                if reply.failed:
                    raise ProcessEnded(reply.failed)
                bursts.append(Burst(on=is_on, samples_s=reply.times_s))
                self.times += len(reply.times_s)
        return Pair(block=self.block, bursts=tuple(bursts))

    def _tell(self, state: State) -> None:
        name = " + ".join(state.arm.switches) or "A/A"
        found = [f"{100 * (2.718281828 ** effects.pair_effect(pair) - 1):+.1f} %" for pair in state.pairs]
        self.say(f"[optimisation] {name}: {state.refused or ', '.join(found)}; {max(0.0, self.left()):.0f} s left")

    def drop_decided(self, states: Sequence[State]) -> None:
        """End what is decided: clearly slower, clearly no gain, or clearly one, which the combination measures anew."""
        trials = [state.trial() for state in self.states]
        known = effects.noise(trials)
        aa = effects.aa_range(trials, known)
        for state in states:
            found = effects.effect(state.trial(), known)
            if state.stage == "a/a" or found is None or not state.open:
                continue
            if found.high < 1 and effects.outcome(found, aa=aa, min_effect=self.min_effect) is Outcome.LOSS:
                state.ended = said("slower")
            elif found.high < 1 + self.min_effect and len(state.pairs) >= 3:
                state.ended = said("no-gain-left")
            elif len(state.pairs) >= 4 and effects.outcome(found, aa=aa, min_effect=self.min_effect) is Outcome.GAIN:
                state.ended = said("quicker")


def run_to(
    search: Search, states: list[State], until: float, extra: Callable[[Worker, int], None] | None, latest: float
) -> bool:
    """Block after block until a moment of the monotonic clock (False), or until nothing but A/A is open (True).

    Args:
        latest: the moment that counts while a trial has too few pairs for anything to be said of it.
    """
    while any(s.open and s.stage != "a/a" for s in states):
        todo = [state for state in states if state.open]
        silent = any(len(state.pairs) < effects.MIN_PAIRS for state in todo)
        if search.block and time.monotonic() + search.cost_s * len(todo) > (latest if silent else until):
            return False
        search.run_block(todo, extra)
        search.drop_decided(todo)
    return True
