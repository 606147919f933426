"""Differences of two tensors, piece by piece in float64, so that no second full copy is ever made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

PIECE = 1 << 17
"""Elements looked at at once: 1 MiB in float64."""


def pieces(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """The same elements of tensors of one shape, flat, a piece at a time."""
    first = tensors[0]
    if first.numel() <= PIECE or first.dim() == 0:
        if first.numel():
            yield tuple(t.reshape(-1) for t in tensors)
        return
    inner = first.numel() // first.shape[0]
    step = max(1, PIECE // inner)
    if inner > PIECE:
        for i in range(first.shape[0]):
            yield from pieces(*(t[i] for t in tensors))
        return
    for start in range(0, first.shape[0], step):
        yield tuple(t[start : start + step].reshape(-1) for t in tensors)


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors of the same dtype and shape hold the same bytes; a NaN equals itself, -0.0 is not 0.0."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if torch.equal(a, b):
        return not a.dtype.is_floating_point or all(
            torch.equal(torch.signbit(x), torch.signbit(y)) for x, y in pieces(a, b)
        )
    return a.dtype.is_floating_point and all(
        torch.equal(x.contiguous().view(torch.uint8), y.contiguous().view(torch.uint8)) for x, y in pieces(a, b)
    )


@dataclass
class Sums:
    """Accumulated squares over the elements that are finite on both sides."""

    reference: list[float] = field(default_factory=list)
    candidate: list[float] = field(default_factory=list)
    difference: list[float] = field(default_factory=list)
    dot: list[float] = field(default_factory=list)
    one_sided: int = 0

    def add(self, reference: torch.Tensor, candidate: torch.Tensor) -> None:
        """Take another piece."""
        for r, c in pieces(reference, candidate):
            x, y = r.to(torch.float64), c.to(torch.float64)
            finite = torch.isfinite(x) & torch.isfinite(y)
            if not bool(finite.all()):
                same = (x == y) | (torch.isnan(x) & torch.isnan(y))
                self.one_sided += int((~finite & ~same).sum())
                x, y = x[finite], y[finite]
            d = y - x
            self.reference.append(float(x.dot(x)))
            self.candidate.append(float(y.dot(y)))
            self.difference.append(float(d.dot(d)))
            self.dot.append(float(x.dot(d)))

    @property
    def relative(self) -> float:
        """||candidate - reference|| / ||reference||; infinite when a NaN or infinity is on one side only."""
        if self.one_sided:
            return math.inf
        size, difference = math.fsum(self.reference), math.fsum(self.difference)
        if size == 0.0:
            return 0.0 if difference == 0.0 else math.inf
        return math.sqrt(difference / size)

    @property
    def gain(self) -> float:
        """The share of the difference that is a multiple of the reference, from -1 to 1."""
        size = math.sqrt(math.fsum(self.reference)) * math.sqrt(math.fsum(self.difference))
        return math.fsum(self.dot) / size if size else 0.0


def relative_error(reference: torch.Tensor, candidate: torch.Tensor) -> float:
    """The relative L2 error of a candidate; infinite where the shapes differ or a value is finite on one side only.

    Whole numbers and truth values have as error the share of elements that differ.
    """
    if reference.shape != candidate.shape:
        return math.inf
    if not reference.dtype.is_floating_point:
        if reference.numel() == 0:
            return 0.0
        return float((reference != candidate.to(reference.dtype)).sum()) / reference.numel()
    sums = Sums()
    sums.add(reference, candidate)
    return sums.relative
