"""What the real torch_npu registers for torch.compile, and that what a stub of CANN cannot do is refused as it says."""

from __future__ import annotations

import json
from collections.abc import Callable

from simnpu.conftest import Machine

PROBE = """
import json, sys
from npu_eval.under_test import compiling
from npu_eval.device.device import open_device
from npu_eval.errors import DeviceError

open_device("npu:0")
found = {b.full_name: str(compiling.refusal(b)) for b in (compiling.INDUCTOR, *compiling.on_npu())}
for name in sys.argv[1:]:
    try:
        compiling.prove(compiling.Backend(*name.split("/")), "npu:0")
    except DeviceError as error:
        found[name] = str(error)
print(json.dumps(found))
"""


def probe(machine: Machine, *proved: str) -> dict[str, str]:
    done = machine.python(PROBE, *proved, TORCHINDUCTOR_COMPILE_THREADS="1")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_torch_npu_registers_what_is_expected(simnpu: Callable[..., Machine]) -> None:
    found = probe(simnpu(devices=1), "aot_eager", "npugraphs", "npu")
    assert found["aot_eager"] == found["inductor"] == ""
    assert "fails on a small product" in found["npugraphs"]  # a stub of CANN captures no graphs
    assert "fails on a small product" in found["npu"]
    assert not any("registered no backend" in why for why in found.values())
