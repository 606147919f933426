"""The fixture `simnpu`: programs on a simulated NPU, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simnpu.simulator import NotHereError, prepare

COMMAND = "from npu_deliver.cli import main; main()"

Done = subprocess.CompletedProcess[str]


class Machine:
    """A simulated machine with some NPUs; whatever is run on it is the real program, in a real process."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def run(self, *command: str, cwd: Path | None = None, timeout: float = 600, **environment: str) -> Done:
        """A command of any kind."""
        everything = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0", **self.variables, **environment}
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout,
                              env={k: v for k, v in everything.items() if v != "UNSET"})  # fmt: skip

    def python(self, code: str, *arguments: str, **options: Any) -> Done:
        """A piece of Python."""
        return self.run(sys.executable, "-c", code, *arguments, **options)

    def cli(self, *arguments: str, **options: Any) -> Done:
        """``npu-deliver …``."""
        return self.run(sys.executable, "-c", COMMAND, *arguments, **options)


@pytest.fixture(scope="session")
def simnpu() -> Callable[..., Machine]:
    """``simnpu(devices=2, soc=…, faults=…)`` → a `Machine`; see `Simulator.environment` for what can be chosen."""
    try:
        simulator = prepare()
    except NotHereError as reason:
        pytest.skip(f"no simulated NPU: {reason}")

    def machine(**knobs: Any) -> Machine:
        return Machine(simulator.environment(**knobs))

    return machine
