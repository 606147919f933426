"""Where the parts of a deliverable lie: the layouts in which one may be handed in, each one declaration.

The code names every file by its canonical path, which is the one that it has in the first layout. A `Layout` says
where that file lies in another. It travels, because a submission's scripts write into its folders. Standard library
only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

SUMMARY = "summary.json"
LEDGER = "evaluation/ledger.jsonl"
REPORT = "readme.md"
OPTIMISATION_REPORT = "OPTIMIZATION_RECORD.md"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout. ``moved`` is (beginning of a canonical path, beginning of the path here); the longest one counts.

    Everything that no beginning fits lies where it lies in the first layout. ``home`` is the folder below which the
    scripts keep what they find: the argument of their ``--save``.
    """

    name: str
    home: str
    moved: tuple[tuple[str, str], ...] = ()

    def at(self, canonical: str) -> str:
        """Where a file or a folder of the first layout lies in this one."""
        for old, new in sorted(self.moved, key=lambda pair: -len(pair[0])):
            if canonical.startswith(old):
                return new + canonical[len(old) :]
            if f"{canonical}/" == old:
                return new.removesuffix("/")
        return canonical

    def canonical(self, path: str) -> str | None:
        """The canonical path of what lies here at ``path``; None where this layout has no place of that name."""
        longest = sorted(self.moved, key=lambda pair: -len(pair[1]))
        back = [old + path[len(new) :] for old, new in longest if path.startswith(new)]
        back += [old.removesuffix("/") for old, new in longest if f"{path}/" == new]
        return next((found for found in [*back, path] if self.at(found) == path), None)

    def record(self, experiment: str) -> str:
        """The record of an experiment."""
        return self.at(f"evaluation/records/{experiment}.json")

    def log(self, name: str) -> str:
        """A log, by its name in the first layout."""
        return self.at(f"evaluation/logs/{name}")

    def below_home(self, canonical: str) -> PurePosixPath:
        """A path as the scripts write it: from the folder that ``--save`` names."""
        return PurePosixPath(self.at(canonical)).relative_to(self.home)


NPU_DELIVERABLES = Layout(name="npu_deliverables", home="evaluation")

_DECLARED = (
    NPU_DELIVERABLES,
    Layout(
        name="eval_results",
        home=".",
        moved=(
            ("evaluation/eval_precision.", "eval/eval_accuracy."),
            ("evaluation/eval_", "eval/eval_"),
            ("evaluation/make_reference.", "eval/make_reference."),
            ("evaluation/logs/precision_eval.", "logs/accuracy_eval."),
            ("evaluation/logs/", "logs/"),
            ("evaluation/records/precision.", "results/accuracy_eval."),
            ("evaluation/records/performance.", "results/performance_eval."),
            ("evaluation/records/", "results/"),
            ("evaluation/screenshots/", "assets/"),
            ("evaluation/results/", "outputs/"),
            (LEDGER, "ledger.jsonl"),
        ),
    ),
    Layout(
        name="flat",
        home=".",
        moved=(
            ("readme.", "README."),
            ("evaluation/eval_", "eval_"),
            ("evaluation/make_reference.", "make_reference."),
            ("evaluation/logs/precision_eval.", "logs/accuracy_compare."),
            ("evaluation/logs/", "logs/"),
            ("evaluation/records/", "records/"),
            ("evaluation/screenshots/", "screenshots/"),
            ("evaluation/results/", "results/"),
            (LEDGER, "ledger.jsonl"),
            (SUMMARY, "logs/summary.json"),
        ),
    ),
    Layout(name="model_zoo", home="evaluation", moved=(("readme.", "adaptation_report."),)),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _DECLARED}
"""Every layout by its name, the default first."""
