"""The search with processes that are only pretended: how often each is started, and what ends it."""

from __future__ import annotations

import dataclasses
import math
import random
import string
import time
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import samples
from contexts import context
from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.optimisation import search
from npu_eval.experiments.optimisation.run import _gains, _go_on, _search, _sweep, _together
from npu_eval.experiments.optimisation.search import Arm, Search, State, run_to
from npu_eval.notation.phrases import NOTHING, said
from npu_eval.under_test.bench import Bench
from npu_eval.under_test.crew import ProcessEnded
from npu_eval.under_test.messages import Reply, Request, Role
from npu_eval.under_test.switches import SWITCHES, Place, Switch


class FakeWorker:
    """A process in which a call takes as long as its switches make it, with luck of its own."""

    started: list[tuple[str, ...]]
    factors: dict[str, float]
    rng: random.Random

    def __init__(self, role: Role, environment: dict[str, str], *, timeout_s: float = 0.0) -> None:
        type(self).started.append(role.switches)
        self.role, self.refused, self.start_s = role, NOTHING, 0.001
        if "refuses" in role.switches:
            self.refused = said("raised", error="ValueError: this machine cannot")
        if "crashes" in role.switches:
            raise ProcessEnded("the process was killed by signal 11")
        factor = 1.0
        for name in role.switches:
            factor *= type(self).factors.get(name, 1.0)
        self.call_s = 0.01 / factor * (1 + type(self).rng.gauss(0, 0.002))

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to end."""

    def ask(self, request: Request, *, timeout_s: float) -> Reply:
        if request.do == "warm" and request.batch_size >= 8:
            return Reply(failed=said("raised", error="NPU out of memory"), full=True)
        if request.do == "warm":
            return Reply(
                first_call_s=0.02, times_s=(self.call_s,) * 10, readings=dict.fromkeys(self.role.switches, "on")
            )
        if request.do == "compare":
            broken = "bfloat16" in self.role.switches
            found = samples.breaking_precision() if broken else samples.precision_data(repeats=())
            return Reply(differences=found.differences, rankings=found.rankings, dtype=found.candidate_dtype)
        if request.do == "windows":
            return Reply(times_s=(self.call_s * request.calls * request.batch_size**0.5,) * request.windows)
        return Reply(times_s=(self.call_s,) * request.calls)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    FakeWorker.started, FakeWorker.factors, FakeWorker.rng = [], {}, random.Random(0)
    monkeypatch.setattr(search, "Worker", FakeWorker)
    return FakeWorker


def make(spec: EvalSpec | None = None, seconds: float = 60.0, said: list[str] | None = None) -> Search:
    role = Role(root=".", spec=spec or samples.eval_spec(), device="cpu", switches=())
    return Search(role=role, size=1, reference="there", min_effect=0.02, deadline=time.monotonic() + seconds,
                  say=(said if said is not None else []).append, chance=random.Random(0))  # fmt: skip


def switch(name: str, group: str | None = None, **changes: Any) -> Switch:
    return Switch(name=name, group=group or name, probe=lambda bench: "on", wanted=lambda reading: reading == "on",
                  **changes)  # fmt: skip


def place(root: Path) -> Place:
    made = context(root)
    return Place(device=samples.cpu_facts(), network=made.network, dtype="float32", threads=2)


def searched(root: Path, switches: tuple[Switch, ...], seconds: float = 60.0) -> tuple[Search, list[str]]:
    found = make(seconds=seconds)
    found.learn(0.001, Reply(first_call_s=0.01, times_s=(0.01,)))
    _search(found, place(root), switches, {"already": "on"}, time.monotonic(), seconds)
    return found, _together(found, place(root), switches, time.monotonic() + seconds)


def test_gains_are_found_combined_and_measured_anew(tmp_path: Path, fake: type[FakeWorker]) -> None:
    fake.factors = {"a": 1.10, "b": 1.30, "slow": 0.6}
    found, untried = searched(tmp_path, tuple(map(switch, ("a", "nothing", "b", "slow"))))
    assert untried == []
    stages = [(s.arm.switches, s.against.switches) for s in found.states if s.stage == "combination"]
    assert stages == [(("b",), ()), (("b", "a"), ()), (("b", "a"), ("b",))]
    assert _gains(found, [s for s in found.states if s.stage == "single"]) == ["b", "a"]
    assert found.states[0].stage == "a/a"
    assert len(found.states[0].pairs) >= 4


def test_what_is_decided_costs_no_more_time(tmp_path: Path, fake: type[FakeWorker]) -> None:
    fake.factors = {"slow": 0.5}
    found, _ = searched(tmp_path, tuple(map(switch, ("slow", "nothing"))))
    by_name = {s.arm.switches: s for s in found.states}
    assert by_name["slow",].ended == said("slower")
    assert len(by_name["slow",].pairs) <= 3
    assert by_name["nothing",].ended == said("no-gain-left")


def test_a_switch_that_crashes_refuses_or_is_on_already_is_told_and_the_others_go_on(
    tmp_path: Path, fake: type[FakeWorker]
) -> None:
    fake.factors = {"good": 1.2}
    found, _ = searched(tmp_path, tuple(map(switch, ("crashes", "refuses", "already", "good"))))
    refused = {s.arm.switches[0]: str(s.refused) for s in found.states if s.stage == "single"}
    assert refused == {
        "crashes": "the process was killed by signal 11",
        "refuses": "ValueError: this machine cannot",
        "already": "it already reads 'on' without us",
        "good": "",
    }
    assert fake.started.count(("crashes",)) == 1
    assert _gains(found, found.states) != []


def test_a_gain_that_breaks_agreement_is_not_combined(tmp_path: Path, fake: type[FakeWorker]) -> None:
    fake.factors = {"bfloat16": 2.0}
    found, _ = searched(tmp_path, (switch("bfloat16"),))
    assert [s.stage for s in found.states] == ["a/a", "single"]


def test_one_of_a_group_is_enough(tmp_path: Path, fake: type[FakeWorker]) -> None:
    fake.factors = {"a": 1.2, "b": 1.4}
    found, _ = searched(tmp_path, (switch("a", "same"), switch("b", "same")))
    assert {s.arm.switches for s in found.states if s.stage == "combination"} == {("b",)}


def test_a_switch_that_settles_other_groups_takes_none_of_their_switches_along(
    tmp_path: Path, fake: type[FakeWorker]
) -> None:
    fake.factors = {"whole": 1.6, "layout": 1.2, "other": 1.1}
    found, _ = searched(tmp_path, (switch("whole", settles=("layout",)), switch("layout"), switch("other")))
    assert {s.arm.switches for s in found.states if s.stage == "combination"} == {("whole",), ("whole", "other")}


@pytest.mark.parametrize(("call_s", "rounds"), [(0.001, 8), (0.1, 8), (0.7, 2), (3.0, 1), (60.0, 1)])
def test_slow_calls_make_few_rounds_so_that_there_is_time_for_more_processes(
    fake: type[FakeWorker], call_s: float, rounds: int
) -> None:
    found = make()
    found.learn(0.001, Reply(first_call_s=call_s, times_s=(call_s,)))
    state = State(stage="single", arm=Arm(switches=("a",)), against=Arm(), defaults={})
    found.run_block([state])
    assert len(state.pairs[0].bursts) == 4 * found.rounds()
    found.call_s = call_s
    assert found.rounds() == rounds


def test_bursts_are_short_once_a_record_would_grow_too_long(
    fake: type[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MANY_TIMES": 100, "MOST_CALLS": 8, "FEW_CALLS": 2}.items():
        monkeypatch.setattr(search, name, value)
    found = make()
    found.learn(0.001, Reply(first_call_s=0.0005, times_s=(0.0005,)))
    state = State(stage="single", arm=Arm(switches=("a",)), against=Arm(), defaults={})
    found.run_block([state])
    found.run_block([state])
    found.run_block([state])
    calls = [{len(burst.samples_s) for burst in pair.bursts} for pair in state.pairs]
    assert (calls[0], calls[-1]) == ({8}, {2})
    assert found.times == sum(len(burst.samples_s) for pair in state.pairs for burst in pair.bursts)


@pytest.mark.parametrize(("of_rounds", "of_processes", "more"), [(0.2, 0.0, True), (0.01, 0.1, False)])
def test_a_pair_has_more_rounds_where_rounds_differ_and_fewer_where_processes_do(
    fake: type[FakeWorker], monkeypatch: pytest.MonkeyPatch, of_rounds: float, of_processes: float, more: bool
) -> None:
    chance = random.Random(1)

    def ask(self: FakeWorker, request: Request, *, timeout_s: float) -> Reply:
        if request.do == "warm":
            self.luck = chance.gauss(0, of_processes)  # type: ignore[attr-defined]
            return Reply(first_call_s=2.0, times_s=(0.01,))
        luck = self.luck + chance.gauss(0, of_rounds)  # type: ignore[attr-defined]
        return Reply(times_s=(0.01 * math.exp(luck),) * request.calls)

    monkeypatch.setattr(FakeWorker, "ask", ask)
    found = make(seconds=1e6)
    found.reference = ""
    states = [State(stage="single", arm=Arm(switches=(name,)), against=Arm(), defaults={}) for name in string.hexdigits]
    for _ in range(5):
        found.run_block(states)
    made = [{len(state.pairs[block].bursts) // 4 for state in states} for block in range(5)]
    assert made[:2] == [{8}, {8}]
    assert min(made[4]) > 8 if more else made[4] == {2}


def test_a_network_with_an_optimise_of_its_own_is_rearranged_by_it(tmp_path: Path) -> None:
    class Network(nn.Conv2d):
        optimised = False

        def optimise(self) -> None:
            self.optimised = True

    declared = {s.name: s for s in SWITCHES}["network-optimise"]
    here = place(tmp_path)
    assert declared.needs(here) == said("no-optimise")
    assert declared.needs(dataclasses.replace(here, network=Network(1, 1, 1))) == NOTHING
    bench = Bench(context=context(tmp_path), model=Network(1, 1, 1), singles=[])
    assert not declared.wanted(declared.probe(bench))
    declared.turn_on(bench)
    assert declared.wanted(declared.probe(bench))
    assert declared.groups & {s.name: s for s in SWITCHES}["channels-last"].groups


def test_a_budget_that_is_spent_leaves_switches_untried(tmp_path: Path, fake: type[FakeWorker]) -> None:
    found = make(seconds=0.5)
    found.cost_s = 10.0
    _search(found, place(tmp_path), tuple(map(switch, "abcdef")), {}, time.monotonic(), 0.5)
    tried = [s.arm.switches[0] for s in found.states if s.stage == "single" and s.pairs]
    assert len(tried) < 6


def test_a_trial_is_not_left_with_a_single_pair_while_there_is_budget(fake: type[FakeWorker]) -> None:
    for latest, pairs in ((0.0, 1), (1e12, 2)):
        states = [State(stage="a/a", arm=Arm(), against=Arm(), defaults={}),
                  State(stage="single", arm=Arm(switches=("a",)), against=Arm(), defaults={})]  # fmt: skip
        assert not run_to(make(), states, 0.0, None, latest)
        assert [len(state.pairs) for state in states] == [pairs, pairs]


def test_time_that_no_combination_took_goes_to_what_is_open(
    tmp_path: Path, fake: type[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.factors = {"a": 1.10}
    found = make()
    aa = State(stage="a/a", arm=Arm(), against=Arm(), defaults={})
    state = State(stage="single", arm=Arm(switches=("a",)), against=Arm(), defaults={})
    found.states += [aa, state]
    found.run_block([aa, state])
    assert _gains(found, [state]) == []  # one pair says nothing
    found.cost_s = 10.0
    assert not _go_on(found, time.monotonic() + 39.0)  # a pair of each, and two of the combination, take 40 s
    assert len(state.pairs) == 1
    monkeypatch.setattr(Search, "learn", lambda self, start_s, warm: setattr(self, "call_s", 0.01))
    found.cost_s = 0.01
    assert _go_on(found, time.monotonic() + 60.0)
    assert _gains(found, [state]) == ["a"]
    before = len(state.pairs)
    assert not _go_on(found, time.monotonic() + 60.0)  # there is one already
    assert len(state.pairs) == before >= 2


def test_a_baseline_that_cannot_run_ends_the_search(fake: type[FakeWorker], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: FakeWorker, request: Request, *, timeout_s: float) -> Reply:
        raise ProcessEnded(f"did not answer within {timeout_s:.0f} s")

    monkeypatch.setattr(FakeWorker, "ask", never)
    with pytest.raises(ProcessEnded, match="did not answer within"):
        run_to(make(), [State(stage="single", arm=Arm(switches=("a",)), against=Arm(), defaults={})], 1e12, None, 1e12)


def test_a_sweep_records_what_does_not_fit_and_stops(fake: type[FakeWorker]) -> None:
    found = make()
    _sweep(found, FakeWorker(found.role, {}), 0)  # type: ignore[arg-type]
    assert [(run.batch_size, run.ended_by) for run in found.sweep] == [
        (1, "protocol"), (2, "protocol"), (4, "protocol"), (8, "out of memory"),
    ]  # fmt: skip
    assert found.sweep[-1].windows_s == ()


def test_the_general_switches_say_where_they_belong(tmp_path: Path) -> None:
    here = place(tmp_path)
    assert len({s.name for s in SWITCHES}) == len(SWITCHES)
    refused = {s.name: s.needs(here) for s in SWITCHES}
    assert refused["TASK_QUEUE_ENABLE=2"] == said("not-on", kind="cpu")
    assert refused["fold-batch-norm"] == said("no-norm")
    assert refused["channels-last"] == refused["bfloat16"] == NOTHING
    assert all(s.default_at(here) for s in SWITCHES)


@pytest.mark.parametrize(
    ("soc", "family", "hf32"),
    [
        ("Ascend910B4", "A2", "on"),
        ("Ascend910_9391", "A3", "on"),
        ("Ascend310P3", "310P", "on"),
        ("Ascend910A", "910", "on"),
    ],
)
def test_defaults_follow_the_soc(tmp_path: Path, soc: str, family: str, hf32: str) -> None:
    there = Place(device=samples.device_facts(soc=soc), network=context(tmp_path).network, dtype="float32", threads=2)
    assert there.family == family
    assert {s.name: s.default_at(there) for s in SWITCHES}["hf32-conv"] == hf32
    assert {s.name: s.default_at(there) for s in SWITCHES}["TASK_QUEUE_ENABLE=2"] == "1"
