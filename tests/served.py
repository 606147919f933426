"""A folder that can be served: the tiny model, its spec and our code, laid out as in a deliverable."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import contexts
import npu_eval
import samples
import tiny_model
from npu_eval.jsonio import dumps

SLOW = """

class Slow(TinyClassifier):
    warm = False

    def forward(self, model, batch):
        import time

        time.sleep({seconds} if self.warm else 0)
        self.warm = True
        return super().forward(model, batch)


def create_adapter():
    return Slow()
"""


def write_folder(root: Path, *, slow_s: float = 0.0) -> Path:
    """The folder; each photo but the first takes at least ``slow_s`` seconds."""
    shutil.copytree(Path(npu_eval.__file__).parent, root / "npu_eval", ignore=shutil.ignore_patterns("__pycache__"))
    adapter = Path(tiny_model.__file__).read_text(encoding="utf-8")
    adapter += SLOW.format(seconds=slow_s) if slow_s else ""
    (root / "adapter.py").write_text(adapter, encoding="utf-8")
    spec = samples.spec_file(evaluation=contexts.cpu_spec(root))
    (root / "spec.json").write_text(dumps(spec), encoding="utf-8")
    return root


@contextlib.contextmanager
def serving(root: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server's process and its port, once it serves."""
    command = [sys.executable, "-B", "-m", "npu_eval.serving", "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            said = ""
            while not said.startswith("serving on http://"):
                said = process.stderr.readline()
                assert said, f"it ended with {process.wait(timeout=10)}"
            yield process, int(said.rpartition(":")[2])
        finally:
            process.kill()
