"""Turn what a forced run sees into findings, one for each operator of the reference, in network order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

from npu_eval.agreement.levels import CAUSES, FP32_EQUAL
from npu_eval.locate import choices
from npu_eval.locate.emulate import Call
from npu_eval.locate.findings import OperatorFinding
from npu_eval.locate.formats import UNIT_ROUNDOFF
from npu_eval.locate.judgement import (
    ALTERED_EQUAL,
    RANDOM_LIMIT,
    Judgement,
    bands_of,
    judge,
    nearest_format,
    nominal_bands,
)
from npu_eval.locate.measure import relative_error, same_bits
from npu_eval.locate.operators import CHOOSING, OPERANDS, is_random
from npu_eval.locate.record import RecordedOp, Recording
from npu_eval.locate.trace import FALLBACK, Judge, Trace
from npu_eval.locate.values import Ref
from npu_eval.notation.phrases import Phrase, said


@dataclass
class Collector(Judge):
    """Judges every operator as it is run; nothing of its values is kept."""

    recording: Recording
    found: dict[int, Judgement] = field(default_factory=dict)

    def operator(
        self,
        op: RecordedOp,
        outputs: list[torch.Tensor | None],
        differences: list[Phrase],
        again: Callable[[], list[torch.Tensor]] | None,
        notes: list[Phrase],
    ) -> None:
        """Judge an operator's outputs, and ask for a second run where nothing explains them."""
        candidates = [None if t is None or t.layout is not torch.strided else t.detach().cpu() for t in outputs]
        references = [self.recording.tensor(ref) for ref in op.outputs]
        judgement = self._judge(op, references, candidates, differences)
        if judgement.cause == "fault" and again is not None:
            judgement = _repeated(judgement, candidates, again)
        if judgement.cause == "fault" and op.index in self.recording.unstable:
            words = said("unstable-reference").then(judgement.evidence)
            judgement = replace(judgement, cause="non-deterministic", evidence=words)
        if notes and (judgement.error or FALLBACK in notes):
            judgement = replace(judgement, evidence=judgement.evidence.then(*notes))
        if FALLBACK in notes and judgement.cause != "fault":
            judgement = replace(judgement, cause="fallback")
        self._add(op, judgement)

    def incomparable(self, op: RecordedOp, evidence: Phrase) -> None:
        """Note that there is nothing to judge."""
        self._add(op, Judgement(0.0, nominal_bands(), "not-comparable", evidence))

    def altered(
        self, op: RecordedOp, error: float, evidence: Phrase, *, random: bool = False, replaced: bool = False
    ) -> None:
        """Judge a value that code around an operator changed."""
        bands = self.found[op.index].bands if op.index in self.found else self._bands(op)
        floor = max(bands.get("fp32", 0.0), UNIT_ROUNDOFF["fp32"])
        near = nearest_format(error, bands) if replaced and op.name in OPERANDS else None
        if error <= (FP32_EQUAL if replaced else ALTERED_EQUAL) * floor:
            cause = "ok"
        elif near is not None:
            cause = near
        elif random and error <= RANDOM_LIMIT:
            cause, evidence = "non-deterministic", evidence.then(said("random-too"))
        else:
            cause = "fault"
        self._add(op, Judgement(error, bands, cause, evidence))

    def findings(self, trace: Trace) -> list[OperatorFinding]:
        """Every operator of the reference, those included that the candidate did not run."""
        return [self._finding(op, trace) for op in self.recording.ops]

    def _finding(self, op: RecordedOp, trace: Trace) -> OperatorFinding:
        judgement = self.found.get(op.index)
        if judgement is None:
            extra = ", ".join(dict.fromkeys(trace.extra.get(op.scope, ())))
            words = said("runs-instead", names=extra) if extra else said("not-run")
            judgement = Judgement(0.0, nominal_bands(), "not-comparable", words)
        return OperatorFinding(
            index=op.index,
            operator=op.name,
            module=op.scope.path,
            call=op.scope.call,
            shapes=tuple(ref.shape for ref in op.inputs),
            error=judgement.error,
            bands=judgement.bands,
            cause=judgement.cause,
            evidence=judgement.evidence,
            backward=op.scope.backward,
        )

    def _judge(
        self,
        op: RecordedOp,
        references: list[torch.Tensor],
        candidates: list[torch.Tensor | None],
        differences: list[Phrase],
    ) -> Judgement:
        if not references or not all(r.layout is torch.strided and not r.is_complex() for r in references):
            return Judgement(0.0, nominal_bands(), "not-comparable", said("not-plain"))
        present = [c for c in candidates if c is not None]
        if is_random(op.func):
            return _random(references, present)
        call = self._call(op)
        if op.name in CHOOSING and len(present) == len(references):
            error, words = choices.judge_choice(op.name, call.args, references, present)
            small = error <= UNIT_ROUNDOFF["fp32"] * 4
            evidence = words.then(*differences) or said("same-choice")
            return Judgement(error, {"fp32": UNIT_ROUNDOFF["fp32"]}, "ok" if small else "fault", evidence)
        return judge(call, references, candidates, differences)

    def _call(self, op: RecordedOp) -> Call:
        def value(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return self.recording.tensor(leaf)
            return torch.device("cpu") if isinstance(leaf, torch.device) else leaf

        args, kwargs = tree_map(value, (op.args, op.kwargs))
        return Call(op.func, args, kwargs)

    def _bands(self, op: RecordedOp) -> dict[str, float]:
        with _disable_current_modes():
            return bands_of(self._call(op), [self.recording.tensor(ref) for ref in op.outputs])

    def _add(self, op: RecordedOp, judgement: Judgement) -> None:
        before = self.found.get(op.index)
        if before is None or CAUSES.index(judgement.cause) > CAUSES.index(before.cause):
            self.found[op.index] = judgement


def _random(references: list[torch.Tensor], candidates: list[torch.Tensor]) -> Judgement:
    if len(references) == len(candidates) and all(map(same_bits, references, candidates)):
        return Judgement(0.0, nominal_bands(), "ok", said("same-random"))
    error = relative_error(references[0], candidates[0]) if candidates else 0.0
    return Judgement(error, nominal_bands(), "non-deterministic", said("random"))


def _repeated(
    judgement: Judgement, candidates: list[torch.Tensor | None], again: Callable[[], list[torch.Tensor]]
) -> Judgement:
    """Whether a second run gives something else: an explanation for a small error, evidence for a large one."""
    try:
        second = [t.detach().cpu() for t in again()]
    except RuntimeError as error:  # it did run a moment ago
        return replace(judgement, evidence=judgement.evidence.then(said("fails-again", error=error)))
    pairs = [(a, b) for a, b in zip(candidates, second, strict=False) if a is not None and a.dtype.is_floating_point]
    if all(same_bits(a, b) for a, b in pairs):
        return judgement
    change = max(relative_error(a, b) for a, b in pairs)
    words = said("two-runs-differ", change=f"{change:.2g}")
    cause = "non-deterministic" if judgement.error <= RANDOM_LIMIT else "fault"
    return replace(judgement, cause=cause, evidence=judgement.evidence.then(words))
