"""How well one format explains what a candidate computed: the size, the direction and the place of its error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from npu_eval.locate.emulate import Call, Convert, Index, emulate
from npu_eval.locate.formats import MANTISSA_BITS, Rounding, rounded, through_half, truncated
from npu_eval.locate.measure import pieces

LONGEST_PROFILE = 1 << 14
"""Axes longer than this have no profile."""


@dataclass
class Fit:
    """One output under one emulation, all relative to ||reference||.

    ``band`` is the emulated error, ``residual`` what is left of the candidate's error when the emulated result is taken
    for the truth, ``alignment`` the cosine of the two errors, and ``unevenness`` how far the candidate's error exceeds
    the emulated one in its worst row, column, channel or image (a ratio of energies).
    """

    reference: float = 0.0
    emulated: float = 0.0
    left: float = 0.0
    candidate: float = 0.0
    cross: float = 0.0
    profiles: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    @property
    def band(self) -> float:
        """The emulated error."""
        return self._share(self.emulated)

    @property
    def residual(self) -> float:
        """What the emulation leaves unexplained."""
        return self._share(self.left)

    @property
    def error(self) -> float:
        """The candidate's error."""
        return self._share(self.candidate)

    @property
    def alignment(self) -> float:
        """The cosine of the candidate's and the emulated error."""
        size = math.sqrt(self.emulated) * math.sqrt(self.candidate)
        return self.cross / size if size else 0.0

    @property
    def unevenness(self) -> float:
        """The largest ratio of the two errors' energies along any axis."""
        worst = 0.0
        for candidate, emulated in self.profiles.values():
            usual = float(emulated.mean())
            if usual:
                worst = max(worst, float((candidate / (emulated + EVEN_SHARE * usual)).max()))
        return worst

    def _share(self, energy: float) -> float:
        return math.sqrt(energy / self.reference) if self.reference else (0.0 if energy == 0.0 else math.inf)


EVEN_SHARE = 0.1
"""Of the mean energy along an axis, added to each place: places that hold next to nothing are not held against it."""


def fit(
    call: Call,
    references: list[torch.Tensor],
    candidates: list[torch.Tensor | None],
    operand: Convert,
    other: Convert,
    emit: Convert | None = None,
) -> list[Fit]:
    """Emulate a call and hold each floating-point output against the reference's and the candidate's.

    Raises:
        RuntimeError: the operator cannot be run like this on the CPU (no kernel for the dtype, say).
    """
    fits = [Fit() for _ in references]
    for place, outputs in emulate(call, operand, other):
        for i, output in enumerate(outputs[: len(references)]):
            reference = references[i]
            if not reference.dtype.is_floating_point or not output.dtype.is_floating_point:
                continue
            candidate = candidates[i]
            part = reference if place is None else reference[place]
            result = emit(output) if emit else output
            if result.shape != part.shape:
                continue
            seen = None if candidate is None else (candidate if place is None else candidate[place])
            _add(fits[i], part, result, seen)
            if seen is not None:
                _profile(fits[i], reference.shape, place, part, result, seen)
    return fits


def _add(found: Fit, reference: torch.Tensor, emulated: torch.Tensor, candidate: torch.Tensor | None) -> None:
    given = (reference, emulated) if candidate is None else (reference, emulated, candidate)
    for piece in pieces(*given):
        r, e, *rest = (t.to(torch.float64) for t in piece)
        error = torch.nan_to_num(e - r, 0.0, 0.0, 0.0)
        r = torch.nan_to_num(r, 0.0, 0.0, 0.0)
        found.reference += float(r.dot(r))
        found.emulated += float(error.dot(error))
        for c in rest:
            d = torch.nan_to_num(c - r, 0.0, 0.0, 0.0)
            found.candidate += float(d.dot(d))
            found.left += float((d - error).square().sum())
            found.cross += float(d.dot(error))


def _profile(
    found: Fit,
    shape: torch.Size,
    place: Index,
    reference: torch.Tensor,
    emulated: torch.Tensor,
    candidate: torch.Tensor,
) -> None:
    """Add the energies of both errors along each axis."""
    energies = [torch.nan_to_num((t.double() - reference.double()).square(), 0.0) for t in (candidate, emulated)]
    for axis, size in enumerate(shape):
        if not 1 < size <= LONGEST_PROFILE:
            continue
        if axis not in found.profiles:
            found.profiles[axis] = (torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64))
        where = place[axis] if place is not None and axis < len(place) else slice(None)
        others = [a for a in range(len(shape)) if a != axis]
        for total, energy in zip(found.profiles[axis], energies, strict=True):
            total[where] += energy.sum(dim=others) if others else energy


# --- the emulations --------------------------------------------------------------------------------------------------


def floating(convert: Callable[[torch.Tensor], torch.Tensor]) -> Convert:
    """The conversion for floating-point tensors; whole numbers and truth values stay as they are."""
    return lambda t: convert(t) if t.dtype.is_floating_point else t


exact = floating(lambda t: t.to(torch.float64))
single = floating(lambda t: t.to(torch.float32))


def to_nearest(name: str) -> Convert:
    """Rounding to a format."""
    return floating(lambda t: rounded(t, MANTISSA_BITS[name]))


def emulations(name: str) -> dict[str, tuple[Convert, Convert, Convert | None]]:
    """Every way in which devices apply a format, likeliest first.

    By its code in `phrases` → (what it does to operands, to other tensors, to the result).
    """
    near = to_nearest(name)
    cut: Rounding = floating(lambda t: truncated(t, MANTISSA_BITS[name]))
    found: dict[str, tuple[Convert, Convert, Convert | None]] = {
        "left-operands": (near, single, None),
        "left-operands-and-result": (near, single, near),
        "left-every-tensor": (near, near, None),
        "left-every-tensor-and-result": (near, near, near),
        "left-result": (single, single, near),
        "left-towards-zero": (cut, single, None),
    }
    if name == "tf32-or-fp16":
        half = floating(through_half)
        found["left-half-operands"] = (half, single, None)
        found["left-half-operands-and-result"] = (half, half, half)
    return found
