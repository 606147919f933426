"""Attribution by switching: the candidate again under every combination of its device's reduced-precision switches.

On an Ascend 910B convolutions of float32 run in HF32 unless they are told not to; what that costs in accuracy and what
it gains in time is measured here, beside the combination that the deliverable runs under.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from npu_eval.agreement.compare import difference
from npu_eval.device.device import Device, timed
from npu_eval.device.modes import REDUCED_FORMATS
from npu_eval.device.operator_calls import uncounted
from npu_eval.experiments.precision.switching_data import ModeDifference, ModeRun, Switching
from npu_eval.notation.phrases import NOTHING, Phrase, said

Outputs = dict[str, torch.Tensor]

ROUNDS = 9
"""Timed rounds, in each of which every combination is called once; an odd number, so that the median is a sample."""

TIME_LIMIT_S = 20.0
"""Seconds after which no further round begins: a large model is timed fewer times."""


@dataclass
class _Mode:
    """One combination while it is being run."""

    wanted: dict[str, bool]
    settings: dict[str, str]
    deployed: bool
    reason: Phrase = NOTHING
    differences: list[ModeDifference] = field(default_factory=list)
    samples_s: list[float] = field(default_factory=list)


class Switched:
    """Runs a model under each combination of a device's switches, one input at a time.

    Args:
        device: whose switches they are; as it is now is how it is deployed.
        dtype: the candidate's; the switches act on float32 alone.
    """

    def __init__(self, device: Device, dtype: str) -> None:
        self._device = device
        kind = device.name.partition(":")[0]
        names = REDUCED_FORMATS.get(kind, ())
        now = device.numeric_modes()
        self._names = tuple(name for name in names if name in now)
        self.reason = NOTHING
        if not self._names:
            self.reason = said("no-mode", kind=kind)
        elif dtype != "float32":
            self.reason = said("not-float32", dtype=dtype)
        self._modes = [] if self.reason else self._combinations(now)

    def _combinations(self, now: dict[str, str]) -> list[_Mode]:
        """Every combination, the deployed one first, then by what is on."""
        deployed = {name: now[name] == "on" for name in self._names}
        every = [
            dict(zip(self._names, on, strict=True)) for on in itertools.product((True, False), repeat=len(deployed))
        ]
        ordered = [deployed, *(each for each in every if each != deployed)]
        return [_Mode(wanted, {n: _word(on) for n, on in wanted.items()}, wanted == deployed) for wanted in ordered]

    def compare(self, name: str, reference: Outputs, run: Callable[[], Outputs]) -> None:
        """Hold the outputs of one input against the reference's, under each combination.

        Args:
            name: the input.
            reference: its outputs, on the CPU.
            run: the candidate on it; outputs on the CPU.
        """
        try:
            for mode in self._modes:
                if self._enter(mode):
                    with uncounted():
                        found = run()
                    mode.differences += [
                        _difference(name, output, reference[output], found[output]) for output in reference
                    ]
        finally:
            self._restore()

    def time(self, run: Callable[[], object]) -> None:
        """Time the candidate on one input, the combinations taking turns; the first call of each is not counted."""
        start = time.perf_counter()
        try:
            for number in range(ROUNDS + 1):
                if number > 1 and time.perf_counter() - start > TIME_LIMIT_S:
                    break
                for mode in self._modes:
                    if self._enter(mode):
                        with uncounted():
                            seconds, _ = timed(self._device, run)
                        mode.samples_s += [seconds] if number else []
        finally:
            self._restore()

    def found(self) -> Switching:
        """What was found so far."""
        modes = tuple(
            ModeRun(
                settings=m.settings,
                deployed=m.deployed,
                differences=tuple(m.differences),
                samples_s=tuple(m.samples_s),
                reason=m.reason,
            )
            for m in self._modes
        )
        return Switching(modes=modes, reason=self.reason)

    def _enter(self, mode: _Mode) -> bool:
        """Set a combination and believe only what is read back."""
        if mode.reason:
            return False
        back = self._device.set_numeric_modes(mode.wanted)
        wrong = [name for name, wanted in mode.settings.items() if back.get(name) != wanted]
        if wrong:
            value = back.get(wrong[0])
            known = said("mode-stays", mode=wrong[0], value=value)
            mode.reason = said("mode-unknown", mode=wrong[0]) if value is None else known
        return not wrong

    def _restore(self) -> None:
        for mode in self._modes:
            if mode.deployed:
                self._device.set_numeric_modes(mode.wanted)


def _difference(name: str, output: str, reference: torch.Tensor, candidate: torch.Tensor) -> ModeDifference:
    found = difference(name, output, reference, candidate)
    return ModeDifference(
        input=name,
        output=output,
        sum_sq_reference=found.sum_sq_reference,
        sum_sq_diff=found.sum_sq_diff,
        nonfinite_mismatch=found.nonfinite_mismatch,
    )


def _word(on: bool) -> str:
    return "on" if on else "off"
