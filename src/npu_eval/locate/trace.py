"""What a run of the candidate tells: to a judge as it goes, and in a trace when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from npu_eval.locate.record import RecordedOp, Signature
from npu_eval.locate.scopes import Scope
from npu_eval.notation.phrases import Phrase, said

FALLBACK = said("ran-on-cpu")
"""The note of an operator that did not run where it was meant to."""


def by(what: str, names: str) -> Phrase:
    """What was done, by the operators of these names, or by the module's code where there are none."""
    return said(f"{what}-by-operators", names=names) if names else said(f"{what}-by-code")


@dataclass
class Trace:
    """What the candidate did: its operators by module call, and what differs besides the operators' own results."""

    signatures: dict[Scope, list[Signature]] = field(default_factory=dict)
    extra: dict[Scope, list[str]] = field(default_factory=dict)
    random: set[Scope] = field(default_factory=set)
    partners: set[int] = field(default_factory=set)


class Judge:
    """Takes what is found on the way. This one only listens: it serves the first run, which finds out the structure."""

    def operator(
        self,
        op: RecordedOp,
        outputs: list[torch.Tensor | None],
        differences: list[Phrase],
        again: Callable[[], list[torch.Tensor]] | None,
        notes: list[Phrase],
    ) -> None:
        """An operator gave ``outputs``; ``again`` runs it once more on the same inputs.

        ``differences`` are those of its arguments and weights, which excuse nothing; ``notes`` say what else was seen.
        """

    def incomparable(self, op: RecordedOp, evidence: Phrase) -> None:
        """An operator ran, but there is nothing to hold its result against."""

    def altered(
        self, op: RecordedOp, error: float, evidence: Phrase, *, random: bool = False, replaced: bool = False
    ) -> None:
        """The candidate's code around ``op`` changed a value by ``error``, with ``random`` numbers perhaps.

        ``replaced``: it did so in place of the operator, which it did not call.
        """
