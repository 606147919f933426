"""Criteria: rules that are fixed and hashed before a run and decide its verdicts after it. Standard library only."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from npu_eval.asked.metrics import METRICS, Of
from npu_eval.jsonio import Kept, canonical_sha256
from npu_eval.notation.phrases import Phrase, as_written, said


class Comparison(enum.StrEnum):
    """How a measured value is held against a threshold. Others' standards say "below" and "above", so both exist."""

    AT_MOST = "<="
    AT_LEAST = ">="
    BELOW = "<"
    ABOVE = ">"

    @property
    def from_above(self) -> bool:
        """Whether the threshold bounds the value from above: the worst value is then the largest."""
        return self in (Comparison.AT_MOST, Comparison.BELOW)

    def holds(self, value: float, threshold: float) -> bool:
        """Whether ``value <comparison> threshold``."""
        if value == threshold:
            return self in (Comparison.AT_MOST, Comparison.AT_LEAST)
        return (value < threshold) is self.from_above


CONTEST_ERROR = 0.01
"""The contest's rule: an error below 1 %. Every criterion, chart and page that says so takes it from here."""


@dataclass(frozen=True, kw_only=True)
class Criterion(Kept):
    """A rule that is fixed before the run and decides a verdict after it.

    ``outputs`` are output names (or batch sizes, for performance metrics); ``("*",)`` means each of them. The verdict
    is that of the worst value. ``why`` says where the threshold comes from.
    """

    id: str
    metric: str
    comparison: Comparison
    threshold: float
    why: str
    outputs: tuple[str, ...] = ("*",)

    @property
    def experiment(self) -> str:
        """The kind of record that this criterion judges."""
        return METRICS[self.metric].experiment

    @property
    def of_outputs(self) -> bool:
        """Whether it says how far an output may be from the reference's."""
        return METRICS[self.metric].of is Of.OUTPUT

    def covers(self, output: str) -> bool:
        """Whether it asks for this output (or batch size)."""
        return "*" in self.outputs or output in self.outputs

    @property
    def sha256(self) -> str:
        """Hash of the rule as it was fixed before the run."""
        return self.kept.get("sha256") or canonical_sha256(self)


_WHYS: dict[str, Phrase] = {}


def why(code: str, **about: object) -> str:
    """A threshold's origin, for the ``why`` of a criterion of ours: English, as it is hashed, and known to `origin`."""
    phrase = said(code, **about)
    _WHYS[str(phrase)] = phrase
    return str(phrase)


def origin(criterion: Criterion) -> Phrase:
    """Where a threshold comes from; what a user wrote stands as it was written."""
    return _WHYS.get(criterion.why) or as_written(criterion.why)


NO_FALLBACK = Criterion(
    id="no-cpu-fallback",
    metric="cpu_fallback_operators",
    comparison=Comparison.AT_MOST,
    threshold=0.0,
    why=why("why-no-fallback"),
)
"""Added to a spec's criteria unless it says that a fallback is only to be flagged."""
