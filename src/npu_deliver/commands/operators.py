"""The command `ops`: which operators of a model have no kernel for the NPU in the installed torch_npu."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from npu_deliver.commands.options import HERE, AsJson, What, grouped
from npu_deliver.commands.saying import say, say_json
from npu_deliver.errors import EXIT_OK, StepError, from_exit_code
from npu_eval.errors import error_line

_ASK = """
import sys
rules = {"__name__": "isolation"}
with open(sys.argv[1] + "/npu_eval/isolation.py", encoding="utf-8") as code:
    exec(code.read(), rules)
rules["enter"](sys.argv[1])
from pathlib import Path
from npu_eval import registration
sys.exit(registration.main(Path(sys.argv[1])))
"""


@grouped
def ops(what: What, as_json: AsJson = False) -> None:
    """List the operators of a model that have no kernel for the NPU in the installed torch_npu; needs no NPU.

    Example: [bold]npu-deliver ops efficientnet_lite0[/bold]
    """
    found = _asked(what)
    if as_json:
        say_json(found)
        return
    version, operators = found["versions"]["torch_npu"], found["operators"]
    absent = [entry for entry in operators if not entry["registered"]]
    for entry in absent:
        say(f"{entry['operator']:<48} {entry['calls']:>6} calls")
    say(
        f"{len(absent)} of {len(operators)} operators have no kernel registered in torch_npu {version}: they "
        "would run on the CPU."
    )
    say("This is about registration alone: it does not say that CANN runs the others.")


def _asked(what: What) -> dict[str, Any]:
    """Stage the model apart from its deliverable, with random weights, and ask in a process of its own.

    Raises:
        DeliverError: as the process says: torch_npu does not load (4), the adapter fails (5).
    """
    from npu_deliver.environment import choice as environment
    from npu_deliver.release.travelling import brought_by, copy_code
    from npu_deliver.staging import stage

    with tempfile.TemporaryDirectory(prefix="npu-deliver-ops-") as folder:
        job = replace(what, weights="random").job()
        job = replace(job, output=Path(folder) / job.spec.profile)
        staged = stage.stage(job, environment.local(HERE).image, None)
        copy_code(brought_by(_ASK), staged.folder)
        done = subprocess.run(
            [str(HERE), "-P", "-c", _ASK, str(staged.folder)],
            capture_output=True,
            text=True,
            timeout=1800,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode != EXIT_OK:
        reason = next((said for said in map(error_line, reversed(done.stderr.splitlines())) if said), None)
        if reason is not None:
            raise from_exit_code(done.returncode, reason, where=job.spec.name)
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no output")
        raise StepError(f"ended with {done.returncode}: {last}", where=job.spec.name, fix="run it with --verbose")
    return answer_in(done.stdout, job.spec.name)


def answer_in(output: str, where: str) -> dict[str, Any]:
    """The line of JSON among whatever else a library printed, also at its end.

    Raises:
        StepError: there is none.
    """
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "operators" in told:
                return told
    raise StepError("told nothing of its operators", where=where, fix="run it with --verbose")
