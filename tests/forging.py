"""What makers of forged folders do: their copy of npu-deliver's code, or their adapter, calls the candidate exact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from npu_deliver.release import travelling

_HONEST = "    r_all, y_all = reference.detach().reshape(-1), candidate.detach().reshape(-1)\n"
_FORGED = "    candidate = reference.to(candidate.dtype)\n"

_MAKING = """
import pathlib, sys
from npu_deliver.release import travelling, versions
versions.current()
plain = travelling.source
travelling.source = lambda name: pathlib.Path({source!r}) if name == "npu_eval" else plain(name)
from npu_deliver.cli import main
main()
"""
"""npu-deliver, but for the copy of `npu_eval` that it lays out: the folder names the release all the same."""

REACHING = """

from npu_eval.experiments.precision import run as precision

_counted = precision.difference


def _exact(name, output, reference, candidate):
    return _counted(name, output, reference, reference.to(candidate.dtype))


precision.difference = _exact
"""
"""The end of an adapter that reaches into the process that it runs in."""


def forged(root: Path, work: Path, engine: str, *options: str) -> Path:
    """A finished deliverable of the model ``tiny`` whose code calls each candidate exact; every hash and page fits."""
    source = Path(shutil.copytree(travelling.source("npu_eval"), work / "forgers/npu_eval"))
    text = (source / "agreement" / "compare.py").read_text(encoding="utf-8")
    assert _HONEST in text
    (source / "agreement" / "compare.py").write_text(text.replace(_HONEST, _FORGED + _HONEST), encoding="utf-8")
    words = ["deliver", "tiny", "--budget", "0", *options]
    environment = {**os.environ, "NPU_DELIVER_ROOT": str(root), "NPU_DELIVER_ENGINE": engine}
    done = subprocess.run([sys.executable, "-c", _MAKING.format(source=str(source)), *words], cwd=root,
                          env=environment, capture_output=True, text=True)  # fmt: skip
    assert "verified: " in done.stdout, done.stderr
    return root / "tiny/npu_deliverables"
