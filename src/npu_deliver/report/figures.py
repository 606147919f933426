"""Pictures of a deliverable: charts of the summary, and terminal-style pictures of the logs.

They are drawn, never captured, and say so; each names what it was drawn from with its hash, in its caption and in its
PNG text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from npu_deliver.drawing import encoding
from npu_deliver.drawing.labels import CHART_LABELS, Frame
from npu_deliver.drawing.terminal import terminal_png
from npu_deliver.experiments.part import Part
from npu_deliver.experiments.registry import PARTS, halves
from npu_deliver.summary import Summary, summary_sha256
from npu_deliver.words import stamp_line
from npu_eval.asked.layout import SUMMARY
from npu_eval.notation.units import short_hash
from npu_eval.records.record import Record
from npu_eval.records.stamps import Stamp, stamped_name

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
    for name, half in halves("pictures").items():
        if PARTS[name].timed and Stamp.SIMULATED in summary.stamps:
            continue  # the clock of a simulated device says nothing that could be drawn
        if found := getattr(summary, name):
            frame = _frame(summary, PARTS[name], lang, summary_hash or summary_sha256(summary))
            drawn = half.draw(found, records.get(name), frame)
            pictures |= {f"{FOLDER}/{stem}.png": content for stem, content in drawn.items()}
    simulated = Stamp.SIMULATED in summary.stamps
    at = summary.layout.at
    stamped = ((stamped_name(at(name), simulated=simulated), content) for name, content in pictures.items())
    return {name: named(content, PurePosixPath(name).name) for name, content in stamped}


def named(png: bytes, name: str) -> bytes:
    """A PNG that says its own file name and what it was drawn with: several pictures are drawn from one record, and one
    of them must not pass for another.
    """
    return encoding.labelled(png, {"Name": name, encoding.DRAWN_WITH: encoding.libraries()})


def _frame(summary: Summary, part: Part, lang: str, summary_hash: str) -> Frame:
    """What stands around the charts of an experiment: the name, the device, and what they are drawn from."""
    if part.of_summary:
        source, sha256 = summary.layout.at(SUMMARY), summary_hash
    else:
        evidence = next(each for each in summary.evidence if each.experiment == part.kind.name)
        source, sha256 = evidence.record, evidence.record_sha256
    device = f"{summary.provenance.device.name} ({summary.provenance.device.description})"
    footer = _FOOTER[lang].format(name=summary.model.title, device=device, source=source, sha256=short_hash(sha256))
    stamp = stamp_line(summary.stamps, lang)
    return Frame(labels=CHART_LABELS[lang], stamp=stamp, footer=footer, source_sha256=sha256, criteria=summary.criteria)
