"""The lines of the localisation log. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from npu_eval.asked.criteria import Criterion
from npu_eval.experiments.localisation.data import LocalisationData, LocatedOperator, counts, output_level, ranked
from npu_eval.notation import units
from npu_eval.notation.tables import table

SHOWN = 40
"""Operators in the ranked table at most; the record holds them all."""


def localisation_lines(data: LocalisationData, criteria: Sequence[Criterion]) -> list[str]:
    """The log's middle."""
    worst = [o for o in ranked(data.operators) if o.cause != "ok"][:SHOWN]
    different = sum(o.cause != "ok" for o in data.operators)
    lines = [
        f"input {data.input}; reference {data.reference_dtype}, candidate {data.candidate_dtype}",
        "every operator of the candidate on the reference's own inputs, so that errors do not add up",
        "",
        *table(
            ("output", "level", "rel L2", "float32 floor"),
            [
                (
                    o.output,
                    output_level(o, data.operators, criteria),
                    "not finite" if o.error is None else units.sci(o.error),
                    units.sci(o.floor),
                )
                for o in data.outputs
            ],
        ),
        "",
        f"operators {len(data.operators)}: " + ", ".join(f"{c} {n}" for c, n in counts(data.operators).items()),
    ]
    if not worst:
        return [*lines, "no operator differs by more than float32 itself does"]
    lines += [
        "",
        f"the {len(worst)} of {different} that differ, worst first" if len(worst) < different else "worst first",
    ]
    rows = [
        (
            o.module or "(model)",
            o.operator + ("" if not o.backward else " (backward)"),
            units.count(o.index),
            units.count(o.call),
            *_numbers(o),
            o.cause,
        )
        for o in worst
    ]
    lines += table(("module", "operator", "no.", "call", "rel L2", "fp32 band", "nearest band", "cause"), rows)
    lines += ["", "evidence"]
    return lines + [f"  {o.index:>5}  {o.evidence}" for o in worst]


def _numbers(o: LocatedOperator) -> tuple[str, str, str]:
    near = o.bands.get(o.cause)
    return (
        "not finite" if o.error is None else units.sci(o.error),
        units.sci(o.bands.get("fp32", 0.0)),
        "-" if near is None else units.sci(near),
    )
