"""Every way in which torch_npu fails to start, reproduced: one line, with the fix and exit code 4."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from simnpu.conftest import Done, Machine

pytestmark = pytest.mark.slow

OPEN = """
import sys
from npu_eval.device.device import open_device
from npu_eval.errors import DeliverError
try:
    device = open_device(sys.argv[1])
    print(device.facts().description, device.facts().evidence, device.numeric_modes())
except DeliverError as error:
    print(error)
    sys.exit(error.exit_code)
"""

PROBE = """
import dataclasses, json, sys
from npu_eval.npu.probe import probe
print("\\n" + json.dumps(dataclasses.asdict(probe())))
assert "torch" not in sys.modules
"""

CASES: dict[str, tuple[dict[str, Any], dict[str, str], str, str, str]] = {
    # knobs, variables, device, what, fix
    "CANN not sourced": ({"stub": False}, {"ASCEND_HOME_PATH": "UNSET"}, "npu:0", "find CANN's library libhccl.so",
                         "set_env.sh"),
    "no device": ({"devices": 0}, {}, "npu:0", "no npu device is visible", "npu-smi info"),
    "npu:5 of 2": ({}, {}, "npu:5", "there is no such device; 2 visible: npu:0, npu:1", "use npu:0, npu:1"),
    "unknown SoC": ({"soc": "Ascend999X"}, {}, "npu:0", "does not know the SoC Ascend999X", "newer torch_npu"),
    "missing directory": ({}, {"ASCEND_HOME_PATH": "/not/there"}, "npu:0",
                          "ASCEND_HOME_PATH names /not/there, which does not exist", "set_env.sh"),
    "no operators": ({}, {"ASCEND_OPP_PATH": "UNSET", "ASCEND_HOME_PATH": "/usr"}, "npu:0", "ASCEND_OPP_PATH is not",
                     "set_env.sh"),
}  # fmt: skip


def the_line(done: Done) -> str:
    assert done.returncode == 4, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("case", CASES)
def test_a_failed_start_is_one_line_with_the_fix(simnpu: Callable[..., Machine], case: str) -> None:
    knobs, variables, device, what, fix = CASES[case]
    line = the_line(simnpu(**knobs).python(OPEN, device, **variables))
    assert what in line
    assert fix in line


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch is no CUDA build")
@pytest.mark.skipif(torch.__version__.startswith("2.7"), reason="torch_npu 2.7 loads into a CUDA build")
def test_the_abort_in_a_cuda_build_is_caught_by_asking_another_process(simnpu: Callable[..., Machine]) -> None:
    machine = simnpu(forget_keys=False)
    assert machine.python("import torch, torch_npu").returncode == -6, "nothing in the process could catch it"
    line = the_line(machine.python(OPEN, "npu:0"))
    assert f"torch {torch.__version__} is a CUDA build, in which torch_npu" in line
    assert "install the CPU build" in line
    found = json.loads(machine.python(PROBE).stdout.splitlines()[-1])
    assert found["facts"]["torch"] == torch.__version__
    assert "CUDA build" in found["failure"]["what"]


def test_a_start_that_works_is_proven_and_simulated(simnpu: Callable[..., Machine]) -> None:
    found = json.loads(simnpu().python(PROBE).stdout.splitlines()[-1])
    assert found["failure"] is None
    assert (found["facts"]["devices"], found["facts"]["soc"]) == ("2", "Ascend910B2")
    done = simnpu().python(OPEN, "npu:1")
    assert done.returncode == 0, done.stderr
    assert "Ascend910B2 simulated {" in done.stdout


def test_the_numeric_modes_are_taken_by_torch_npu(simnpu: Callable[..., Machine]) -> None:
    code = """
import json
from npu_eval.device.device import open_device
device = open_device("npu:0")
print("\\n" + json.dumps([device.numeric_modes()] + [
    device.set_numeric_modes({name: on for name in ("hf32_conv", "hf32_matmul", "jit_compile", "internal_format")})
    for on in (True, False)] + [device.set_numeric_modes({"autocast": dtype}) for dtype in ("bfloat16", "float64")]))
"""
    done = simnpu().python(code)
    assert done.returncode == 0, done.stderr
    default, on, off, cast, refused = json.loads(done.stdout.splitlines()[-1])
    assert (cast["autocast"], refused["autocast"]) == ("bfloat16", "off"), "read inside torch.autocast of torch_npu"
    assert (default["hf32_conv"], default["hf32_matmul"]) == ("on", "off")
    names = {"hf32_conv", "hf32_matmul", "jit_compile", "internal_format"}
    if torch.__version__.startswith("2.7"):  # once the device has started, torch_npu 2.7 does not take it any more
        names.remove("jit_compile")
        assert on["jit_compile"] == "off", "and what is read back says so, so that a spec that asks for it is refused"
    assert {on[name] for name in names} == {"on"}
    assert {off[name] for name in names} == {"off"}
