"""The lines of a log about running again under other numeric modes. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.precision.switching_data import ModeRow, Switching, mode_rows
from npu_eval.notation import units
from npu_eval.notation.tables import table
from npu_eval.records.stamps import UNTIMED


def switching_lines(found: Switching | None, *, simulated: bool) -> list[str]:
    """A table of the combinations, or why there is none; nothing in a record of before this was run."""
    if found is None:
        return []
    if not found.modes:
        return ["", f"attribution by switching: not applicable, {found.reason}"]
    rows = mode_rows(found)
    lines = ["", "attribution by switching: the candidate under each combination, against the reference"]
    cells = [
        (
            _settings(row),
            output,
            "yes" if row.deployed else "no",
            _error(error),
            _median(row, simulated),
            units.count(row.calls),
        )
        for row in rows
        for output, error in row.errors.items()
    ]
    lines += table(("mode", "output", "deployed", "worst rel L2", "median call", "calls"), cells)
    return lines + [f"{_settings(row)}: not run, {row.reason}" for row in rows if row.reason]


def _settings(row: ModeRow) -> str:
    return " ".join(f"{name}={value}" for name, value in row.settings.items())


def _error(error: float | None) -> str:
    return "not finite" if error is None else units.sci(error)


def _median(row: ModeRow, simulated: bool) -> str:
    if row.median_s is None:
        return "-"
    return UNTIMED if simulated else units.ms(row.median_s)
