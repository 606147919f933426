"""The lines of the optimisation log's body: a pure function of the record's data and the criteria."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npu_eval.asked.criteria import Criterion
from npu_eval.experiments.optimisation import effects
from npu_eval.experiments.optimisation.data import OptimisationData
from npu_eval.experiments.optimisation.effects import Row
from npu_eval.machine.load import is_busy
from npu_eval.notation import units
from npu_eval.notation.tables import table
from npu_eval.records.stamps import Untimed, told
from npu_eval.under_test.messages import ProfileData


def optimisation_lines(data: OptimisationData, criteria: Sequence[Criterion], *, simulated: bool) -> list[str]:
    """The body of the log, without the head and the verdicts."""
    u: Any = Untimed if simulated else units
    found = effects.rows(data, criteria)
    aa = effects.aa_range(data.trials, effects.noise(data.trials))
    return [
        f"budget {units.seconds(data.budget_s)}, spent {units.seconds(data.spent_s)}; batch {data.batch_size}; "
        f"smallest effect that counts {units.percent(data.min_effect)}",
        *_machine(data),
        *([f"ended: {data.ended}"] if data.ended else []),
        "identical code against itself: " + ("not measured" if aa is None else f"within a factor of {u.ratio(aa)}"),
        "",
        "factor: how many times as quick with the switches; 95 % interval over pairs of fresh processes, bursts ABBA",
        *table(
            (
                "switches",
                "against",
                "stage",
                "verdict",
                "factor",
                "95 %",
                "pairs",
                "precision",
                "rel L2",
                "default",
                "reads",
                "memory",
            ),
            [_row(row, u, simulated=simulated) for row in found],
        ),
        *[f"{row.name}: {row.reason}" for row in found if row.reason],
        *([f"not tried: {', '.join(data.untried)}"] if data.untried else []),
        *_sweep(data, u),
        *_scaling(data, u),
        *_profile(data.profile, u),
    ]


def _machine(data: OptimisationData) -> list[str]:
    return [
        f"machine {m.when}: others kept {m.foreign_cpus:.2f} of {m.cpus} CPUs busy" + (" - BUSY" if is_busy(m) else "")
        for m in data.machine
        if m.foreign_cpus is not None
    ]


def _row(row: Row, u: Any, *, simulated: bool) -> tuple[str, ...]:
    e = row.effect
    memory = row.peak_memory_bytes if row.peak_memory_bytes is not None else row.resident_bytes
    return (
        row.name,
        " + ".join(row.against) or "baseline",
        row.stage,
        str(row.outcome),
        "-" if e is None else u.ratio(e.factor),
        "-" if e is None else f"{u.ratio(e.low)} .. {u.ratio(e.high)}",
        "-" if e is None else units.count(e.pairs),
        "-" if row.precision is None else told(row.precision, simulated=simulated),
        "-" if row.worst_relative_l2 is None else units.sci(row.worst_relative_l2),
        row.default or "-",
        row.reading or "-",
        "-" if memory is None else u.mib(memory),
    )


def _sweep(data: OptimisationData, u: Any) -> list[str]:
    points = effects.sweep(data.sweep)
    if not points:
        return []
    rows = [
        (
            units.count(p.batch_size),
            units.count(p.processes),
            "-" if p.images_per_s is None else u.rate(p.images_per_s),
            "-" if p.low_per_s is None or p.high_per_s is None else f"{u.rate(p.low_per_s)} .. {u.rate(p.high_per_s)}",
            str(p.failed) or p.ended_by,
        )
        for p in points
    ]
    best = ", ".join(map(str, effects.best_batches(points)))
    return [
        "",
        "batch sweep without switches: pipelined throughput over processes",
        *table(("batch", "processes", "images per s", "95 %", "ended by"), rows),
        *([f"best batch, with its ties: {best}"] if best else []),
    ]


def _scaling(data: OptimisationData, u: Any) -> list[str]:
    lines = [
        f"{len(s.devices)} devices at once ({', '.join(s.devices)}), batch {s.batch_size}: {u.rate(s.together_per_s)}, "
        f"the sum of each alone {u.rate(s.alone_per_s)}, efficiency {u.percent(s.efficiency)}"
        for s in map(effects.scaling, data.scaling)
    ]
    return ["", *lines] if lines else []


def _profile(profile: ProfileData | None, u: Any) -> list[str]:
    if profile is None or not profile.operators:
        return []
    total = sum(o.self_s for o in profile.operators)
    rows = [
        (o.name, units.count(o.calls), u.ms(o.self_s / profile.calls), u.percent(o.self_s / total))
        for o in profile.operators[:15]
    ]
    of = f"{profile.tool}, {profile.calls} calls, batch {profile.batch_size}"
    title = f"operators by {profile.clock} time of their own ({of})"
    lines = ["", title, *table(("operator", "calls", "per forward", "share"), rows)]
    if profile.fallbacks:
        lines.append("left to the CPU: " + ", ".join(f"{o.name} ({o.calls})" for o in profile.fallbacks))
    return lines
