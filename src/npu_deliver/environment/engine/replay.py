"""Replays what an earlier run found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from npu_deliver.environment.engine.base import Tell
from npu_deliver.environment.step import Step
from npu_deliver.errors import EngineError, RecordError
from npu_eval.asked.spec import read_spec_file
from npu_eval.jsonio import write_atomic
from npu_eval.records.codehash import code_sha256
from npu_eval.records.log import exit_code, log_text, verdicts_of
from npu_eval.records.record import Record, files_of, replayed, write_record
from npu_eval.records.stamps import is_simulated, stamped_name


class ReplayEngine:
    """Replays the records of an earlier deliverable of the same spec and code; everything it gives is marked so.

    ``read`` reads a record: which kinds there are is not known here.
    """

    name = "replay"

    def __init__(self, source: Path, read: Callable[[Path], Record]) -> None:
        self._source, self._read = source, read

    def __enter__(self) -> Self:
        if not (self._source / "spec.json").is_file():
            raise EngineError(
                "is no deliverable to replay", where=str(self._source), fix="name a folder with a spec.json"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing runs that could be left behind."""

    def shell_line(self, step: Step, folder: Path) -> str:
        """What was typed when the record was made."""
        return f"(replayed) {step.shell}"

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Copy a step's record, log and results, with the record marked as replayed.

        Raises:
            RecordError: the record was made under another spec or by other code.
        """
        spec = read_spec_file(folder / "spec.json").evaluation
        record = self._read(self._source / step.record)
        if record.spec_sha256 != spec.sha256:
            asked = f"was made under spec {record.spec_sha256[:12]}, not {spec.sha256[:12]}"
            raise RecordError(asked, where=step.record, fix="run the experiment again")
        if record.code_sha256 != code_sha256(folder):
            raise RecordError("was made by other code", where=step.record, fix="run the experiment again")
        marked = replayed(record)
        for name, _ in files_of(record):
            if (self._source / name).is_file():
                write_atomic(folder / name, (self._source / name).read_bytes())
        text = log_text(marked, spec.criteria)
        write_atomic(folder / stamped_name(step.log, simulated=is_simulated(marked.provenance)), text)
        write_record(folder / step.record, marked)
        for line in text.splitlines():
            tell(line)
        return exit_code(marked, verdicts_of(marked, spec.criteria))
