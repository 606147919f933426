"""How the commands tell a verdict in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npu_eval.asked.metrics import METRICS
from npu_eval.records.stamps import UNTIMED, told

if TYPE_CHECKING:
    from npu_eval.records.verdict import Verdict


def verdict_line(verdict: Verdict, *, simulated: bool, width: int = 16, counted: bool = False) -> str:
    """One line; a simulated run has no times to tell.

    Args:
        width: columns of the criterion's name.
        counted: say of how many values the told one is the worst.
    """
    untimed = simulated and METRICS[verdict.metric].timed
    number = UNTIMED if untimed else f"{verdict.value or 0.0:.6g}"
    of = f" of {verdict.compared}" if counted else ""
    value = f"worst {number}{of} ({verdict.evidence})"
    if verdict.value is None:
        value = f"{verdict.evidence}: {verdict.reason}" if verdict.evidence else str(verdict.reason)
    status = told(verdict.status, simulated=simulated)
    asked = f"{verdict.metric} {verdict.comparison} {verdict.threshold:g}"
    return f"{status:<12} {verdict.criterion:<{width}} {asked}: {value}"
