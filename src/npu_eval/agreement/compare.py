"""Numerical agreement of two tensors, as sums and counts in float64.

The tensors are read in pieces, so a large output never needs a second full copy.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import torch

from npu_eval.agreement.difference import (
    NEAR_BOUNDS,
    RELATIVE_ERROR_BOUNDS,
    RELATIVE_FLOOR,
    SMALL_ERROR,
    SMALL_VALUE,
    ULP_EDGES,
    ULP_LIMITS,
    ULP_MOST,
    Difference,
    Elements,
)
from npu_eval.errors import AdapterError

CHUNK = 1 << 20
"""Elements looked at at once: 8 MiB in float64."""

MERE_EPSILON = 1e-7
"""Added to |reference| in the CANN operator standard's relative errors."""


@dataclass
class _Sums:
    """Accumulators over the elements that are finite on both sides."""

    sq_reference: list[float] = field(default_factory=list)
    sq_candidate: list[float] = field(default_factory=list)
    sq_diff: list[float] = field(default_factory=list)
    dot: list[float] = field(default_factory=list)
    abs_diff: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    max_abs_diff: float = 0.0
    max_relative: float = 0.0
    above_floor: int = 0
    over_bounds: list[int] = field(default_factory=lambda: [0] * len(RELATIVE_ERROR_BOUNDS))
    ulp_counts: list[int] = field(default_factory=lambda: [0] * (len(ULP_EDGES) + 1))


@dataclass
class _ElementSums:
    """Accumulators of what others' standards ask; ``zero`` stands for a zero reference, as msprobe has it."""

    dtype: torch.dtype
    zero: float
    near: list[int] = field(default_factory=lambda: [0] * len(NEAR_BOUNDS))
    ulp: list[float] = field(default_factory=list)
    over_ulp: list[int] = field(default_factory=lambda: [0] * len(ULP_LIMITS))
    max_mixed: float = 0.0
    normal: int = 0
    sq_diff: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    max_relative: float = 0.0
    small: int = 0
    small_wrong: int = 0

    def add(self, r: torch.Tensor, y: torch.Tensor) -> None:
        """Take in some elements, finite on both sides, in float64."""
        diff, size = (y - r).abs(), r.abs()
        relative = diff / torch.where(size == 0, self.zero, size)
        for i, bound in enumerate(NEAR_BOUNDS):
            self.near[i] += int((relative < bound).sum())
        ulps = (diff / _ulp(r, self.dtype)).clamp_max(ULP_MOST)
        self.ulp.append(float(ulps.sum()))
        for i, limit in enumerate(ULP_LIMITS):
            self.over_ulp[i] += int((ulps > limit).sum())
        self.max_mixed = max(self.max_mixed, float((diff / size.clamp_min(1.0)).max()))
        self._add_by_size(diff, size)

    def _add_by_size(self, diff: torch.Tensor, size: torch.Tensor) -> None:
        name = str(self.dtype).removeprefix("torch.")
        small = size <= SMALL_VALUE.get(name, SMALL_VALUE["float32"])
        self.small += int(small.sum())
        self.small_wrong += int((diff[small] > SMALL_ERROR.get(name, SMALL_ERROR["float32"])).sum())
        error, relative = diff[~small], diff[~small] / (size[~small] + torch.finfo(self.dtype).eps)
        self.normal += error.numel()
        self.sq_diff.append(float(error.square().sum()))
        self.relative.append(float(relative.sum()))
        self.max_relative = max(self.max_relative, float(relative.max()) if relative.numel() else 0.0)

    def elements(self) -> Elements:
        """What was taken in."""
        return Elements(
            near=tuple(self.near),
            sum_ulp=math.fsum(self.ulp),
            over_ulp=tuple(self.over_ulp),
            max_mixed=self.max_mixed,
            normal=self.normal,
            normal_sum_sq_diff=math.fsum(self.sq_diff),
            normal_sum_relative=math.fsum(self.relative),
            normal_max_relative=self.max_relative,
            small=self.small,
            small_wrong=self.small_wrong,
        )


def difference(name: str, output: str, reference: torch.Tensor, candidate: torch.Tensor) -> Difference:
    """How ``candidate`` differs from ``reference``.

    Args:
        name: the input that both were computed from.
        output: the output's name.
        reference: a tensor of any real dtype, on the CPU.
        candidate: a tensor of the same shape, on the CPU.

    Raises:
        AdapterError: the shapes differ, or a tensor is complex.
    """
    if reference.is_complex() or candidate.is_complex():
        raise AdapterError(f"output '{output}' is complex", where=name, fix="give its real and imaginary part")
    if reference.shape != candidate.shape:
        raise AdapterError(
            f"output '{output}' has shape {tuple(candidate.shape)} on the candidate and {tuple(reference.shape)} on "
            "the reference",
            where=name,
            fix="the adapter must give the same outputs on every device",
        )
    r_all, y_all = reference.detach().reshape(-1), candidate.detach().reshape(-1)
    r_finite, y_finite = torch.isfinite(r_all), torch.isfinite(y_all)
    same_special = (~r_finite & ~y_finite) & ((r_all == y_all) | (torch.isnan(r_all) & torch.isnan(y_all)))
    finite = r_finite & y_finite
    max_reference = _max_abs(r_all, finite)
    sums = _Sums()
    ulp_dtype = candidate.dtype if candidate.dtype.is_floating_point else torch.float32
    widest = torch.promote_types(torch.promote_types(reference.dtype, candidate.dtype), torch.float32)
    elements = _ElementSums(ulp_dtype, torch.finfo(widest).eps)
    for start in range(0, r_all.numel(), CHUNK):
        keep = finite[start : start + CHUNK]
        r = r_all[start : start + CHUNK][keep].to(torch.float64)
        y = y_all[start : start + CHUNK][keep].to(torch.float64)
        if r.numel():
            _accumulate(sums, r, y, RELATIVE_FLOOR * max_reference, ulp_dtype)
            elements.add(r, y)
    return Difference(
        input=name,
        output=output,
        shape=tuple(reference.shape),
        reference_dtype=str(reference.dtype).removeprefix("torch."),
        candidate_dtype=str(candidate.dtype).removeprefix("torch."),
        reference_sha256=tensor_sha256(r_all),
        candidate_sha256=tensor_sha256(y_all),
        count=r_all.numel(),
        nonfinite_reference=int((~r_finite).sum()),
        nonfinite_candidate=int((~y_finite).sum()),
        nonfinite_mismatch=int((~finite & ~same_special).sum()),
        bitwise_equal=_same_bits(r_all, y_all),
        sum_sq_reference=math.fsum(sums.sq_reference),
        sum_sq_candidate=math.fsum(sums.sq_candidate),
        sum_sq_diff=math.fsum(sums.sq_diff),
        dot=math.fsum(sums.dot),
        sum_abs_diff=math.fsum(sums.abs_diff),
        max_abs_diff=sums.max_abs_diff,
        max_abs_reference=max_reference,
        sum_relative=math.fsum(sums.relative),
        max_relative=sums.max_relative,
        above_floor=sums.above_floor,
        over_bounds=tuple(sums.over_bounds),
        ulp_counts=tuple(sums.ulp_counts),
        elements=elements.elements(),
    )


def _max_abs(values: torch.Tensor, finite: torch.Tensor) -> float:
    largest = 0.0
    for start in range(0, values.numel(), CHUNK):
        kept = values[start : start + CHUNK][finite[start : start + CHUNK]].to(torch.float64)
        if kept.numel():
            largest = max(largest, float(kept.abs().max()))
    return largest


def _same_bits(r: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether two flat tensors hold the same bytes: -0.0 is not 0.0 here, and a NaN equals itself."""
    if r.dtype != y.dtype:
        return False
    return torch.equal(r.contiguous().view(torch.uint8), y.contiguous().view(torch.uint8))


def tensor_sha256(values: torch.Tensor) -> str:
    """Hash of a flat tensor's bytes."""
    return hashlib.sha256(values.contiguous().view(torch.uint8).numpy()).hexdigest()


def _accumulate(sums: _Sums, r: torch.Tensor, y: torch.Tensor, floor: float, ulp_dtype: torch.dtype) -> None:
    diff = (y - r).abs()
    size = r.abs()
    sums.sq_reference.append(float(r.square().sum()))
    sums.sq_candidate.append(float(y.square().sum()))
    sums.sq_diff.append(float(diff.square().sum()))
    sums.dot.append(float((r * y).sum()))
    sums.abs_diff.append(float(diff.sum()))
    sums.max_abs_diff = max(sums.max_abs_diff, float(diff.max()))
    relative = diff / (size + MERE_EPSILON)
    sums.relative.append(float(relative.sum()))
    sums.max_relative = max(sums.max_relative, float(relative.max()))
    counted = size > floor
    sums.above_floor += int(counted.sum())
    share = diff[counted] / size[counted]
    for i, bound in enumerate(RELATIVE_ERROR_BOUNDS):
        sums.over_bounds[i] += int((share > bound).sum())
    ulps = diff / _ulp(r, ulp_dtype)
    edges = torch.tensor(ULP_EDGES, dtype=torch.float64)
    bins = torch.bucketize(ulps, edges)
    for i, number in enumerate(torch.bincount(bins, minlength=len(ULP_EDGES) + 1).tolist()):
        sums.ulp_counts[i] += number


def _ulp(r: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The unit in the last place of ``dtype`` at each value: 2^(exponent) * eps, not below the smallest subnormal."""
    info = torch.finfo(dtype)
    _, exponent = torch.frexp(r)
    smallest = info.smallest_normal * info.eps
    unit = torch.ldexp(torch.full_like(r, info.eps), exponent - 1).clamp_min(smallest)
    return torch.where(r == 0, smallest, unit)  # a zero has no exponent
