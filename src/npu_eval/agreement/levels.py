"""How well an output agrees, in one word: the one definition, for every record, log and page that says it.

``bitwise``         the same bits.
``out``             not finite, or refused: a criterion says how far the output may be from the reference's, and it is
                    farther, by more than float32 itself is.
``fp32-equal``      within `FP32_EQUAL` times the error that float32 itself has in it, whatever a criterion says.
``explained(f)``    not refused, and the error of every operator is that of a number format, f the coarsest of them.
``within-criteria`` at least one criterion says how far it may be, and each holds.
``not-judged``      it differs and nothing was said of how far it may: there is no criterion on it, or one that this
                    record does not hold the values of.

Pure, standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from npu_eval.asked.criteria import Criterion

FORMATS = ("hf32", "tf32-or-fp16", "bf16")
"""Causes of an operator's error that are number formats, from the finest."""

UNEXPLAINED = ("fallback", "non-deterministic", "fault")
"""Causes of an operator's error beside which no format explains an output."""

CAUSES = ("ok", *FORMATS, "not-comparable", *UNEXPLAINED)
"""Every cause of an operator's error, from harmless to worst.

``ok`` is within the error of float32 itself; a format means that rounding to it explains the error; ``not-comparable``
has no counterpart or no comparable value; ``fallback`` ran on the CPU instead of the device.
"""

FP32_EQUAL = 4.0
"""Times its own float32-against-float64 error within which a result counts as equal in float32; two correct
implementations differ by about 1.4 times."""

LEVELS = ("bitwise", "fp32-equal", *(f"explained({f})" for f in FORMATS), "within-criteria", "not-judged", "out")
"""Every level, from best to worst."""


def level(
    *,
    bitwise: bool,
    errors: Sequence[tuple[float | None, float | None]],
    held: bool | None,
    causes: Collection[str] = (),
) -> str:
    """The level of an output.

    Args:
        errors: for each input, the relative L2 error (None: not finite) and that of float32 itself (None: unknown).
        held: what `held` says of it.
        causes: what the operators' errors come from, where that was looked for.
    """
    if bitwise:
        return "bitwise"
    if any(error is None for error, _ in errors):
        return "out"
    if all(e is not None and floor is not None and e <= FP32_EQUAL * floor for e, floor in errors):
        return "fp32-equal"
    if held is False:
        return "out"
    formats = [f for f in FORMATS if f in causes]
    if formats and not set(UNEXPLAINED) & set(causes):
        return f"explained({formats[-1]})"
    return "within-criteria" if held else "not-judged"


def held(output: str, criteria: Iterable[Criterion], values: Callable[[str], Sequence[float | None]]) -> bool | None:
    """Whether the criteria on an output's difference from the reference hold; None where nothing can be said.

    Args:
        values: metric → its value for each input; None for one that is not in the record.
    """
    found: list[bool | None] = []
    for c in criteria:
        if c.of_outputs and c.covers(output):
            measured = values(c.metric) or [None]
            found += [None if v is None else c.comparison.holds(v, c.threshold) for v in measured]
    if False in found:
        return False
    return True if found and None not in found else None
