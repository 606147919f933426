"""What goes wrong on a device while it runs: each has its exit code and its one line, and loses nothing that was there.

docs/reference/npu-faults.md lists the same cases.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from npu_deliver.experiments.registry import read_record
from simnpu.conftest import Machine
from simnpu.models import write_tiny

pytestmark = pytest.mark.slow

FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    # knobs, changes of the spec, exit code, words of the line
    "a kernel fails": ({"faults": {"aten::relu": "error"}}, {}, 5, "NPU function error"),
    "an operator is missing in CANN": ({"faults": {"aten::relu": "real"}}, {}, 5, "Relu, error code is 500002"),
    "out of memory": ({"memory_mib": 1}, {}, 4, "out of memory"),
    "a hang": ({"faults": {"aten::relu": "hang"}}, {"step_timeout_s": 60.0}, 6, "ran longer than 60 s"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_exit_code_and_its_line(simnpu: Callable[..., Machine], tmp_path: Path, name: str) -> None:
    knobs, changes, code, words = FAULTS[name]
    write_tiny(tmp_path, **changes)
    done = simnpu(**knobs).cli("deliver", "tiny", "--root", str(tmp_path), ASCEND_LAUNCH_BLOCKING="1")
    line = next(line for line in reversed(done.stderr.splitlines()) if line.startswith("npu-deliver: "))
    assert done.returncode == code, done.stderr
    assert words in line
    assert not (tmp_path / "tiny/npu_deliverables").exists(), "nothing half made is published"


def test_a_nan_is_no_pass_and_leaves_a_readable_record(simnpu: Callable[..., Machine], tmp_path: Path) -> None:
    write_tiny(tmp_path)
    machine = simnpu(faults={"aten::relu": "nan"})
    assert machine.cli("stage", "tiny", "--root", str(tmp_path), "--engine", "local").returncode == 0
    folder = tmp_path / "tiny/.npu_deliverables.work/npu_deliverables"
    done = machine.run(sys.executable, "evaluation/eval_precision.py", "--device", "npu:0", "--save", "evaluation",
                       cwd=folder)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "NOT_MEASURED (simulated) output-error" in done.stdout
    record = read_record(folder / "evaluation/records/precision.json")
    assert all(d.nonfinite_mismatch > 0 for d in record.data.differences)  # type: ignore[union-attr]
