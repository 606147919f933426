"""Experiment `optimisation`: which switches make the model quicker here, by how much, and without changing its answers.

Identical code runs against itself first; what it shows bounds every claim. Then one switch at a time, each pair in
fresh processes, then the best combination anew. What the budget left no time for is said.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Required, TypedDict

import torch

from npu_eval.asked.spec import AUTOCAST
from npu_eval.device.device import is_out_of_memory
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import DeviceRace, OptimisationData, ScalingRun, SweepRun
from npu_eval.experiments.optimisation.kind import KIND
from npu_eval.experiments.optimisation.search import WARM_S, Arm, Search, State, run_to
from npu_eval.experiments.performance import throughput
from npu_eval.machine import load as machine
from npu_eval.notation.durations import seconds
from npu_eval.notation.phrases import NOTHING, Phrase, as_written, said
from npu_eval.references.outputs import reference_of
from npu_eval.session.script import Context
from npu_eval.under_test.crew import ProcessEnded, Worker
from npu_eval.under_test.messages import ProfileData, Reply, Request, Role
from npu_eval.under_test.switches import Place, Switch, switches_of

__all__ = ["DESCRIPTION", "KIND", "add_arguments", "run"]

DESCRIPTION = """Try switches that may make the model quicker, one at a time and together, within a budget of time.

example: python %(prog)s --device auto --budget 10m"""


MIN_EFFECT = 0.02
"""The smallest effect that is called one: 2 %, below which two builds of the same source already differ."""
SINGLES_SHARE, TOGETHER_SHARE = 0.65, 0.95
"""Shares of the budget by which the switches alone, and their combination, must be done; the rest is for the record."""
REFERENCE_SHARE = 0.1
"""Share of the budget for computing references: of as many inputs as fit, at least one."""
ENOUGH_PAIRS = 4
"""Pairs of each switch that are planned for: with fewer, only large effects are ever decided."""
CONFIRMING_BLOCKS = 4
"""Pairs of a combination: it was chosen for being quick, so it is measured anew, and by itself."""
SWEEP_SIZES = (1, 2, 4, 8, 16, 32, 64)
SWEEP_WINDOW_S, SWEEP_CALL_S, SWEEP_BLOCKS = 0.3, 1.5, 4
"""Seconds of a window; a batch whose call takes longer ends the sweep; processes in which it is repeated at most."""
PROFILE_CALLS, PROFILE_S = 5, 5.0
"""Calls that are profiled at most, and seconds for which they are expected to last at most; one at least."""
RACE_S = 3.0
"""Seconds of a race of several devices."""


def _budget(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--budget``."""
    parser.add_argument(
        "--budget",
        type=_budget,
        default=seconds("5m"),
        metavar="TIME",
        help="how long to search, e.g. 90s, 10m (default: 5m)",
    )


def run(context: Context, arguments: argparse.Namespace) -> OptimisationData:
    """Search until the budget is spent or nothing is open."""
    started, before = time.monotonic(), machine.watch(1.0)
    counters = machine.reading()
    adapter, spec = context.adapter, context.spec
    cast = spec.numeric_modes.get(AUTOCAST)
    place = Place(
        device=context.device.facts(),
        network=context.network,
        threads=torch.get_num_threads(),
        dtype=f"autocast {cast}" if cast else spec.candidate.dtype,
    )
    switches = switches_of(adapter)
    with tempfile.TemporaryDirectory(prefix="npu-deliver-") as folder:
        search = Search(
            role=Role(root=str(context.root), spec=spec, device=context.device.name, switches=()),
            size=spec.timing.batch_sizes[0],
            reference=_references(context, Path(folder), REFERENCE_SHARE * arguments.budget),
            min_effect=MIN_EFFECT,
            deadline=started + arguments.budget,
            say=context.say,
            chance=random.Random(spec.seed),  # noqa: S311  an order, not a secret
        )
        readings: dict[str, str] = {}
        profile: ProfileData | None = None
        untried: list[str] = []
        ended = NOTHING
        try:
            readings, profile = _first_look(search, place, switches)
            _search(search, place, switches, readings, started, arguments.budget)
            untried = _together(search, place, switches, started + TOGETHER_SHARE * arguments.budget)
            if _go_on(search, started + TOGETHER_SHARE * arguments.budget):
                untried = _together(search, place, switches, started + TOGETHER_SHARE * arguments.budget)
            races = _races(search, context)
        except ProcessEnded as stopped:
            ended, races = said("without-switches").then(stopped.how), ()
    singles = {s.arm.switches for s in search.states if s.pairs or s.refused}
    left_out = [s.arm.switches[0] for s in search.states if s.stage == "single" and s.arm.switches not in singles]
    return OptimisationData(
        budget_s=arguments.budget,
        spent_s=time.monotonic() - started,
        batch_size=search.size,
        min_effect=MIN_EFFECT,
        baseline_first_call_s=search.first_call_s,
        baseline_readings=readings,
        trials=tuple(state.trial() for state in search.states if state.pairs or state.refused),
        untried=(*left_out, *untried),
        sweep=tuple(search.sweep),
        scaling=races,
        profile=profile,
        machine=(before, machine.state("during", counters, machine.reading())),
        ended=ended,
    )


def _references(context: Context, folder: Path, budget_s: float) -> str:
    """A file with the reference's outputs of as many inputs as the time allows."""
    spec = context.spec
    reference = reference_of(context)
    found: dict[str, dict[str, torch.Tensor]] = {}
    started = time.monotonic()
    for entry, photo in zip(spec.inputs, context.photos(), strict=True):
        found[entry.path] = reference.outputs(entry, context.preprocess([photo]))
        if time.monotonic() - started > budget_s:
            break
    context.say(f"[optimisation] reference outputs of {len(found)} inputs")
    torch.save(found, folder / "references.pt")
    return str(folder / "references.pt")


def _first_look(search: Search, place: Place, switches: Sequence[Switch]) -> tuple[dict[str, str], ProfileData | None]:
    """What the switches are without us, and where the time goes."""
    worker, warm = search.start(Arm())
    with worker:
        search.first_call_s = warm.first_call_s
        search.learn(worker.start_s, warm)
        applicable = tuple(s.name for s in switches if not s.needs(place))
        reply = worker.ask(Request(do="read", names=applicable), timeout_s=60)
        slowest = max((warm.first_call_s or 0.0, *warm.times_s))
        calls = max(1, min(PROFILE_CALLS, int(PROFILE_S / search.call_s)))
        profiled = worker.ask(
            Request(do="profile", batch_size=search.size, calls=calls), timeout_s=120 + 20 * calls * slowest
        )
    if profiled.failed:
        search.say(f"[optimisation] no profile: {profiled.failed}")
    return reply.readings or {}, profiled.profile


def _search(
    search: Search, place: Place, switches: Sequence[Switch], readings: Mapping[str, str], started: float, budget: float
) -> None:
    """Identical code first, then the switches alone: as many at a time as the budget has enough pairs for."""
    aa = State(stage="a/a", arm=Arm(), against=Arm(), defaults={})
    waiting: list[State] = []
    search.states.append(aa)
    for switch in switches:
        state = _alone(switch, place)
        search.states.append(state)
        state.refused = as_written(switch.needs(place))
        reading = readings.get(switch.name)
        if not state.refused and reading is not None and switch.wanted(reading):
            state.refused = said("already-reads", reading=reading)
        if not state.refused:
            waiting.append(state)
    until, latest = started + SINGLES_SHARE * budget, started + TOGETHER_SHARE * budget
    while waiting:
        room = int((until - time.monotonic()) / (ENOUGH_PAIRS * max(search.cost_s, 0.1))) - 2  # baseline and A/A
        if room < 1 and search.block:
            break
        wave, waiting = waiting[: max(1, room)], waiting[max(1, room) :]
        if not run_to(search, [aa, *wave], until, lambda worker, block: _sweep(search, worker, block), latest):
            break


def _alone(switch: Switch, place: Place) -> State:
    environment = {} if switch.needs(place) else switch.environment(place)
    arm = Arm(switches=(switch.name,), environment=environment, upload=switch.upload, pipelined=switch.pipelined)
    return State(
        stage="single",
        arm=arm,
        against=Arm(upload=switch.upload, pipelined=switch.pipelined),
        defaults={switch.name: switch.default_at(place)},
    )


def _sweep(search: Search, worker: Worker, block: int) -> None:
    """Throughput of each batch size in the baseline's process, the smallest first, until one is slow or too large."""
    if block >= SWEEP_BLOCKS:
        return
    for size in SWEEP_SIZES:
        if search.left() < 4 * SWEEP_CALL_S:
            return
        warm = worker.ask(Request(do="warm", batch_size=size, seconds=0.1), timeout_s=120)
        if warm.failed:
            search.sweep.append(
                SweepRun(block=block, batch_size=size, calls=1, windows_s=(), peak_memory_bytes=None, **_ended(warm))
            )
            return
        times = warm.times_s or (warm.first_call_s or SWEEP_WINDOW_S,)
        calls = throughput.calls_in(SWEEP_WINDOW_S, times)
        reply = worker.ask(Request(do="windows", batch_size=size, calls=calls, windows=2), timeout_s=120)
        search.sweep.append(
            SweepRun(
                block=block,
                batch_size=size,
                calls=calls,
                windows_s=reply.times_s,
                peak_memory_bytes=reply.peak_memory_bytes,
                **_ended(reply),
            )
        )
        if reply.failed or min(times) > SWEEP_CALL_S / 2:
            return


class _Ended(TypedDict, total=False):
    ended_by: Required[str]
    failed: Phrase


def _ended(reply: Reply) -> _Ended:
    if reply.full or not reply.failed:
        return {"ended_by": "out of memory" if reply.failed else "protocol"}
    return {"ended_by": "failed", "failed": reply.failed}


def _together(search: Search, place: Place, switches: Sequence[Switch], until: float) -> list[str]:
    """Add one gain after the other to the best so far, the largest first, each step measured anew.

    Returns:
        combinations for which there was no time.
    """
    known = {switch.name: switch for switch in switches}
    best, groups = Arm(), set[str]()
    for name in _gains(search, [s for s in search.states if s.stage == "single"]):
        switch = known[name]
        if switch.groups & groups or switch.upload or switch.pipelined:
            continue
        arm = Arm(switches=(*best.switches, name), environment={**best.environment, **switch.environment(place)})
        against = [Arm()] if not best.switches else [Arm(), best]
        states = [
            State(stage="combination", arm=arm, against=a, defaults={name: switch.default_at(place)}) for a in against
        ]
        if time.monotonic() + 2 * search.cost_s * len(states) > until:
            return [" + ".join(arm.switches)]
        search.states += states
        for _ in range(CONFIRMING_BLOCKS):
            if time.monotonic() + search.cost_s * len(states) > until:
                break
            search.run_block(states)
        if _gains(search, states[-1:]):
            best, groups = arm, groups | switch.groups
    return []


def _go_on(search: Search, until: float) -> bool:
    """Spend on the switches alone what no combination takes, and leave enough to measure one anew.

    Returns:
        whether there is a gain to combine now, and was none before.
    """
    singles = [s for s in search.states if s.stage == "single" and s.pairs]
    gains = _gains(search, singles)
    if gains:
        return False
    identical = [s for s in search.states if s.stage == "a/a"]
    while not gains and any(s.open for s in singles):
        todo = [s for s in (*identical, *singles) if s.open]
        if time.monotonic() + search.cost_s * (len(todo) + effects.MIN_PAIRS) > until:
            break
        search.run_block(todo)
        search.drop_decided(todo)
        gains = _gains(search, singles)
    return bool(gains)


def _gains(search: Search, states: Sequence[State]) -> list[str]:
    """The last switches of the trials that are gains and agree with the reference, the largest gain first."""
    trials = [state.trial() for state in states]
    everything = [state.trial() for state in search.states]
    known = effects.noise(everything)
    aa = effects.aa_range(everything, known)
    rows = [effects.row(t, known, aa, search.min_effect, search.role.spec.criteria) for t in trials]
    gains = [r for r in rows if r.accepted and r.effect is not None]
    return [r.switches[-1] for r in sorted(gains, key=lambda r: -(r.effect.factor if r.effect else 0.0))]


def _races(search: Search, context: Context) -> tuple[ScalingRun, ...]:
    """Every visible device at once from one shared start, and each alone; nothing where there is one device."""
    kind = context.device.name.partition(":")[0]
    count = 1 if kind == "cpu" else int(torch.get_device_module(kind).device_count())
    if count < 2 or search.left() < 2 * RACE_S:
        return ()
    workers: list[Worker] = []
    try:
        for index in range(count):
            role = Role(root=search.role.root, spec=search.role.spec, device=f"{kind}:{index}", switches=())
            worker = Worker(role, {})
            workers.append(worker)
            if worker.refused:
                return ()
            worker.ask(Request(do="warm", batch_size=search.size, seconds=WARM_S), timeout_s=300)
        together = race(workers, search.size)
        alone = tuple(r for worker in workers for r in race([worker], search.size))
    except (ProcessEnded, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        context.say(f"[optimisation] several devices: {error}")
        return ()
    finally:
        for worker in workers:
            worker.close()
    return (ScalingRun(batch_size=search.size, together=together, alone=alone),)


def race(workers: Sequence[Worker], size: int) -> tuple[DeviceRace, ...]:
    """Let processes call as often as they can from one moment of the shared clock on."""
    start_at = time.monotonic() + 0.5  # every process has read its request by then
    for worker in workers:
        worker.tell(Request(do="race", batch_size=size, start_at=start_at, seconds=RACE_S))
    replies = [worker.answer(timeout_s=60 + 10 * RACE_S) for worker in workers]
    return tuple(
        DeviceRace(device=worker.role.device, calls=reply.count, seconds=reply.seconds)
        for worker, reply in zip(workers, replies, strict=True)
        if not reply.failed
    )
