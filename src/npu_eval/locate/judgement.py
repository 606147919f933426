"""Say why an operator's output differs: which format explains its error, or that none does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from npu_eval.agreement.levels import CAUSES, FP32_EQUAL
from npu_eval.locate import fit as fits
from npu_eval.locate.emulate import Call, Convert
from npu_eval.locate.fit import Fit
from npu_eval.locate.formats import HALF_TYPES, MANTISSA_BITS, UNIT_ROUNDOFF
from npu_eval.locate.measure import Sums, relative_error, same_bits
from npu_eval.notation.phrases import NOTHING, Phrase, altogether, said

ALTERED_EQUAL = 1.0
"""In place of `FP32_EQUAL` where an argument, a weight or the code is known to differ: then chance is no excuse."""

EXPLAINED_SHARE = 0.25
"""Of a format's band that may be left when the emulated result is taken for the truth: accumulation order, ties."""

NEAR = (0.5, 2.0)
"""Times the band within which an error may be of that format although its rounding is not exactly ours."""

WORTH_TRYING = (0.2, 5.0)
"""Times the band of rounded operands within which the other ways of a format can lie."""

MIN_ALIGNMENT = 0.25
"""Cosine between the candidate's and the emulated error from which both are of the same kind; noise has 0."""

MAX_GAIN = 0.5
"""Share of the error along the reference from which it is a gain and no rounding."""

MAX_UNEVENNESS = 16.0
"""Times the emulated energy in one row, column, channel or image (4 times its error) that no rounding reaches."""

RANDOM_LIMIT = 2 * 2.4e-3
"""Relative difference of two runs up to which an operator is called non-deterministic; a larger one, beyond twice the
error of bfloat16 operands, is a fault whether it repeats or not."""


@dataclass(frozen=True)
class Judgement:
    """What is known of one output, or of the worst output of an operator."""

    error: float
    bands: dict[str, float]
    cause: str
    evidence: Phrase


def nominal_bands() -> dict[str, float]:
    """One rounding of each format: the bands of operators that were not emulated because they agree bit for bit."""
    return dict(UNIT_ROUNDOFF)


def judge(
    call: Call, references: list[torch.Tensor], candidates: list[torch.Tensor | None], differences: list[Phrase]
) -> Judgement:
    """The worst judgement over an operator's outputs.

    Args:
        call: the operator with the reference's arguments on the CPU.
        references: the reference's outputs.
        candidates: the candidate's, on the CPU; None where it has none. Only the first one has to be there: code that
            replaces an operator need not make its by-products.
        differences: known differences of arguments, weights or code.
    """
    equal = [c is not None and same_bits(r, c) for r, c in zip(references, candidates, strict=True)]
    present = [i for i, c in enumerate(candidates) if c is not None] or [0]
    if all(equal[i] for i in present):
        return Judgement(0.0, bands_of(call, references), "ok", said("same-bits"))
    judged = [
        _output(call, references, i, candidates[i], differences)
        for i in present
        if not equal[i] and (i == 0 or references[i].dtype.is_floating_point)
    ]
    if not judged:  # only secondary whole numbers differ: indices among equal values
        return Judgement(0.0, bands_of(call, references), "ok", said("same-values"))
    return max(judged, key=lambda j: (CAUSES.index(j.cause), j.error))


def bands_of(call: Call, references: list[torch.Tensor]) -> dict[str, float]:
    """The expected error of the first output in each format."""
    if not call.contracts:
        return nominal_bands()
    return {name: found[0].band for name, found in _all_fits(call, references, [None] * len(references), None).items()}


def nearest_format(error: float, bands: dict[str, float]) -> str | None:
    """The format whose band an error is nearest to, if it is near enough to any."""
    near = {name: abs(math.log(error / bands[name])) for name in MANTISSA_BITS if error and bands.get(name)}
    name = min(near, key=near.__getitem__, default=None)
    return name if name is not None and NEAR[0] <= error / bands[name] <= NEAR[1] else None


def _output(
    call: Call, references: list[torch.Tensor], index: int, candidate: torch.Tensor | None, differences: list[Phrase]
) -> Judgement:
    reference = references[index]
    words = altogether(*differences)
    if candidate is None:
        return Judgement(math.inf, nominal_bands(), "fault", words or said("no-result"))
    if candidate.shape != reference.shape:
        what = said("other-shape", ours=tuple(candidate.shape), theirs=tuple(reference.shape))
        return Judgement(math.inf, nominal_bands(), "fault", what.then(words))
    if not reference.dtype.is_floating_point or not candidate.dtype.is_floating_point:
        error = relative_error(reference, candidate)
        differ = said("whole-numbers") if error else NOTHING
        return Judgement(error, {"fp32": 0.0}, "fault" if error else "ok", differ.then(words))
    sums = Sums()
    sums.add(reference, candidate)
    emit = HALF_TYPES.get(candidate.dtype) if reference.dtype not in HALF_TYPES else None
    sides: list[torch.Tensor | None] = [candidate if i == index else None for i in range(len(references))]
    found = {name: f[index] for name, f in _all_fits(call, references, sides, emit).items()}
    bands = {name: f.band for name, f in found.items()}
    if sums.one_sided:
        return Judgement(math.inf, bands, "fault", said("one-sided", count=sums.one_sided).then(words))
    verdict = _explain(call, references, index, candidate, found, sums, emit, altered=bool(differences))
    return replace(verdict, evidence=verdict.evidence.then(words))


def _explain(
    call: Call,
    references: list[torch.Tensor],
    index: int,
    candidate: torch.Tensor,
    found: dict[str, Fit],
    sums: Sums,
    emit: str | None,
    *,
    altered: bool,
) -> Judgement:
    error, bands = sums.relative, {name: f.band for name, f in found.items()}
    floor = max(bands["fp32"], UNIT_ROUNDOFF["fp32"])
    if error <= (ALTERED_EQUAL if altered else FP32_EQUAL) * floor:
        return Judgement(error, bands, "ok", said("times-float32", times=f"{error / floor:.2g}"))
    names = [emit] if emit else list(MANTISSA_BITS)
    for name in names:
        if _explained(found[name], floor):
            return Judgement(error, bands, name, _left("left-operands", name, found[name]))
    for name in names:
        if WORTH_TRYING[0] <= _ratio(error, bands[name]) <= WORTH_TRYING[1]:
            words = _emulated(call, references, index, candidate, name, floor)
            if words:
                return Judgement(error, bands, name, words)
    if emit and error <= NEAR[1] * bands[emit] and found[emit].unevenness <= MAX_UNEVENNESS:
        return Judgement(error, bands, emit, said("computes-in", format=emit, share=f"{error / bands[emit]:.2g}"))
    if call.contracts:
        near = nearest_format(error, bands)
        if near is not None and _resembles(found[near], sums.gain):
            return Judgement(error, bands, near, said("of-the-band", share=f"{error / bands[near]:.2g}", format=near))
    return Judgement(error, bands, "fault", _symptom(found, error, floor, sums.gain))


def _emulated(
    call: Call, references: list[torch.Tensor], index: int, candidate: torch.Tensor, name: str, floor: float
) -> Phrase:
    """In which less likely way of a format the candidate computed; nothing when in none."""
    sides: list[torch.Tensor | None] = [candidate if i == index else None for i in range(len(references))]
    for way, (operand, other, result) in fits.emulations(name).items():
        again = _try(call, references, sides, operand, other, result)
        if again and _explained(again[index], floor):
            return _left(way, name, again[index])
    return NOTHING


def _left(way: str, name: str, found: Fit) -> Phrase:
    """What a way of a format leaves unexplained."""
    left = {"left": f"{found.residual:.2g}"}
    return said(way, **left) if way.startswith("left-half") else said(way, format=name, **left)


def _explained(found: Fit, floor: float) -> bool:
    """Whether the emulated result is what the candidate computed."""
    return found.band > 0.0 and found.residual <= max(FP32_EQUAL * floor, EXPLAINED_SHARE * found.band) < found.error


def _resembles(found: Fit, gain: float) -> bool:
    """Whether the error has the direction and the spread of a format's."""
    return found.alignment >= MIN_ALIGNMENT and abs(gain) <= MAX_GAIN and found.unevenness <= MAX_UNEVENNESS


def _symptom(found: dict[str, Fit], error: float, floor: float, gain: float) -> Phrase:
    """What the error looks like, for a person who has to find its cause."""
    text = said("times-float32", times=f"{error / floor:.3g}")
    if abs(gain) > 0.99:
        return text.then(said("scaled", times=f"{1 + math.copysign(error, gain):.6g}"))
    profiles = found["fp32"].profiles
    for axis, (energy, _) in sorted(profiles.items(), key=lambda item: -float(item[1][0].max())):
        total, most = float(energy.sum()), float(energy.max())
        wrong = int((energy > 0).sum())
        if total and (most > 0.9 * total or wrong <= energy.numel() // 2) and wrong < energy.numel():
            where = int(energy.argmax())
            if most > 0.9 * total:
                return text.then(said("one-index", index=where, axis=axis, length=energy.numel()))
            return text.then(said("few-places", wrong=wrong, length=energy.numel(), axis=axis))
    return text


def _all_fits(
    call: Call, references: list[torch.Tensor], candidates: list[torch.Tensor | None], emit: str | None
) -> dict[str, list[Fit]]:
    """The fits of float32 and of each format, in its likeliest way; nominal bands where a format cannot be run."""
    double = any(r.dtype == torch.float64 for r in references)
    standard = fits.single if double else fits.exact
    ways: dict[str, tuple[Convert, Convert, Convert | None]] = {"fp32": (standard, standard, None)}
    for name in MANTISSA_BITS:
        near = fits.to_nearest(name)
        half = emit == name
        ways[name] = (near, near if half or not call.contracts else fits.single, near if half else None)
    found = {}
    for name, (operand, other, result) in ways.items():
        attempt = _try(call, references, candidates, operand, other, result)
        found[name] = attempt or [_nominal(name) for _ in references]
    return found


def _nominal(name: str) -> Fit:
    return Fit(reference=1.0, emulated=UNIT_ROUNDOFF[name] ** 2, left=math.inf)


def _try(
    call: Call,
    references: list[torch.Tensor],
    candidates: list[torch.Tensor | None],
    operand: Convert,
    other: Convert,
    result: Convert | None,
) -> list[Fit] | None:
    """The fits, or None when the CPU has no such kernel."""
    try:
        return fits.fit(call, references, candidates, operand, other, result)
    except (RuntimeError, NotImplementedError, TypeError):  # no kernel for the dtype or the device
        return None


def _ratio(error: float, band: float) -> float:
    return error / band if band else math.inf
