"""The line, from a spec to a sealed and verified deliverable. `deliver` is the table of contents of the program."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from npu_deliver import execute, ledger, log, output_place, plan
from npu_deliver.environment import choice as environment
from npu_deliver.environment.choice import Containers, Environment
from npu_deliver.environment.engine import Engine
from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Step
from npu_deliver.errors import ConfigError, RecordError
from npu_deliver.exchange import exchange
from npu_deliver.execute import Execution
from npu_deliver.experiments.precision.summary import differs
from npu_deliver.experiments.registry import OPTIONAL, asked, read_record
from npu_deliver.ledger import Ledger, Runs
from npu_deliver.release import versions
from npu_deliver.report import figures, render
from npu_deliver.review import bounds, otherwise, verify
from npu_deliver.seal import manifest, statement
from npu_deliver.seal.statement import Signer
from npu_deliver.spec.profiles import layout_of
from npu_deliver.spec.spec import Job
from npu_deliver.staging import default_weights, stage
from npu_deliver.staging.stage import Staged
from npu_deliver.summary import Summary, summarize
from npu_eval.asked.layout import LEDGER, SUMMARY
from npu_eval.asked.spec import SpecFile, read_spec_file
from npu_eval.jsonio import dumps, file_sha256, write_atomic
from npu_eval.machine.locking import holding
from npu_eval.process.visible import visible
from npu_eval.records.bundle import OPERATORS_KIND, Bundle, check_asked, open_bundle, open_whole, operator_members
from npu_eval.records.log import log_name, log_text
from npu_eval.records.record import Record, files_of, record_sha256
from npu_eval.weights.fetch import FetchedWeights, fetch


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a job is carried out: nothing here changes what is measured.

    ``locate``: find the operators that differ even when the outputs do not call for it. ``sign`` signs the statement.
    ``reference``: a bundle to compare with, instead of computing the reference here.
    """

    python: Path
    lang: str
    fresh: bool
    locate: bool = False
    replay: Path | None = None
    reference: Path | None = None
    again: tuple[str, ...] = ()
    sign: Signer | None = None
    containers: Containers = field(default_factory=Containers)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the first half of the line leaves: the laid out folder, the records in it, and the ledger of its runs."""

    staged: Staged
    execution: Execution
    kept: Ledger


def deliver(job: Job, options: Options) -> Summary:
    """Make a deliverable: the finished folder replaces the earlier one only when it is complete and verified."""
    with working(job):
        measured = measure(job, options)
        folder, spec, records = measured.staged.folder, measured.staged.spec, measured.execution.records
        runs = settle(measured.kept, folder, spec, records)
        summary = summarize(spec, records, runs, versions.current())
        tell_versions(job.output, summary, kept=len(measured.execution.kept) == len(records))
        close(job, folder, summary, records, options.lang, options.sign)
    return summary


def run(job: Job, options: Options) -> Execution:
    """The line up to the records; they wait in the working folder for `report`."""
    with working(job):
        return measure(job, options).execution


def measure(job: Job, options: Options) -> Measured:
    """The line from the spec to the records: weights, environment, folder, steps."""
    reference = prove_reference(options)
    weights = fetch_weights(job)
    where = prepare_environment(job, options)
    weights = weights or fetch_default_weights(job, where)
    staged = stage.stage(job, where.image, weights)
    refuse_other_reference(reference, staged)
    steps = plan.plan(job.spec, where.image, weights=weights.path if weights else None, reference=options.reference)
    kept = keep_ledger(job, staged.spec)
    execution = run_steps(job, staged, steps, where.engine, options, kept)
    execution = locate_difference(job, staged, execution, where, steps, options, kept)
    return Measured(staged=staged, execution=execution, kept=kept)


def close(
    job: Job, folder: Path, summary: Summary, records: Mapping[str, Record], lang: str, sign: Signer | None
) -> None:
    """The line from the summary on: pages and pictures, the seal, the verifier's word, the place where it belongs."""
    write_pages(folder, summary, records, lang)
    stage.drop_caches(folder)
    manifest.seal(folder)
    statement.write(folder, summary, sign)
    verify.require(folder)
    publish(folder, job)


def report(job: Job, lang: str, sign: Signer | None = None) -> Summary:
    """The line from the records on: no hardware, no framework. Takes the working folder, else the finished one.

    Raises:
        RecordError: there is no record to report on.
    """
    with working(job):
        folder = job.work / job.spec.profile
        if not _has_records(folder):
            if not _has_records(job.output):
                raise RecordError(
                    "there is no record yet", where=job.spec.name, fix=f"run `npu-deliver run {job.spec.name}` first"
                )
            bounds.require(job.output)
            manifest.require_plain(job.output)
            stage.refuse_foreign(job.output, job.spec.name)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(job.output, folder, symlinks=True)
        with versions.reading(folder):
            spec_file, records = read_records(folder)
        runs = settle(keep_ledger(job, spec_file), folder, spec_file, records)
        summary = summarize(spec_file, records, runs, versions.current())
        tell_versions(folder, summary, kept=True)
        write_other_logs(folder, spec_file, records)
        close(job, folder, summary, records, lang, sign)
    return summary


def _has_records(folder: Path) -> bool:
    return (folder / layout_of(folder).at("evaluation/records")).is_dir()


def fetch_weights(job: Job) -> FetchedWeights | None:
    """The weights file, before anything runs; None for random weights and for the adapter's own default."""
    wanted = job.spec.weights_spec()
    if wanted.random or wanted.source == "default":
        return None
    return fetch(wanted.source, sha256=wanted.sha256, base=job.folder, say=log.get().info)


def prove_reference(options: Options) -> Bundle | None:
    """The reference bundle to compare with, every byte of it proven before anything runs."""
    if options.reference is None:
        return None
    if options.locate:
        operator_members(open_bundle(options.reference))
    return open_whole(options.reference)


def refuse_other_reference(bundle: Bundle | None, staged: Staged) -> None:
    """Refuse a reference bundle of another question than the staged spec asks, before anything runs."""
    if bundle is not None:
        check_asked(bundle, staged.spec.evaluation)


def prepare_environment(job: Job, options: Options) -> Environment:
    """Where the steps run, and what carries them out; an image that is not there yet is built."""
    return _environment(options, lambda: build(job, options.containers))


def planned_environment(job: Job, options: Options) -> Environment:
    """The same, without building anything."""
    return _environment(options, lambda: environment.planned_image(job.spec, options.containers))


def _environment(options: Options, image: Callable[[], Image]) -> Environment:
    if options.replay is not None:
        return environment.replay(options.replay, read_record)
    if environment.choose(options.containers, log.get().info) == "local":
        return environment.local(options.python)
    return environment.container(image(), options.containers)


def build(job: Job, containers: Containers) -> Image:
    """The image of a job; the log of its build is kept in the working folder."""
    say = log.get().info
    console = job.work / "console" / "image.txt"
    console.parent.mkdir(parents=True, exist_ok=True)
    with console.open("w", encoding="utf-8") as kept, log.working("image") as show:
        image = environment.prepare(
            job.spec, containers, say=show, keep=lambda line: print(visible(line), file=kept, flush=True)
        )
    facts = image.facts
    say("image: %s %s", facts.name if facts else "", image.digest)
    for warning in environment.warnings_of(facts.stack) if facts else ():
        say("image: its versions are %s", warning)
    return image


def fetch_default_weights(job: Job, where: Environment) -> FetchedWeights | None:
    """The weights that the adapter's library publishes, for steps that have no network to fetch them themselves."""
    if where.image.kind != "docker" or job.spec.weights_spec().source != "default":
        return None
    reference = default_weights.ask(job, where)
    return fetch(reference, sha256=job.spec.weights_spec().sha256, base=job.folder, say=log.get().info)


def keep_ledger(job: Job, spec_file: SpecFile) -> Ledger:
    """The ledger of the runs under the criteria of a spec, which are in it before anything runs; no run replaces it."""
    folder = job.output.with_name(f".{job.output.name}.ledgers")
    travelled = job.output / layout_of(job.output).at(LEDGER)
    return ledger.keep(folder, spec_file.evaluation.criteria_sha256, travelled)


def settle(kept: Ledger, folder: Path, spec_file: SpecFile, records: Mapping[str, Record]) -> Runs:
    """Enter which records are reported, and put a copy of the ledger beside them."""
    hashes = {experiment: record_sha256(record) for experiment, record in records.items()}
    runs = kept.settle(hashes, spec_file.evaluation.sha256)
    write_atomic(folder / spec_file.layout.at(LEDGER), kept.text)
    return runs


def run_steps(
    job: Job, staged: Staged, steps: tuple[Step, ...], engine: Engine, options: Options, kept: Ledger
) -> Execution:
    """Carry out the steps, keeping what is still valid unless a fresh run was asked for. What else they leave goes."""
    laid_out = frozenset(manifest.files_of(staged.folder))
    if options.fresh:
        execute.forget(staged)
    earlier = None if options.fresh or not job.output.is_dir() else job.output
    with engine:
        execution = execute.execute(
            steps, engine, staged, consoles=job.work / "console", earlier=earlier, again=options.again, ledger=kept
        )
    stage.drop_others(staged.folder, laid_out, staged.spec.layout)
    return execution


def locate_difference(
    job: Job,
    staged: Staged,
    execution: Execution,
    where: Environment,
    steps: tuple[Step, ...],
    options: Options,
    kept: Ledger,
) -> Execution:
    """Look for the operators that differ, when that is asked for or an output differs by more than float32 explains;
    the records are then one more. A reference bundle that holds the reference's operators is used for it; with one
    that does not, the reference runs here.

    Args:
        steps: those that were carried out; what they left is kept.
    """
    asked = options.locate or differs(execution.records.get("precision"))
    if not asked or options.replay is not None:
        return execution
    bundle = None if options.reference is None else open_bundle(options.reference)
    recorded = bundle is not None and bool(bundle.members(OPERATORS_KIND))
    more = plan.locate(steps[0], staged.spec.layout, reference=options.reference if recorded else None)
    anew = (more.experiment,) if options.fresh else ()
    return run_steps(job, staged, (*steps, more), where.engine, replace(options, fresh=False, again=anew), kept)


def read_records(folder: Path) -> tuple[SpecFile, dict[str, Record]]:
    """The spec of a folder and every record in it, each checked against the spec."""
    spec_file = read_spec_file(folder / "spec.json")
    records = {}
    for kind in (*asked(spec_file.evaluation), *OPTIONAL):
        path = folder / spec_file.layout.record(kind)
        if path.is_file():
            records[kind] = read_record(path, spec_sha256=spec_file.evaluation.sha256)
    return spec_file, records


def tell_versions(folder: Path, summary: Summary, *, kept: bool) -> None:
    """Say what another version derived otherwise from the records that are rendered anew, where all of them were kept.

    Args:
        folder: as it was before.
    """
    before, told = versions.said(folder), versions.told(folder)
    if before is None or not kept or told.ours:
        return
    changed, _ = otherwise.compare(before, summary)
    for line in otherwise.report_lines(told, changed):
        log.get().info("%s", line)


def write_other_logs(folder: Path, spec_file: SpecFile, records: Mapping[str, Record]) -> None:
    """The logs of records that another version measured, as this one writes them: they hold its verdicts.

    Those of this version are left as they are, so that `verify` finds one that was changed.
    """
    if versions.is_current(spec_file.measured_with):
        return
    for record in records.values():
        write_atomic(folder / spec_file.layout.log(log_name(record)), log_text(record, spec_file.evaluation.criteria))


def write_pages(folder: Path, summary: Summary, records: Mapping[str, Record], lang: str) -> None:
    """Everything that is derived from the records: summary, pictures, pages."""
    logs = {e.log: (folder / e.log).read_text(encoding="utf-8") for e in summary.evidence}
    contents: dict[str, str | bytes] = {summary.layout.at(SUMMARY): dumps(summary)}
    contents |= render.render(summary, lang=lang)
    shutil.rmtree(folder / summary.layout.at(figures.FOLDER), ignore_errors=True)
    drop_unnamed(folder / summary.layout.at(plan.RESULTS), folder, records)
    contents |= figures.draw(summary, records, logs, lang)
    for name, content in contents.items():
        write_atomic(folder / name, content)


def drop_unnamed(results: Path, folder: Path, records: Mapping[str, Record]) -> None:
    """Remove results that no record names: those of photos that were evaluated earlier."""
    named = {folder / name for record in records.values() for name, _ in files_of(record)}
    for path in list(results.rglob("*")):
        if not path.is_dir() and path not in named:
            path.unlink()


def publish(folder: Path, job: Job) -> None:
    """Put the finished folder in the place of the earlier one, in one step where the system can: after a kill at any
    moment there is the one or the other, whole. Elsewhere there is none for a moment, and the next run mends a kill.
    """
    previous = job.work / "previous"
    shutil.rmtree(previous, ignore_errors=True)
    write_atomic(job.work / _PUBLISHING, file_sha256(folder / manifest.NAME))
    if not job.output.exists() or not exchange(folder, job.output):
        if job.output.exists():
            job.output.rename(previous)
        folder.rename(job.output)
    _remove_work(job)


_PUBLISHING = "publishing"
"""Holds the hash of the manifest of the folder that is about to be put in place: what lies in the working folder when
that one is in place is the earlier one."""


def _remove_work(job: Job) -> None:
    """The mark of what was published goes last: without it, what is left would pass for a run to go on with."""
    for entry in job.work.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
    shutil.rmtree(job.work, ignore_errors=True)


def mend(job: Job) -> None:
    """Finish, or take back, what a run was doing that was killed while it published."""
    previous, told = job.work / "previous", job.work / _PUBLISHING
    if previous.is_dir() and not job.output.exists():
        previous.rename(job.output)
    placed = job.output / manifest.NAME
    if told.is_file() and placed.is_file() and told.read_text(encoding="utf-8") == file_sha256(placed):
        _remove_work(job)
    told.unlink(missing_ok=True)
    if job.work.is_dir():
        execute.clean(job.work)


@contextlib.contextmanager
def working(job: Job) -> Iterator[None]:
    """Hold a job's working folder: one run at a time, and what a killed run left is put right first.

    Raises:
        ConfigError: another run holds it, or the folder cannot be written.
    """
    output_place.require(job.output, job.work)
    stage.refuse_foreign(job.output, job.spec.name)
    job.output.parent.mkdir(parents=True, exist_ok=True)

    def busy() -> None:
        raise ConfigError("another run is making this deliverable", where=str(job.output), fix="wait for it to end")

    with holding(job.lock, busy):
        mend(job)
        yield
