from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from npu_eval.device.device import open_device
from npu_eval.device.modes import REDUCED_FORMATS
from npu_eval.experiments.precision import switching
from npu_eval.experiments.precision.switching import Switched
from npu_eval.experiments.precision.switching_data import Switching, mode_rows
from npu_eval.notation.phrases import said

ERRORS = {"hf32_conv": 1e-4, "hf32_matmul": 3e-4, "tf32_conv": 1e-4, "tf32_matmul": 3e-4}


class FakeDevice:
    """A device whose switches add an error each to what `run` gives, and make a call dearer when off."""

    def __init__(self, kind: str = "npu", stuck: str | None = None, **modes: str) -> None:
        self.name = f"{kind}:0"
        self.modes = {"deterministic": "off"} | dict.fromkeys(REDUCED_FORMATS[kind], "off") | modes
        self.stuck = stuck
        self.calls: list[dict[str, str]] = []

    def numeric_modes(self) -> dict[str, str]:
        return dict(self.modes)

    def set_numeric_modes(self, wanted: dict[str, bool]) -> dict[str, str]:
        self.modes |= {name: "on" if on else "off" for name, on in wanted.items() if name != self.stuck}
        return self.numeric_modes()

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def run(self) -> dict[str, torch.Tensor]:
        self.calls.append(dict(self.modes))
        error = sum(ERRORS[name] for name, value in self.modes.items() if value == "on" and name in ERRORS)
        return {"y": torch.full((1, 4), 1.0 + error, dtype=torch.float64)}


REFERENCE = {"y": torch.ones(1, 4, dtype=torch.float64)}


def found_on(device: Any, dtype: str = "float32", run: Callable[[], Any] | None = None) -> Switching:
    switched = Switched(device, dtype)
    for name in ("a.png", "b.png"):
        switched.compare(name, REFERENCE, run or device.run)
    switched.time(run or device.run)
    return switched.found()


@pytest.mark.parametrize("kind", ["npu", "cuda"])
def test_every_combination_runs_the_deployed_one_first(kind: str) -> None:
    conv, matmul = REDUCED_FORMATS[kind]
    rows = mode_rows(found_on(FakeDevice(kind, **{conv: "on"})))
    assert rows[0].settings == {conv: "on", matmul: "off"}
    assert [row.deployed for row in rows] == [True, False, False, False]
    assert {tuple(row.settings.values()) for row in rows} == set(itertools.product(("on", "off"), repeat=2))
    for row in rows:
        expected = sum(ERRORS[name] for name, value in row.settings.items() if value == "on")
        assert row.errors["y"] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_device_is_left_as_it_was() -> None:
    device = FakeDevice(hf32_conv="on")
    before = device.numeric_modes()
    found_on(device)
    assert device.numeric_modes() == before

    def broken() -> dict[str, torch.Tensor]:
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        found_on(device, run=broken)
    assert device.numeric_modes() == before


def test_times_are_of_combinations_that_take_turns_without_their_first_calls() -> None:
    device = FakeDevice()
    found = found_on(device)
    assert [len(run.samples_s) for run in found.modes] == [switching.ROUNDS] * 4
    timed = [(call["hf32_conv"], call["hf32_matmul"]) for call in device.calls[8:]]
    assert timed == timed[:4] * (switching.ROUNDS + 1)


def test_a_slow_model_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "TIME_LIMIT_S", 0.0)
    assert [len(run.samples_s) for run in found_on(FakeDevice()).modes] == [1] * 4


def test_a_switch_that_does_not_take_is_said_and_not_measured() -> None:
    found = found_on(FakeDevice(stuck="hf32_matmul"))
    refused = [run for run in found.modes if run.settings["hf32_matmul"] == "on"]
    assert [str(run.reason) for run in refused] == ["hf32_matmul stays off"] * 2
    assert all(not run.differences and not run.samples_s for run in refused)
    assert all(run.differences for run in found.modes if run not in refused)


def test_a_cpu_has_no_such_switch() -> None:
    found = found_on(open_device("cpu"), run=lambda: REFERENCE)
    assert found == Switching(modes=(), reason=said("no-mode", kind="cpu"))


def test_half_precision_is_not_what_the_switches_act_on() -> None:
    found = found_on(FakeDevice(), dtype="float16")
    assert found == Switching(modes=(), reason=said("not-float32", dtype="float16"))


def test_an_older_backend_without_one_of_them_is_asked_for_the_other() -> None:
    device = FakeDevice()
    del device.modes["hf32_matmul"]
    assert [run.settings for run in found_on(device).modes] == [{"hf32_conv": "off"}, {"hf32_conv": "on"}]
