"""The lines of an experiment's log: a pure function of its record and the criteria.

Nothing else writes logs, so a verifier regenerates each one byte for byte. Standard library only. English, because
logs are read by tools too; the reports have languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from npu_eval.asked.criteria import Criterion
from npu_eval.asked.metrics import METRICS
from npu_eval.errors import EXIT_NOT_PASSED, EXIT_OK
from npu_eval.notation import units
from npu_eval.notation.sources import cited
from npu_eval.npu import environment as npu_environment
from npu_eval.process.visible import visible
from npu_eval.records.kind import Telling
from npu_eval.records.provenance import Provenance
from npu_eval.records.record import Record, record_sha256
from npu_eval.records.stamps import SEEDED, UNTIMED, is_simulated, shouted, stamped_name, stamps_of, told
from npu_eval.records.verdict import Status, Verdict, judge, overall


def log_name(record: Record) -> str:
    """File name of a record's log; that of a simulated NPU says so."""
    return stamped_name(record.of.log, simulated=is_simulated(record.provenance))


def verdicts_of(record: Record, criteria: Iterable[Criterion]) -> tuple[Verdict, ...]:
    """The verdicts that belong to one record."""
    return tuple(judge(record, c) for c in criteria if c.experiment == record.kind)


def exit_code(record: Record, verdicts: Sequence[Verdict]) -> int:
    """The exit code of the script that made this record: 1 when a verdict is not PASS. Inference has none to miss."""
    return EXIT_OK if not verdicts or overall(verdicts) is Status.PASS else EXIT_NOT_PASSED


def log_text(record: Record, criteria: Iterable[Criterion]) -> str:
    """The whole log of one experiment, with a final newline."""
    return "".join(f"{visible(line)}\n" for line in log_lines(record, criteria))


def log_lines(record: Record, criteria: Iterable[Criterion]) -> list[str]:
    """The log as lines without newlines."""
    criteria = tuple(criteria)
    verdicts = verdicts_of(record, criteria)
    simulated = is_simulated(record.provenance)
    body = record.of.lines(record.data, Telling(criteria=criteria, simulated=simulated))
    return [*_head(record), "", *body, *_verdict_lines(verdicts, simulated=simulated), "", *_tail(record, verdicts)]


# --- parts -----------------------------------------------------------------------------------------------------------


def _head(record: Record) -> list[str]:
    p = record.provenance
    title = record.of.title
    lines = [title, "=" * len(title)]
    lines += [f"!!! {shouted(stamp)} !!!" for stamp in stamps_of([p])]
    facts = {
        "command": " ".join(record.command),
        "started": record.started_at,
        "device": f"{p.device.name} ({p.device.description}; evidence: {p.device.evidence})",
        "reference": p.reference_device or "-",
        **_bundle_facts(p),
        "host": f"{p.host.cpu_model}, {p.host.usable_cpus} of {p.host.cpu_count} CPUs, {p.host.torch_threads} threads",
        "versions": ", ".join(f"{name} {version}" for name, version in p.versions.items()),
        "modes": ", ".join(f"{name}={value}" for name, value in p.numeric_modes.items()) or "-",
        "weights": SEEDED if p.weights.random else p.weights.source,
        "": "-" if p.weights.sha256 is None else f"sha256 {p.weights.sha256}",
        "loaded": f"{p.weights.tensors} tensors, {units.millions(p.weights.parameters)} parameters, "
        f"{len(p.weights.missing_keys)} missing, {len(p.weights.unexpected_keys)} unexpected keys",
        **{f"loaded {i}": str(note) for i, note in enumerate(p.weights.notes, 1)},
        **_npu_facts(p),
        "image": p.image,
        "spec": f"sha256 {record.spec_sha256}",
        "code": f"sha256 {record.code_sha256}",
    }
    return lines + [f"{name:<11}{value}" for name, value in facts.items()]


def _bundle_facts(p: Provenance) -> dict[str, str]:
    """Where the reference's outputs come from, when it was not this run that computed them."""
    b = p.reference_bundle
    if b is None:
        return {}
    made = f"{b.device.name} ({b.device.description}), {b.host.cpu_model}"
    return {
        "bundle": f"sha256 {b.sha256}",
        "made on": f"{made}, at {b.made_at}",
        "made with": ", ".join(f"{name} {version}" for name, version in b.versions.items()),
        "made by": f"code sha256 {b.code_sha256}",
    }


def _npu_facts(p: Provenance) -> dict[str, str]:
    """What is known of an NPU alone: operators that ran on the CPU, and which variables change what holds anyway."""
    if p.device.kind != "npu":
        return {}
    calls = {f.operator: "" if f.calls is None else f" ({f.calls} calls)" for f in p.fallbacks}
    found = [
        f"{s.name}={s.value} ({s.state}" + (f"; default {s.default})" if s.state == "changed" and s.default else ")")
        for s in npu_environment.settings(p.environment, p.device.soc)
    ]
    return {
        "fallbacks": ", ".join(f"{name}{count}" for name, count in calls.items()) or "none",
        "variables": ", ".join(found) or "none set",
        **({"defaults": cited(npu_environment.sources(p.environment))} if found else {}),
    }


def _verdict_lines(verdicts: Sequence[Verdict], *, simulated: bool) -> list[str]:
    if not verdicts:
        return []
    lines = ["", "verdicts (criteria fixed before the run)"]
    for v in verdicts:
        rule = f"{v.metric} {v.comparison} {v.threshold:g}"
        if v.value is None:
            found = f"{v.evidence}: {v.reason}" if v.evidence else str(v.reason)
        else:
            value = UNTIMED if simulated and METRICS[v.metric].timed else f"{v.value:.6g}"
            found = f"worst {value} of {v.compared} ({v.evidence})"
        lines.append(f"{told(v.status, simulated=simulated):<12} {v.criterion:<16} {rule:<32} {found}")
    return lines


def _tail(record: Record, verdicts: Sequence[Verdict]) -> list[str]:
    lines = [f"{'finished':<11}{record.finished_at}", f"{'record':<11}sha256 {record_sha256(record)}"]
    if verdicts:
        lines.append(f"{'overall':<11}{told(overall(verdicts), simulated=is_simulated(record.provenance))}")
    return [*lines, f"{'exit code':<11}{exit_code(record, verdicts)}"]
