"""Run the steps through an engine, keep what was finished before, and collect the records. No record is an error."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_deliver import log
from npu_deliver.deaths import death
from npu_deliver.environment.engine import Engine
from npu_deliver.environment.step import Step
from npu_deliver.errors import (
    EXIT_INTERRUPTED,
    EXIT_NOT_PASSED,
    EXIT_OK,
    DeliverError,
    RecordError,
    StepError,
    from_exit_code,
)
from npu_deliver.experiments.registry import read_record
from npu_deliver.ledger import Ledger
from npu_deliver.staging.stage import Staged
from npu_eval.asked.spec import DATA_VARIABLE, REFERENCE_VARIABLE
from npu_eval.errors import error_line
from npu_eval.experiments.dataset.data import DatasetData, ImageSet
from npu_eval.jsonio import TEMPORARY_PREFIX, file_sha256, write_atomic
from npu_eval.process.secret_variables import masked
from npu_eval.process.visible import visible
from npu_eval.records.bundle import open_bundle
from npu_eval.records.log import exit_code, log_text, verdicts_of
from npu_eval.records.record import Record, files_of, record_sha256
from npu_eval.records.stamps import is_simulated, stamped_name


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What the steps found. ``kept`` names the experiments whose record is of an earlier run."""

    records: dict[str, Record]
    kept: tuple[str, ...]


def execute(
    steps: Sequence[Step],
    engine: Engine,
    staged: Staged,
    *,
    consoles: Path,
    earlier: Path | None,
    again: Sequence[str] = (),
    ledger: Ledger | None = None,
) -> Execution:
    """Run each step that has no valid record yet.

    Args:
        consoles: where the full console output of each step is kept.
        earlier: a finished deliverable whose records are taken over where they are still valid; None: run everything.
        again: experiments that run anew whatever is there.
        ledger: where each step is entered that starts, finishes or fails; None where nobody keeps count.

    Raises:
        DeliverError: a step failed; the error has the exit code that the step had.
        StepError: a step died, timed out, or left no record.
    """
    logger = log.get()
    _drop_others(steps, staged)
    records: dict[str, Record] = {}
    kept: list[str] = []
    for number, step in enumerate(steps, start=1):
        title = f"[{number}/{len(steps)}] {step.experiment}"
        wanted_anew = step.experiment in again
        record = None if wanted_anew else _valid(staged.folder, step, staged)
        if record is None and not wanted_anew and earlier is not None and _valid(earlier, step, staged) is not None:
            _take_over(earlier, staged.folder, step)
            record = _valid(staged.folder, step, staged)
        if record is not None:
            logger.info("%s: kept from %s (same spec, code and environment)", title, record.finished_at)
            kept.append(step.experiment)
        else:
            logger.info("%s: %s", title, step.shell)
            started = time.monotonic()
            record = _entered(ledger, step, title, engine, staged, consoles)
            logger.info("%s: done in %.0f s", title, time.monotonic() - started)
        records[step.experiment] = record
    return Execution(records=records, kept=tuple(kept))


def forget(staged: Staged) -> None:
    """Drop what earlier steps left in a working folder, so that everything runs anew."""
    for name in ("records", "logs", "results"):
        shutil.rmtree(staged.folder / staged.spec.layout.at(f"evaluation/{name}"), ignore_errors=True)


def _drop_others(steps: Sequence[Step], staged: Staged) -> None:
    """Remove records and logs of experiments that are not asked for any more: a report shows what was asked for."""
    folder, at = staged.folder, staged.spec.layout.at
    kept = {path for step in steps for path in (folder / step.record, *_log_files(folder, step))}
    made = [*folder.glob(at("evaluation/records/*")), *folder.glob(at("evaluation/logs/*"))]
    if not any(step.experiment == "dataset" for step in steps):
        made += folder.glob(at("evaluation/results/dataset.jsonl"))
    for path in made:
        if path not in kept:
            path.unlink()


def forget_step(folder: Path, step: Step) -> None:
    """Drop what an earlier run of one step left."""
    for left in (folder / step.record, *_log_files(folder, step)):
        left.unlink(missing_ok=True)


def _entered(ledger: Ledger | None, step: Step, title: str, engine: Engine, staged: Staged, consoles: Path) -> Record:
    """Run a step; its start stands in the ledger before, its end after, whatever the end."""
    if ledger is None:
        return _run(step, title, engine, staged, consoles)
    spec = staged.spec.evaluation
    start = ledger.started(step.experiment, spec_sha256=spec.sha256, code_sha256=staged.code_sha256)
    try:
        record = _run(step, title, engine, staged, consoles)
    except (DeliverError, KeyboardInterrupt, OSError) as error:
        code = error.exit_code if isinstance(error, DeliverError) else EXIT_INTERRUPTED
        ledger.failed(start, reason=type(error).__name__, exit_code=None if isinstance(error, OSError) else code)
        raise
    code = exit_code(record, verdicts_of(record, spec.criteria))
    ledger.finished(start, record_sha256=record_sha256(record), exit_code=code, not_before=record.finished_at)
    return record


def _run(step: Step, title: str, engine: Engine, staged: Staged, consoles: Path) -> Record:
    forget_step(staged.folder, step)
    run_step(step, title, engine, staged.folder, consoles)
    record = _valid(staged.folder, step, staged)
    if record is None:
        raise StepError("ended without a valid record", where=step.experiment, fix=f"its output is in {consoles}")
    return record


def run_step(step: Step, title: str, engine: Engine, folder: Path, consoles: Path) -> None:
    """Run one step, keeping its console output.

    Raises:
        DeliverError: it failed; the error has the exit code that the step had.
        StepError: it died or timed out.
    """
    console: list[str] = []
    try:
        with log.working(title) as show:

            def tell(line: str) -> None:
                console.append(visible(masked(line)))
                show(line)

            code = engine.run(step, folder, tell)
    finally:
        write_atomic(consoles / f"{step.experiment}.txt", "\n".join(console) + "\n")
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    reason = next((said for said in map(error_line, reversed(console)) if said), None)
    if reason and code not in (EXIT_OK, EXIT_NOT_PASSED):
        raise from_exit_code(code, reason, where=step.experiment)
    kept = f"its output is in {consoles / step.experiment}.txt"
    left = code == EXIT_NOT_PASSED and (folder / step.record).is_file()
    done = code == EXIT_OK or left  # a traceback behind that is of a library that stumbles at its end
    if not done and (died := death(code, console, _looked_in(step, folder))) is not None:
        raise StepError(died.what, where=step.experiment, fix=f"{died.fix}; {kept}" if died.fix else kept)
    if code not in (EXIT_OK, EXIT_NOT_PASSED):
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = next((line for line in reversed(console) if line.strip()), "no output")
        raise StepError(f"{how}; its last words: {last}", where=step.experiment, fix=kept)


def _looked_in(step: Step, folder: Path) -> list[Path]:
    """Where a step looked for modules before it came to what is installed."""
    own = [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return [folder, (folder / step.command[1]).parent, *own]


def _log_files(folder: Path, step: Step) -> tuple[Path, ...]:
    """Where a step may leave its log: under the planned name, or under that of a simulated NPU."""
    return tuple(folder / stamped_name(step.log, simulated=simulated) for simulated in (False, True))


def _log_of(record: Record, step: Step) -> str:
    return stamped_name(step.log, simulated=is_simulated(record.provenance))


def _valid(folder: Path, step: Step, staged: Staged) -> Record | None:
    """The step's record, if it is complete and of this spec, this code, these weights and this environment."""
    try:
        record = read_record(folder / step.record, spec_sha256=staged.spec.evaluation.sha256)
        logged = (folder / _log_of(record, step)).read_text(encoding="utf-8")
    except (RecordError, OSError, UnicodeDecodeError):  # absent, torn by others, or of another spec: run it again
        return None
    same = record.code_sha256 == staged.code_sha256 and record.provenance.image == step.image
    same &= staged.weights_sha256 in (None, record.provenance.weights.sha256)
    bundle = record.provenance.reference_bundle
    same &= (bundle.sha256 if bundle else None) == _reference_sha256(step)
    complete = not staged.logs_ours or logged == log_text(record, staged.spec.evaluation.criteria)
    same &= not isinstance(record.data, DatasetData) or _same_data(record, record.data.image_set, step)
    there = all((folder / name).is_file() and file_sha256(folder / name) == sha256 for name, sha256 in files_of(record))
    return record if same and complete and there else None


def _reference_sha256(step: Step) -> str | None:
    """The hash of the reference bundle that a step compares with; None where it computes its reference."""
    folder = next((Path(mount.source) for mount in step.mounts if mount.variable == REFERENCE_VARIABLE), None)
    return None if folder is None else open_bundle(folder).sha256


def _same_data(record: Record, found: ImageSet, step: Step) -> bool:
    """Whether a record is of the data set, the limit and the annotations that are asked for now."""
    data = next(Path(mount.source) for mount in step.mounts if mount.variable == DATA_VARIABLE)
    labels = [path for path in (data / found.annotations, data / "annotations" / found.annotations) if path.is_file()]
    same = record.command == step.command and found.folder == data.name
    return same and (not labels or found.annotations_sha256 in [file_sha256(path) for path in labels])


def _take_over(earlier: Path, folder: Path, step: Step) -> None:
    """Copy a step's record, log and pictures; the record last, so that a break leaves the step undone."""
    record = read_record(earlier / step.record)
    names = [_log_of(record, step), step.record]
    for name in (*(name for name, _ in files_of(record)), *names):
        write_atomic(folder / name, (earlier / name).read_bytes())


def clean(folder: Path) -> None:
    """Remove what a killed run may have left half written."""
    for path in list(folder.rglob(f"{TEMPORARY_PREFIX}*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
