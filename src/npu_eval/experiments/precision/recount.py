"""Count again, from the outputs that a precision run kept, how its two sides differ: in a process of its own, in which
no code runs but this package's. What the run itself recorded can then be held against it.

A rerun (`npu-deliver rerun`) starts it beside the deliverable, with nothing of the folder but its spec.json.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from npu_eval.agreement.compare import difference
from npu_eval.agreement.difference import ClassRanking, Difference
from npu_eval.agreement.ranking import ranking
from npu_eval.asked.spec import OUTPUTS_VARIABLE, EvalSpec, read_spec_file
from npu_eval.errors import ConfigError
from npu_eval.experiments.precision.data import Recounted
from npu_eval.experiments.precision.kept_outputs import KeptInput, Outputs, kept_inputs, read_sides
from npu_eval.jsonio import dumps, write_atomic
from npu_eval.session.endings import guarded
from npu_eval.session.script import say_to_stderr

RESULT = "recounted.json"


def main(root: Path) -> int:
    """Count what `OUTPUTS_VARIABLE` names into ``root``'s `RESULT`; returns the exit code (see `errors`)."""
    return guarded(lambda: _main(root))


def _main(root: Path) -> int:
    folder = os.environ.get(OUTPUTS_VARIABLE)
    if not folder:
        raise ConfigError("no outputs are named", where=OUTPUTS_VARIABLE, fix="set it to the folder of --outputs")
    spec = read_spec_file(root / "spec.json").evaluation
    write_atomic(root / RESULT, dumps(recounted(Path(folder), spec, say_to_stderr)))
    return 0


def recounted(folder: Path, spec: EvalSpec, say: Callable[[str], None]) -> Recounted:
    """What `precision.run` counts of these outputs, one input at a time.

    Raises:
        RecordError: outputs are missing, altered, or not of this spec.
        AdapterError: two sides differ in the shape of an output.
    """
    differences: list[Difference] = []
    repeats: list[Difference] = []
    rankings: list[ClassRanking] = []
    floors: list[Difference] = []
    every = kept_inputs(folder, spec)
    for number, one in enumerate(every, start=1):
        say(f"[recount] {number}/{len(every)}")
        sides = read_sides(folder, one)
        differences += _between(one, sides, "reference", "candidate")
        for again in range(1, one.repeats + 1):
            repeats += _between(one, sides, "candidate", f"repeat-{again}")
        if one.floor:
            floors += _between(one, sides, *one.floor)
        if one.ranked:
            rankings.append(ranking(one.input, one.ranked, sides["reference"], sides["candidate"], spec.adapter))
    return Recounted(
        differences=tuple(differences), repeats=tuple(repeats), rankings=tuple(rankings), floors=tuple(floors)
    )


def _between(one: KeptInput, sides: dict[str, Outputs], first: str, second: str) -> list[Difference]:
    return [difference(one.input, name, sides[first][name], sides[second][name]) for name in one.outputs]
