"""Whether the experiments of one folder can be of one network and of what the spec asks: counts, protocol, answers.

Each experiment runs by itself, but on the same photos, with the same weights, in the same format, on the same device.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from npu_deliver.review.plausibility.remarks import Remark, contradiction, doubt
from npu_eval.agreement.detections import DetectionComparison
from npu_eval.agreement.difference import ClassRanking
from npu_eval.asked.spec import MIN_WINDOWS, WINDOWS_S, EvalSpec
from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.dataset.result_stream import SCHEMA
from npu_eval.experiments.inference.data import InferenceData, PhotoResult
from npu_eval.experiments.performance.data import LatencyRun, PerformanceData, SampledOutput
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.records.record import Record

SOFTMAX = ("timm:", "torchvision:", "transformers:")
"""Adapters whose predictions are the softmax of the class output, by how a spec names them."""

NOISE = 0.05
"""By how much two values of one class output may differ between two runs, beside a hundredth of the largest one: far
more than any device does."""

STEADY = 0.01
"""Relative L2 error up to which the repeats of an input are one answer: a device that is broken gives another one each
time, and is told by its verdicts."""

SAME_NORM = 0.02
"""Share by which the norm of one output may differ between two runs; formats of 8 bits of mantissa differ by less."""

SURE = 0.5
"""Score from which an object is expected in each run of a detector."""

NEAR = 0.1
"""By how much its score may differ between two runs."""

LONGEST_LINE = 2**22
"""Bytes of a line of results that are read at once: a line is one image, and longer where it holds many masks."""


def remarks(folder: Path, spec: EvalSpec, records: Mapping[str, Record]) -> Iterator[Remark]:
    """What does not go together."""
    data = {kind: record.data for kind, record in records.items()}
    inference, precision, performance = data.get("inference"), data.get("precision"), data.get("performance")
    if isinstance(performance, PerformanceData):
        yield from _asked(performance, spec)
        yield from _phases(performance)
        if isinstance(precision, PrecisionData):
            yield from _one_network(performance, precision)
    if isinstance(inference, InferenceData) and isinstance(precision, PrecisionData):
        yield from _one_answer(inference, precision, spec)
    if isinstance(dataset := data.get("dataset"), DatasetData):
        yield from _results(folder, dataset)


def _asked(data: PerformanceData, spec: EvalSpec) -> Iterator[Remark]:
    """What was timed is what the protocol asks, and a run that ended by the protocol reached it."""
    timing, kind = spec.timing, "performance"
    sizes = [run.batch_size for run in data.runs]
    if sizes != [size for size in timing.batch_sizes if size in sizes] or not sizes:
        yield contradiction(kind, f"times batches of {sizes}, spec.json asks for {list(timing.batch_sizes)}")
    if data.throughput and [run.batch_size for run in data.throughput] != sizes:
        yield contradiction(kind, "its latencies and its throughputs are of different batches")
    for run in data.runs:
        place = f"batch {run.batch_size}"
        if not run.input_shape or run.input_shape[0] != run.batch_size:
            yield contradiction(kind, f"{place}: its input has the shape {list(run.input_shape)}")
        if run.ended_by == "protocol" and len(run.samples_s) < timing.min_samples:
            few = f"ended by the protocol after {len(run.samples_s)} calls"
            yield contradiction(kind, f"{place}: {few}, which asks for {timing.min_samples}")
        yield from _short(place, run, timing.min_duration_s)
    least = WINDOWS_S[timing.tier]
    for windows in data.throughput:
        total = sum(windows.windows_s)
        if windows.ended_by == "protocol" and (total < least or len(windows.windows_s) < MIN_WINDOWS):
            measured = f"{len(windows.windows_s)} windows of {total:.2f} s in all"
            yield doubt(kind, f"batch {windows.batch_size}: {measured}, the tier {timing.tier} measures {least:g} s")
    named = {entry.path for entry in spec.inputs}
    for other in sorted({way.input for way in data.end_to_end} - named):
        yield contradiction(kind, f"times {other} from file to predictions, which is no input of spec.json")


def _short(place: str, run: LatencyRun, least: float) -> Iterator[Remark]:
    total = sum(run.samples_s)
    if run.ended_by == "protocol" and total < least:
        yield doubt(
            "performance", f"{place}: ended by the protocol after {total:.2f} s of calls, which asks for {least:g} s"
        )


def _phases(data: PerformanceData) -> Iterator[Remark]:
    """A part takes no longer than the whole."""
    for run in data.runs:
        late = sum(part > whole for part, whole in zip(run.enqueue_s, run.samples_s, strict=False))
        if late:
            yield contradiction(
                "performance", f"batch {run.batch_size}: {late} calls took longer to submit than in all"
            )
    for way in data.end_to_end:
        parts = (way.decode_s or 0.0) + way.preprocess_s + way.upload_s + way.forward_s + way.postprocess_s
        if parts > way.total_s * 1.001 + 1e-6:
            what = f"{way.input}: its phases take {parts:.6f} s, the whole way {way.total_s:.6f} s"
            yield contradiction("performance", what)


def _one_network(performance: PerformanceData, precision: PrecisionData) -> Iterator[Remark]:
    """The outputs that were sampled from timed calls have the norm of those that were compared."""
    norms = {(d.input, d.output): d.sum_sq_candidate for d in precision.differences if not d.nonfinite_candidate}
    for each in performance.sampled:
        norm = norms.get((each.input, each.output))
        if norm is not None and not each.nonfinite_mismatch and not _near(each, norm):
            ours, theirs = math.sqrt(each.sum_sq_reference), math.sqrt(norm)
            what = (
                f"{each.output} of {each.input} has the norm {ours:.6g} where it was timed, {theirs:.6g} where compared"
            )
            yield doubt("performance", what)


def _near(each: SampledOutput, norm: float) -> bool:
    return abs(each.sum_sq_reference - norm) <= 2 * SAME_NORM * max(each.sum_sq_reference, norm)


def _one_answer(inference: InferenceData, precision: PrecisionData, spec: EvalSpec) -> Iterator[Remark]:
    """What a person is shown is what was compared."""
    rankings = {ranking.input: ranking for ranking in precision.rankings}
    found = {comparison.input: comparison for comparison in precision.detections}
    unsteady = {d.input for d in precision.repeats if d.sum_sq_diff > STEADY**2 * d.sum_sq_reference}
    for result in inference.results:
        if result.input in rankings:
            sure = spec.adapter.startswith(SOFTMAX) and result.input not in unsteady
            yield from _ranked(result, rankings[result.input], softmax=sure)
        if result.input in found:
            yield from _detected(result, found[result.input])


def _ranked(result: PhotoResult, ranking: ClassRanking, *, softmax: bool) -> Iterator[Remark]:
    """The best class, where the second is clearly behind; of a softmax the ratio of any two scores as well."""
    certain = contradiction if softmax else doubt
    classes, values = ranking.candidate_classes, ranking.candidate_values
    if not result.predictions or len(classes) < 2:
        return
    noise = NOISE + 0.01 * max(map(abs, values))
    best = result.predictions[0]
    if values[0] - values[1] > 2 * noise and best.index != classes[0]:
        what = f"{result.input}: its best class is {best.index} ({best.label}), the precision record's {classes[0]}"
        yield certain("inference", what)
        return
    scores = {p.index: p.score for p in result.predictions if p.score > 0}
    shared = [(c, v) for c, v in zip(classes, values, strict=True) if c in scores]
    for (one, high), (other, low) in itertools.pairwise(shared):
        if softmax and abs(math.log(scores[one] / scores[other]) - (high - low)) > 2 * noise:
            ratio, expected = scores[one] / scores[other], math.exp(min(high - low, 700.0))
            what = f"{result.input}: classes {one} and {other} have scores of {ratio:.4g} to 1, the precision record's "
            yield contradiction("inference", f"{what}outputs give {expected:.4g} to 1")
            return


def _detected(result: PhotoResult, comparison: DetectionComparison) -> Iterator[Remark]:
    """Each object that is surely there is among the candidate's of the comparison, under its name and score."""
    theirs = [(p.label, p.candidate_score) for p in comparison.pairs]
    theirs += [(lone.label, lone.score) for lone in comparison.lone if lone.side == "candidate"]
    sure = [p for p in result.predictions if p.score >= SURE]
    lost = [p for p in sure if not any(p.label == name and abs(p.score - score) <= NEAR for name, score in theirs)]
    if lost:
        first = f"{lost[0].label} {lost[0].score:.3f}"
        what = f"{result.input}: {len(lost)} of {len(sure)} sure objects ({first} …) are none of the precision record's"
        yield doubt("inference", what)


def _results(folder: Path, data: DatasetData) -> Iterator[Remark]:
    """The file of results has one line for each image of the set."""
    path = (folder / data.results).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return
    try:
        with path.open("rb") as stream:
            if json.loads(stream.readline(LONGEST_LINE)).get("schema") != SCHEMA:
                return
            lines = unread = 0
            while line := stream.readline(LONGEST_LINE):
                lines += line.endswith(b"\n")
                marked = line.startswith(b'{"image":') and b'"unreadable":' in line and line.endswith(b"\n")
                unread += marked and "unreadable" in json.loads(line)
    except (OSError, ValueError, AttributeError, RecursionError):  # no such file is a finding elsewhere
        return
    if lines != data.image_set.images or unread != len(data.unreadable):
        counted = f"{data.image_set.images} images, {len(data.unreadable)} of them unreadable"
        yield contradiction("dataset", f"counts {counted}; {data.results} has {lines} lines, {unread} of them so")
