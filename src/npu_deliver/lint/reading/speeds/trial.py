"""One measured speed with what it was measured under."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.words.number import Number

SPEED = "(speed)"
"""The name of the setting that the header of a speed itself gives, and the stage that its cell names."""


class Speed(enum.StrEnum):
    """What a column of speeds holds: rates (more is faster), times (less is), or either, where nothing says which."""

    RATE = "rate"
    TIME = "time"
    UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured speed.

    ``cards`` and ``batch`` are None where the row names none; ``whole_batch``: the batch is that of all the cards.
    ``settings`` are the other settings, by header. ``label`` is the row's first cell. ``of_step`` marks the time of one
    training step. ``claim`` is the cell that calls the row the best of its column, empty elsewhere.
    ``per_card`` marks the rate of one card among many, ``of_samples`` one that counts no tokens or operations.
    """

    speed: Speed
    number: Number
    at: Span
    table: int
    row: int
    column: int
    header: str
    label: str
    claim: str
    cards: int | None
    batch: int | None
    whole_batch: bool
    settings: tuple[tuple[str, str], ...]
    of_step: bool
    per_card: bool
    of_samples: bool

    @property
    def best(self) -> bool:
        """Whether the row claims to hold the best of its column."""
        return bool(self.claim)
