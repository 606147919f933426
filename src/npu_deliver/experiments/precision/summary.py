"""The part of a summary that is about numerical agreement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from npu_deliver.experiments.precision.detections import Detections, summarize_detections
from npu_eval.agreement import metrics
from npu_eval.asked.criteria import CONTEST_ERROR
from npu_eval.asked.spec import EvalSpec, Side, SpecFile
from npu_eval.experiments.localisation.data import LocalisationData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.precision.levels import Level, levels
from npu_eval.experiments.precision.switching_data import ModeRow, mode_rows
from npu_eval.experiments.precision.values import NOT_STORED, held_outputs
from npu_eval.notation.phrases import Phrase
from npu_eval.records.provenance import BundleOrigin
from npu_eval.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The five best classes of one input on both sides."""

    input: str
    reference_classes: tuple[int, ...]
    candidate_classes: tuple[int, ...]
    top1_match: bool
    top5_common: int


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The comparison of the candidate with the reference.

    ``worst_*`` is the worst value over all inputs and outputs; ``within_1_percent`` whether every output of every input
    has a relative L2 error below the contest's 1 %. The top-k fields are None where the outputs are no classes,
    ``detections`` where they are no objects. ``bundle`` says who computed the reference when it was not this run, on
    the device that ``reference`` then names. ``levels`` says of each output how well it agrees, in one word. ``modes``
    is the candidate under each combination of its device's switches for reduced formats; ``no_modes`` says why none.
    """

    reference: Side
    candidate: Side
    agreements: tuple[metrics.Agreement, ...]
    repeats: tuple[metrics.Agreement, ...]
    rankings: tuple[Ranking, ...]
    worst_relative_l2: float
    worst_max_abs_diff: float
    worst_mean_abs_diff: float
    worst_cosine_similarity: float
    worst_share_over_1_percent: float
    worst_repeat_relative_l2: float
    repeats_bitwise_equal: bool
    within_1_percent: bool
    top1_agreement: float | None
    top5_agreement: float | None
    top1_match: bool | None
    top5_match: bool | None
    detections: Detections | None
    bundle: BundleOrigin | None
    levels: tuple[Level, ...]
    modes: tuple[ModeRow, ...]
    no_modes: Phrase


def summarize_precision(
    data: PrecisionData, spec: EvalSpec, *, bundle: BundleOrigin | None = None, causes: Collection[str] = ()
) -> Precision:
    """What a precision record comes to; ``causes`` are those of the operators' errors, where they were looked for."""
    agreements = tuple(map(metrics.agreement, data.differences))
    repeats = tuple(map(metrics.agreement, data.repeats))
    top1, top5 = (metrics.top_k_agreement(data.rankings, k) if data.rankings else None for k in (1, 5))
    return Precision(
        reference=replace(spec.reference, device=bundle.device.name) if bundle else spec.reference,
        candidate=spec.candidate,
        agreements=agreements,
        repeats=repeats,
        rankings=tuple(
            Ranking(
                input=r.input,
                reference_classes=r.reference_classes,
                candidate_classes=r.candidate_classes,
                top1_match=bool(r.reference_classes) and r.reference_classes[:1] == r.candidate_classes[:1],
                top5_common=len(set(r.reference_classes) & set(r.candidate_classes)),
            )
            for r in data.rankings
        ),
        worst_relative_l2=max(a.relative_l2 for a in agreements),
        worst_max_abs_diff=max(a.max_abs_diff for a in agreements),
        worst_mean_abs_diff=max(a.mean_abs_diff for a in agreements),
        worst_cosine_similarity=min(a.cosine_similarity for a in agreements),
        worst_share_over_1_percent=max(a.share_over_1_percent for a in agreements),
        worst_repeat_relative_l2=max(a.relative_l2 for a in repeats),
        repeats_bitwise_equal=all(a.bitwise_equal for a in repeats),
        within_1_percent=all(
            error is not None and error < CONTEST_ERROR for error in map(metrics.finite_error, data.differences)
        ),
        top1_agreement=top1,
        top5_agreement=top5,
        top1_match=None if top1 is None else top1 == 1.0,
        top5_match=None if top5 is None else top5 == 1.0,
        detections=summarize_detections(data.detections),
        bundle=bundle,
        modes=mode_rows(data.switching) if data.switching else (),
        no_modes=data.switching.reason if data.switching else NOT_STORED,
        levels=levels(data, held_outputs(data, spec.criteria), causes),
    )


FLOAT32_LIMIT = 1e-5
"""Relative L2 error of an output that float32 itself does not reach: networks of this size come to about 1e-6 against
float64, and HF32, the shortest format that is on by default anywhere, to more than 1e-4.
"""


def differs(record: Record | None) -> bool:
    """Whether a precision record shows an output that differs by more than float32 explains."""
    if record is None or not isinstance(record.data, PrecisionData):
        return False
    found = map(metrics.agreement, record.data.differences)
    return any(a.nonfinite_mismatch or a.relative_l2 > FLOAT32_LIMIT for a in found)


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Precision | None:
    """What the precision record comes to, if there is one, with the causes that a localisation found."""
    record, located = records.get("precision"), records.get("localisation")
    if record is None or not isinstance(record.data, PrecisionData):
        return None
    found = located.data.operators if located is not None and isinstance(located.data, LocalisationData) else ()
    return summarize_precision(
        record.data,
        spec_file.evaluation,
        bundle=record.provenance.reference_bundle,
        causes=frozenset(operator.cause for operator in found),
    )
