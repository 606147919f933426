from __future__ import annotations

from pathlib import Path

import pytest

import samples
from npu_eval.machine import load as machine
from npu_eval.machine.load import Reading


def test_what_others_did_is_what_the_machine_did_without_us() -> None:
    start = Reading(at=100.0, machine_s=1000.0, own_s=5.0, throttled_s=1.0)
    found = machine.state("during", start, Reading(at=110.0, machine_s=1030.0, own_s=15.0, throttled_s=1.5))
    assert (found.foreign_cpus, found.watched_s, found.throttled_s) == (2.0, 10.0, 0.5)


def test_counters_that_lag_behind_never_make_others_do_less_than_nothing() -> None:
    start = Reading(at=0.0, machine_s=10.0, own_s=0.0, throttled_s=None)
    assert (
        machine.state("during", start, Reading(at=1.0, machine_s=10.5, own_s=0.6, throttled_s=None)).foreign_cpus == 0
    )


def test_a_system_that_hides_its_counters_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "STAT", tmp_path / "stat")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    found = machine.watch(0.0)
    assert (found.foreign_cpus, found.cpu_quota, found.throttled_s) == (None, None, None)


def test_counters_are_read_as_the_kernel_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stat").write_text("cpu  100 10 40 5000 60 5 5 20 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 5\nthrottled_usec 2500000\n")
    monkeypatch.setattr(machine, "STAT", tmp_path / "stat")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 100)
    now = machine.reading()
    assert (now.machine_s, now.throttled_s) == (1.8, 2.5)
    assert machine.state("before", now, now).cpu_quota == 1.5


@pytest.mark.parametrize(("foreign", "busy"), [(0.0, False), (19.0, False), (19.3, True), (None, False)])
def test_others_may_keep_a_tenth_of_the_machine_busy(foreign: float | None, busy: bool) -> None:
    assert machine.is_busy(samples.machine_state(foreign_cpus=foreign)) is busy
