"""Pictures of a deliverable: charts of the summary, and terminal-style pictures of the logs.

They are drawn, never captured, and say so; each names what it was drawn from with its hash, in its caption and in its
PNG text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from npu_deliver.drawing import encoding
from npu_deliver.drawing.terminal import terminal_png
from npu_deliver.experiments.charts import (
    CHART_LABELS,
    ApSeries,
    BatchPoint,
    ErrorPoint,
    Frame,
    LatencySeries,
    LossSeries,
    StripPoint,
    batch_chart,
    dataset_chart,
    latency_chart,
    precision_chart,
    strip_chart,
    training_chart,
)
from npu_deliver.experiments.optimisation.pictures import draw_optimisation
from npu_deliver.summary import Summary, summary_sha256
from npu_deliver.words import stamp_line
from npu_eval.asked.criteria import CONTEST_ERROR
from npu_eval.asked.layout import SUMMARY
from npu_eval.experiments.localisation.data import LocalisationData
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.notation.units import short_hash
from npu_eval.records.record import Record
from npu_eval.records.stamps import Stamp, stamped_name
from npu_eval.timing.samples import MIN_RUN

FOLDER = "evaluation/screenshots"

_CAPTION = {
    "zh": "由 {log} 绘制（非截屏），sha256 {sha256}",
    "en": "rendered (not captured) from {log}, sha256 {sha256}",
}
_FOOTER = {
    "zh": "{name} · {device} · 由 {source} 绘制，sha256 {sha256}",
    "en": "{name} · {device} · drawn from {source}, sha256 {sha256}",
}


def draw(
    summary: Summary, records: Mapping[str, Record], logs: Mapping[str, str], lang: str, *, summary_hash: str = ""
) -> dict[str, bytes]:
    """Every picture by its path in the deliverable.

    Args:
        logs: path of each log → its text.
        summary_hash: of the summary as it was written, where another version wrote it in another form.
    """
    pictures: dict[str, bytes] = {}
    stamp = stamp_line(summary.stamps, lang)
    for evidence in summary.evidence:
        pictures[f"{FOLDER}/{evidence.experiment}_report.png"] = terminal_png(
            logs[evidence.log].splitlines(),
            title=f"$ {evidence.command}",
            caption=_CAPTION[lang].format(log=evidence.log, sha256=evidence.log_sha256),
            stamp=stamp,
            log_sha256=evidence.log_sha256,
            source_log=evidence.log,
        )
    pictures |= _precision(summary, lang, stamp, summary_hash or summary_sha256(summary))
    if Stamp.SIMULATED not in summary.stamps:  # the clock of a simulated device says nothing that could be drawn
        pictures |= _performance(summary, records, lang, stamp)
        pictures |= _optimisation(summary, lang, stamp)
    pictures |= _training(summary, lang, stamp)
    pictures |= _dataset(summary, lang, stamp)
    pictures |= _localisation(summary, records, lang, stamp)
    simulated = Stamp.SIMULATED in summary.stamps
    at = summary.layout.at
    stamped = ((stamped_name(at(name), simulated=simulated), content) for name, content in pictures.items())
    return {name: named(content, PurePosixPath(name).name) for name, content in stamped}


def named(png: bytes, name: str) -> bytes:
    """A PNG that says its own file name and what it was drawn with: several pictures are drawn from one record, and one
    of them must not pass for another.
    """
    return encoding.labelled(png, {"Name": name, encoding.DRAWN_WITH: encoding.libraries()})


def _optimisation(summary: Summary, lang: str, stamp: str | None) -> dict[str, bytes]:
    if summary.optimisation is None:
        return {}
    evidence = next(e for e in summary.evidence if e.experiment == "optimisation")
    footer = _footer(summary, lang, evidence.record, evidence.record_sha256)
    frame = Frame(labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=evidence.record_sha256)
    drawn = draw_optimisation(summary.optimisation, frame)
    return {f"{FOLDER}/{stem}.png": content for stem, content in drawn.items()}


def _footer(summary: Summary, lang: str, source: str, sha256: str) -> str:
    device = f"{summary.provenance.device.name} ({summary.provenance.device.description})"
    return _FOOTER[lang].format(name=summary.model.title, device=device, source=source, sha256=short_hash(sha256))


def _precision(summary: Summary, lang: str, stamp: str | None, sha256: str) -> dict[str, bytes]:
    precision = summary.precision
    if precision is None:
        return {}
    repeats: dict[tuple[str, str], float] = {}
    for again in precision.repeats:
        key = (again.input, again.output)
        repeats[key] = max(again.relative_l2, repeats.get(key, 0.0))
    # where a spec fixes no criterion on the relative L2 error, the contest's rule is drawn
    rules = [c.threshold for c in summary.criteria if c.metric == "relative_l2"]
    outputs = {a.output for a in precision.agreements}
    points = [
        ErrorPoint(
            label=PurePosixPath(a.input).name + (f" · {a.output}" if len(outputs) > 1 else ""),
            relative_l2=a.relative_l2,
            repeat_relative_l2=repeats.get((a.input, a.output)),
        )
        for a in precision.agreements
    ]
    chart = precision_chart(
        points, threshold=min(rules, default=CONTEST_ERROR), labels=CHART_LABELS[lang], stamp=stamp,
        footer=_footer(summary, lang, summary.layout.at(SUMMARY), sha256), source_sha256=sha256,
    )  # fmt: skip
    return {f"{FOLDER}/precision_chart.png": chart}


def _performance(summary: Summary, records: Mapping[str, Record], lang: str, stamp: str | None) -> dict[str, bytes]:
    performance, record = summary.performance, records.get("performance")
    if performance is None or record is None or not isinstance(record.data, PerformanceData) or not performance.runs:
        return {}
    evidence = next(e for e in summary.evidence if e.experiment == "performance")
    percentiles = {run.batch_size: run.percentiles_s for run in performance.runs}
    series = [
        LatencySeries(
            batch_size=run.batch_size,
            first_call_s=run.first_call_s,
            warmup_s=run.warmup_s,
            samples_s=run.samples_s,
            percentiles_s={k: v for k, v in percentiles[run.batch_size].items() if k in ("p50", "p90", "p99")},
        )
        for run in record.data.runs
        if len(run.samples_s) >= MIN_RUN and run.first_call_s is not None
    ]
    footer = _footer(summary, lang, evidence.record, evidence.record_sha256)
    pictures = {
        f"{FOLDER}/performance_chart.png": latency_chart(
            series, labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=evidence.record_sha256
        )
    }
    if len(performance.throughput) > 1:
        fresh = {p.batch_size: p for p in performance.processes}
        points = [
            BatchPoint(
                batch_size=t.batch_size,
                throughput=t.images_per_s,
                latency_p50_s=percentiles.get(t.batch_size, {}).get("p50"),
                interval=(fresh[t.batch_size].low_per_s, fresh[t.batch_size].high_per_s)
                if t.batch_size in fresh
                else None,
            )
            for t in performance.throughput
        ]
        pictures[f"{FOLDER}/batch_chart.png"] = batch_chart(
            points, labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=evidence.record_sha256
        )
    return pictures


def _dataset(summary: Summary, lang: str, stamp: str | None) -> dict[str, bytes]:
    if summary.dataset is None or not summary.dataset.scores:
        return {}
    evidence = next(e for e in summary.evidence if e.experiment == "dataset")
    labels = CHART_LABELS[lang]
    series = [
        ApSeries(
            name={"bbox": labels.boxes, "segm": labels.masks}[scores.iou_type],
            by_threshold=scores.by_threshold,
            by_category={c.name: c.ap for c in scores.categories if c.objects},
        )
        for scores in summary.dataset.scores
    ]
    footer = _footer(summary, lang, evidence.record, evidence.record_sha256)
    chart = dataset_chart(series, labels=labels, stamp=stamp, footer=footer, source_sha256=evidence.record_sha256)
    return {f"{FOLDER}/dataset_chart.png": chart}


def _training(summary: Summary, lang: str, stamp: str | None) -> dict[str, bytes]:
    training = summary.training
    if training is None:
        return {}
    evidence = next(e for e in summary.evidence if e.experiment == "training")
    series = []
    for name in dict.fromkeys(loss.name for loss in training.losses):
        points = [loss for loss in training.losses if loss.name == name]
        errors = [p.relative_error for p in points]
        series.append(
            LossSeries(
                name=name,
                reference=tuple(p.reference for p in points),
                candidate=tuple(p.candidate for p in points),
                worst=None if None in errors else max(e for e in errors if e is not None),
            )
        )
    footer = _footer(summary, lang, evidence.record, evidence.record_sha256)
    chart = training_chart(
        series, labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=evidence.record_sha256
    )
    return {f"{FOLDER}/training_chart.png": chart}


def _localisation(summary: Summary, records: Mapping[str, Record], lang: str, stamp: str | None) -> dict[str, bytes]:
    record = records.get("localisation")
    if record is None or not isinstance(record.data, LocalisationData) or not record.data.operators:
        return {}
    evidence = next(e for e in summary.evidence if e.experiment == "localisation")
    points = [
        StripPoint(name=f"{o.module} {o.operator}", error=o.error, band=o.bands.get("fp32", 0.0), cause=o.cause)
        for o in record.data.operators
    ]
    footer = _footer(summary, lang, evidence.record, evidence.record_sha256)
    chart = strip_chart(
        points, labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=evidence.record_sha256
    )
    return {f"{FOLDER}/localisation_chart.png": chart}
