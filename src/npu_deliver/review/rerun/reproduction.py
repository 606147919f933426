"""What the records of a rerun say against those of the original: to the bit, how far, or within the noise.

What is compared is stored in both, so the answer does not depend on this program's opinion: hashes of the outputs,
predictions, verdicts. Standard library only.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npu_deliver.errors import EXIT_NOT_PASSED, EXIT_OK, EXIT_OTHER_VERSION, VerifyError
from npu_deliver.release.travelling import CodeDifference
from npu_deliver.review.otherwise import Changed
from npu_eval.agreement import metrics
from npu_eval.agreement.difference import Difference
from npu_eval.asked.criteria import Criterion
from npu_eval.experiments.inference.data import InferenceData
from npu_eval.experiments.performance.data import PerformanceData
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.jsonio import canonical_sha256, to_json
from npu_eval.records.log import verdicts_of
from npu_eval.records.record import Record
from npu_eval.timing import samples
from npu_eval.timing.samples import MIN_RUN


@dataclass(frozen=True, kw_only=True)
class OutputComparison:
    """One output of one input, in both runs.

    Where the bytes differ but the reference is the same to the bit, the relative L2 distance of the two outputs lies
    between the difference and the sum of their relative L2 errors (the triangle inequality): ``distance``.
    """

    side: str
    input: str
    output: str
    identical: bool
    distance: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class LatencyComparison:
    """The median latency of one batch size in both runs, in seconds.

    ``noise`` is the relative spread that the two runs show in themselves: the larger of their ratios of window medians
    and of their interquartile ranges over the median. A ratio within it says nothing about the machines.
    """

    batch_size: int
    original_s: float
    rerun_s: float
    noise: float

    @property
    def ratio(self) -> float:
        """The rerun's median over the original's."""
        return self.rerun_s / self.original_s

    @property
    def within_noise(self) -> bool:
        """Whether the two differ by no more than each differs from itself."""
        return 1 / (1 + self.noise) <= self.ratio <= 1 + self.noise


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What ran in a rerun, and what this program saw of it itself.

    ``release_code`` is whether this release's own copy of the travelling code ran, and not the folder's. ``adapter`` is
    the author's own file that ran with it, empty where none did. ``device`` is what the run called its device,
    ``outputs`` how many tensors left it and were compared by another process, ``deviations`` where its own record says
    something else than they do, and ``altered`` the files that changed below the run while it ran.
    """

    release_code: bool
    adapter: str = ""
    device: str = ""
    outputs: int = 0
    deviations: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    unknown_packages: tuple[str, ...] = ()
    contained: bool = True


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """What was hashed here, and not believed: the code that ran, its weights (None: random), its inputs by path."""

    code_sha256: str
    weights_sha256: str | None
    inputs: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a rerun came to.

    ``outputs`` are the tensors of the precision run, ``predictions`` whether each photo has the same predictions to the
    last digit, ``verdicts`` (criterion, original status, status of the rerun), ``environment`` (what, original, rerun)
    for everything that differs, ``other`` whether the data of the other experiments is equal. Both sides are judged by
    the rules of this version; ``other_version`` says which one made the folder where it is another, ``changed`` which
    verdicts that one told otherwise. ``code`` is where the folder's travelling code is not that of the release which it
    names; None where that release is another than this one, ``named`` in words.
    """

    outputs: tuple[OutputComparison, ...]
    predictions: dict[str, bool]
    verdicts: tuple[tuple[str, str, str], ...]
    latencies: tuple[LatencyComparison, ...]
    environment: tuple[tuple[str, str, str], ...]
    other: dict[str, bool]
    findings: int
    other_version: str | None = None
    changed: tuple[Changed, ...] = ()
    code: tuple[CodeDifference, ...] | None = ()
    named: str = ""
    ran: Ran = Ran(release_code=True)
    hashes: Hashes | None = None

    @property
    def reproduced(self) -> bool:
        """Whether every output and prediction is the same to the bit, and every verdict that timing does not decide."""
        same = all(o.identical for o in self.outputs) and all(self.predictions.values()) and all(self.other.values())
        return same and all(original == again for _, original, again in self.verdicts)

    @property
    def contradicted(self) -> bool:
        """Whether the folder contradicts itself, or what ran spoke against what left it."""
        return bool(self.findings or self.code or self.ran.deviations or self.ran.altered)

    @property
    def exit_code(self) -> int:
        """8: contradicted; 1: something differs; 10: only the folder's own code says that nothing does; 0: the same."""
        if self.contradicted:
            return VerifyError.exit_code
        if not self.reproduced:
            return EXIT_NOT_PASSED
        return EXIT_OK if self.ran.release_code else EXIT_OTHER_VERSION


def compare(
    criteria: Sequence[Criterion], original: Mapping[str, Record], again: Mapping[str, Record], findings: int
) -> Comparison:
    """What the records of a rerun say against those of the original."""
    verdicts = []
    for kind, record in original.items():
        pairs = zip(verdicts_of(record, criteria), verdicts_of(again[kind], criteria), strict=True)
        verdicts += [(old.criterion, str(old.status), str(new.status)) for old, new in pairs]
    outputs: tuple[OutputComparison, ...] = ()
    predictions: dict[str, bool] = {}
    latencies: tuple[LatencyComparison, ...] = ()
    other: dict[str, bool] = {}
    for kind, record in original.items():
        old, new = record.data, again[kind].data
        if isinstance(old, PrecisionData) and isinstance(new, PrecisionData):
            outputs = _outputs(old, new)
        elif isinstance(old, InferenceData) and isinstance(new, InferenceData):
            found = {result.input: result.predictions for result in new.results}
            predictions = {result.input: found.get(result.input) == result.predictions for result in old.results}
        elif isinstance(old, PerformanceData) and isinstance(new, PerformanceData):
            latencies = _latencies(old, new)
        else:
            other[kind] = canonical_sha256(old) == canonical_sha256(new)
    first = next(iter(original))
    return Comparison(
        outputs=outputs,
        predictions=predictions,
        verdicts=tuple(verdicts),
        latencies=latencies,
        environment=_differing(original[first], again[first]),
        other=other,
        findings=findings,
    )


def _outputs(old: PrecisionData, new: PrecisionData) -> tuple[OutputComparison, ...]:
    found = {(d.input, d.output): d for d in new.differences}
    compared = []
    for d in old.differences:
        again = found.get((d.input, d.output))
        for side in ("reference", "candidate"):
            identical = again is not None and _hash(again, side) == _hash(d, side) and again.shape == d.shape
            distance = None
            same_reference = again is not None and again.reference_sha256 == d.reference_sha256
            if not identical and side == "candidate" and again is not None and same_reference:
                e, f = metrics.agreement(d).relative_l2, metrics.agreement(again).relative_l2
                distance = (abs(e - f), e + f)
            compared.append(
                OutputComparison(side=side, input=d.input, output=d.output, identical=identical, distance=distance)
            )
    return tuple(compared)


def _hash(difference: Difference, side: str) -> str:
    return difference.reference_sha256 if side == "reference" else difference.candidate_sha256


def _latencies(old: PerformanceData, new: PerformanceData) -> tuple[LatencyComparison, ...]:
    found = {run.batch_size: run for run in new.runs if len(run.samples_s) >= MIN_RUN}
    compared = []
    for run in old.runs:
        if len(run.samples_s) < MIN_RUN or run.batch_size not in found:
            continue
        again = found[run.batch_size]
        steadiness = [samples.stability(r.samples_s) for r in (run, again)]
        noise = max(max(s.window_ratio - 1, s.iqr_over_median) for s in steadiness)
        compared.append(
            LatencyComparison(
                batch_size=run.batch_size,
                original_s=statistics.median(run.samples_s),
                rerun_s=statistics.median(again.samples_s),
                noise=noise,
            )
        )
    return tuple(compared)


def _differing(old: Record, new: Record) -> tuple[tuple[str, str, str], ...]:
    """Everything about the circumstances that is not the same, as (what, original, rerun)."""
    before, after = (_flat("", to_json(record.provenance)) for record in (old, new))
    return tuple(
        (key, before.get(key, "-"), after.get(key, "-"))
        for key in sorted(before.keys() | after.keys())
        if before.get(key, "-") != after.get(key, "-")
    )


def _flat(prefix: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {k: v for name, part in value.items() for k, v in _flat(f"{prefix}.{name}".lstrip("."), part).items()}
    return {prefix: str(value)}
