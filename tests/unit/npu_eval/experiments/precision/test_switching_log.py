from __future__ import annotations

import dataclasses

import samples
from npu_eval.experiments.precision.switching_data import Switching
from npu_eval.experiments.precision.switching_log import switching_lines
from npu_eval.notation.phrases import said


def test_each_combination_is_a_line_with_its_error_and_its_cost() -> None:
    lines = switching_lines(samples.switching(), simulated=False)
    first, last = lines[4].split(), lines[-1].split()
    assert first == ["hf32_conv=on", "hf32_matmul=off", "logits", "yes", "1.000e-04", "21.479", "ms", "9"]
    assert last == ["hf32_conv=off", "hf32_matmul=off", "logits", "no", "1.000e-07", "23.876", "ms", "9"]


def test_a_simulated_device_has_no_times() -> None:
    text = "\n".join(switching_lines(samples.switching(), simulated=True))
    assert " ms" not in text
    assert "n/a (simulated)" in text


def test_a_device_without_the_switch_is_said() -> None:
    none = Switching(modes=(), reason=said("no-mode", kind="cpu"))
    assert switching_lines(none, simulated=False)[1] == (
        "attribution by switching: not applicable, no format is switched on a cpu"
    )
    assert switching_lines(None, simulated=False) == []


def test_a_combination_that_was_not_run_is_named_with_its_reason() -> None:
    found = samples.switching()
    off = said("mode-stays", mode="hf32_matmul", value="off")
    stuck = dataclasses.replace(found.modes[1], differences=(), samples_s=(), reason=off)
    lines = switching_lines(Switching(modes=(found.modes[0], stuck, *found.modes[2:])), simulated=False)
    assert lines[-1] == "hf32_conv=on hf32_matmul=on: not run, hf32_matmul stays off"
