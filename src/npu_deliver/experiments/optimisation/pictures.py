"""The pictures of an optimisation record, by their names in the deliverable."""

from __future__ import annotations

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.optimisation.chart import (
    BarPoint,
    EffectPoint,
    StagePoint,
    bars_chart,
    effects_chart,
    sweep_chart,
    waterfall_chart,
)
from npu_deliver.experiments.optimisation.summary import Optimisation
from npu_eval.experiments.optimisation.effects import Outcome, Row
from npu_eval.notation import units
from npu_eval.records.record import Record


def draw(found: Optimisation, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """Stem of a picture → its bytes; only pictures that have something to show."""
    del record
    labels, pictures = frame.labels, dict[str, bytes]()
    effects = [point for row in found.rows if (point := _effect(row)) is not None]
    if effects:
        pictures["optimisation_chart"] = effects_chart(effects, found.aa_factor, frame)
    if found.best:
        base = found.stages[0].latency_s
        stages = [
            StagePoint(
                name=stage.name if stage.number else labels.baseline,
                latency_s=stage.latency_s,
                interval_s=None if stage.total is None else (base / stage.total.high, base / stage.total.low),
            )
            for stage in found.stages
        ]
        pictures["waterfall_chart"] = waterfall_chart(stages, frame)
    batches = [
        BarPoint(
            name=str(p.batch_size),
            value=p.images_per_s,
            text=units.rate(p.images_per_s),
            interval=None if p.low_per_s is None or p.high_per_s is None else (p.low_per_s, p.high_per_s),
        )
        for p in found.sweep
        if p.images_per_s is not None
    ]
    if len(batches) > 1:
        pictures["large_batch_report"] = sweep_chart(batches, frame)
    if found.scaling:
        bars = [
            BarPoint(name=f"{name} ({len(s.devices)})", value=value, interval=None, text=units.rate(value))
            for s in found.scaling
            for name, value in ((labels.together, s.together_per_s), (labels.alone, s.alone_per_s))
        ]
        pictures["dual_npu_report"] = bars_chart(bars, labels.scaling_title, labels.throughput, frame)
    if found.profile is not None and found.profile.operators:
        operators = [
            BarPoint(
                name=o.name,
                value=o.seconds * 1e3,
                interval=None,
                text=f"{units.ms(o.seconds)}  {units.percent(o.share)}",
            )
            for o in found.profile.operators
        ]
        pictures["operators_chart"] = bars_chart(operators, labels.operators_title, labels.operator_time, frame)
    return pictures


def _effect(row: Row) -> EffectPoint | None:
    if row.effect is None or (row.stage == "combination" and row.against):
        return None
    kind = str(row.outcome)
    if row.outcome is Outcome.GAIN and not row.accepted and row.stage != "a/a":
        kind = "breaks"
    if kind not in ("gain", "loss", "breaks"):
        kind = str(Outcome.NONE)
    name = row.name if row.stage != "combination" else f"= {row.name}"
    return EffectPoint(name=name, factor=row.effect.factor, low=row.effect.low, high=row.effect.high, kind=kind)
