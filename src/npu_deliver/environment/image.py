"""The environment in which a deliverable runs, with an identity that goes into every record.

Without a container it is a Python interpreter of this machine: its digest covers the interpreter, every installed
distribution and the accelerators present, so a record is kept only while all of these stay as they were.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npu_deliver.errors import EngineError
from npu_deliver.spec.profiles import layout_of
from npu_eval.asked.spec import ImageFacts, read_spec_file
from npu_eval.jsonio import canonical_sha256
from npu_eval.process.shadows import shadow_in
from npu_eval.records.record import Record

MARK = "npu-deliver-environment "
"""Starts the line of the probe that counts: a `sitecustomize` or a `.pth` file may print others."""

PROBE = """
import glob, importlib.metadata, json, platform
found = [d for d in importlib.metadata.distributions() if d.metadata["Name"]]
print("\\n@MARK@" + json.dumps({
    "python": platform.python_version(),
    "machine": platform.machine(),
    "packages": {d.metadata["Name"].lower().replace("-", "_"): d.version for d in found},
    "nodes": sorted(glob.glob("/dev/davinci[0-9]*") + glob.glob("/dev/nvidia[0-9]*")),
}, sort_keys=True))
""".replace("@MARK@", MARK)

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Keeps the folder in which a command was typed, which may be a stranger's, out of what the probe imports."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where steps run. ``python`` is the interpreter, ``packages`` the version of each installed distribution.

    ``facts`` says what a container image is and is made of; None for an interpreter of this machine.
    """

    kind: str
    digest: str
    python: str
    packages: dict[str, str]
    facts: ImageFacts | None = None


def local_image(python: Path) -> Image:
    """The environment of an interpreter of this machine.

    Raises:
        EngineError: the interpreter does not run, or has no torch.
    """
    facts = ask(python)
    if "torch" not in facts["packages"]:
        raise EngineError(
            "torch is not installed there", where=str(python), fix="run `make setup`, or pip install torch"
        )
    return Image(
        kind="local",
        digest=f"local:sha256:{canonical_sha256(facts)}",
        python=str(python),
        packages=facts["packages"],
    )


def ask(python: Path) -> dict[str, Any]:
    """What an interpreter is and has: ``python``, ``machine``, ``packages`` and ``nodes``.

    Raises:
        EngineError: it does not run.
    """
    name = {"where": str(python), "fix": "name another with --python"}
    try:
        done = subprocess.run(
            [str(python), "-c", PROBE],
            env={**os.environ, **SAFE_PATH},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"the interpreter does not run ({error})", **name) from error
    told = facts_in(done.stdout)
    if told is None:
        hidden = shadow_in(done.stderr, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
        if hidden is not None:
            raise EngineError(hidden.what, where=str(python), fix=hidden.fix)
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        raise EngineError(f"the interpreter does not run (exit code {done.returncode}: {last})", **name)
    return told


def facts_in(output: str) -> dict[str, Any] | None:
    """What the probe told among whatever else was printed; None where it told nothing."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith(MARK)), None)
    try:
        return None if line is None else dict(json.loads(line.removeprefix(MARK)))
    except (ValueError, TypeError):
        return None


def replayed_image(source: Path, read: Callable[[Path], Record]) -> Image:
    """The environment that an earlier deliverable's records name; nothing of it is needed to replay them.

    Args:
        read: reads a record.

    Raises:
        RecordError: the deliverable has no readable record.
    """
    record = read(source / layout_of(source).record("inference"))
    return Image(
        kind="replay",
        digest=record.provenance.image,
        python="python",
        packages=record.provenance.versions,
        facts=read_spec_file(source / "spec.json").image,
    )
