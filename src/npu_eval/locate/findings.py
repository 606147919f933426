"""What is said of each operator, and in which order people want to read it. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from npu_eval.agreement.levels import CAUSES
from npu_eval.notation.phrases import Phrase


@dataclass(frozen=True, kw_only=True)
class OperatorFinding:
    """How one operator call of the candidate differs from the reference on the reference's own inputs.

    ``operator`` is the ATen name (``aten::convolution``), ``module`` the dotted path of the module whose code called
    it (empty: the model itself), ``call`` the number of that module's call, from 0. ``shapes`` are those of the tensor
    inputs. ``error`` is the relative L2 error of the output, infinite where a NaN, an infinity or a shape is on one
    side only; for operators that choose (sort, top-k, NMS …) it is the share chosen by one side only. ``bands`` maps a
    format to the error that it is expected to cause here. ``evidence`` says what was seen; ``str()`` of it is English.
    """

    index: int
    operator: str
    module: str
    call: int
    shapes: tuple[tuple[int, ...], ...]
    error: float
    bands: dict[str, float]
    cause: str
    evidence: Phrase
    backward: bool = False


def ranked(findings: Iterable[OperatorFinding]) -> list[OperatorFinding]:
    """The findings worth reading first: by cause from worst to harmless, then by error in units of its float32 band."""
    return sorted(findings, key=lambda f: (-CAUSES.index(f.cause), -excess(f), f.index))


def excess(finding: OperatorFinding) -> float:
    """The error in units of the float32 band."""
    band = finding.bands.get("fp32", 0.0)
    if finding.error == 0.0:
        return 0.0
    return finding.error / band if band else math.inf


def worst(causes: Iterable[str]) -> str:
    """The worst of some causes; ``ok`` when there are none."""
    return max(causes, key=CAUSES.index, default="ok")
