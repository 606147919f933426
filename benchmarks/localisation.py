"""Plant every fault into every model on every background and print who was found.

python benchmarks/localisation.py [ResNet-18 ViT-Ti …]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults import BACKGROUNDS, SUBJECTS, Case, Subject
from npu_eval.locate import OperatorFinding, excess, locate


def verdict(findings: list[OperatorFinding], case: Case | None, cause: str) -> str:
    """``exact`` and how far the error is above the float32 band, or what went wrong."""
    explained = {"ok", cause}
    wrong = [f for f in findings if f.cause not in explained and f.cause != "not-comparable"]
    if case is None:
        return "clean" if not wrong else f"FALSE ALARM {wrong[0].module} {wrong[0].operator} {wrong[0].cause}"
    hits = [f for f in wrong if (f.module, f.operator) == (case.module, case.operator) and f.cause == "fault"]
    others = [f for f in wrong if (f.module, f.operator) != (case.module, case.operator)]
    if others:
        return (
            f"ALSO {others[0].module} {others[0].operator} {others[0].cause} {others[0].error:.2g} {others[0].evidence}"
        )
    return f"exact ({excess(hits[0]):.1e})" if hits else "MISSED"


def run(subject: Subject) -> int:
    model, inputs = subject.model(), subject.inputs()
    missed = 0
    print(f"\n{subject.name}\n{'fault':<28}" + "".join(f"{name:<20}" for name in BACKGROUNDS))
    for case in (None, *subject.cases):
        cells = []
        for context, cause in BACKGROUNDS.values():
            candidate = model if case is None else case.candidate(model)
            cells.append(verdict(locate(model, candidate, inputs, candidate_context=context), case, cause))
            missed += not cells[-1].startswith(("exact", "clean"))
        print(f"{'none' if case is None else case.fault:<28}" + "".join(f"{cell:<20}" for cell in cells), flush=True)
    return missed


def main() -> None:
    wanted = sys.argv[1:]
    start = time.perf_counter()
    missed = sum(run(subject) for subject in SUBJECTS if not wanted or subject.name in wanted)
    print(f"\n{missed} cells wrong; {time.perf_counter() - start:.0f} s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
