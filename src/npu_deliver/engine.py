"""Engines carry out steps: on this machine, or by replaying what an earlier run found.

The seam is `Engine`: a context manager that runs one step after the other and tells each line of its output. The
container engine fits in here and will be the only importer of `docker`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from npu_deliver.errors import EngineError, RecordError, StepError
from npu_deliver.image import Image
from npu_deliver.plan import RESULTS, Step
from npu_eval.codehash import code_sha256
from npu_eval.config import read_spec_file
from npu_eval.jsonio import write_atomic
from npu_eval.logtext import exit_code, log_text, verdicts_of
from npu_eval.records import read_record, replayed, write_record

Tell = Callable[[str], None]


class Engine(Protocol):
    """Runs steps in a staged folder."""

    name: str

    def __enter__(self) -> Self:
        """Make ready."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing running."""
        ...

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Run one step in a deliverable's folder, telling each line of its output; returns its exit code.

        Raises:
            StepError: the step ran longer than its timeout, or did not start.
        """
        ...


class LocalEngine:
    """Runs steps as child processes with an interpreter of this machine."""

    name = "local"

    def __init__(self, image: Image) -> None:
        self._image = image
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Run one step; a step that outlives its timeout, or this process, is killed with its children."""
        assert step.command[0] == "python"
        environment = {
            **os.environ,
            **{mount.variable: mount.source for mount in step.mounts},
            "NPU_DELIVER_IMAGE": step.image,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        command = [self._image.python, *step.command[1:]]
        deadline = time.monotonic() + step.timeout_s
        try:
            child = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace", start_new_session=True,
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        except OSError as error:
            raise StepError(f"does not start ({error})", where=step.experiment) from error
        self._child = child
        assert child.stdout is not None
        try:
            for line in _lines(child.stdout, deadline):
                tell(line)
            return child.wait(timeout=max(1.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise StepError(
                f"ran longer than {step.timeout_s:g} s and was stopped", where=step.experiment,
                fix="raise evaluation.step_timeout_s in the spec",
            ) from error  # fmt: skip
        finally:
            self._stop()

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):  # the whole group is gone already
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


class ReplayEngine:
    """Replays the records of an earlier deliverable of the same spec and code; everything it gives is marked so."""

    name = "replay"

    def __init__(self, source: Path) -> None:
        self._source = source

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

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Copy a step's record, log and results, with the record marked as replayed.

        Raises:
            RecordError: the record was made under another spec or by other code.
        """
        spec = read_spec_file(folder / "spec.json").evaluation
        record = read_record(self._source / step.record, spec_sha256=spec.sha256)
        if record.code_sha256 != code_sha256(folder):
            raise RecordError("was made by other code", where=step.record, fix="run the experiment again")
        marked = replayed(record)
        if step.experiment == "inference" and (self._source / RESULTS).is_dir():
            shutil.copytree(self._source / RESULTS, folder / RESULTS, dirs_exist_ok=True)
        text = log_text(marked, spec.criteria)
        write_atomic(folder / step.log, text)
        write_record(folder / step.record, marked)
        for line in text.splitlines():
            tell(line)
        return exit_code(marked, verdicts_of(marked, spec.criteria))


def _lines(stream: IO[str], deadline: float) -> Iterator[str]:
    """The lines of a pipe as they come.

    Raises:
        TimeoutError: nothing ended before the deadline.
    """
    os.set_blocking(stream.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()  # a child that never pauses must not outlive its time either
            if left <= 0 or not selector.select(timeout=left):
                raise TimeoutError
            chunk = os.read(stream.fileno(), 65536)
            if not chunk:
                break
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete:
                yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def _die_with_parent() -> None:
    """Linux kills the child when this process dies, however it dies: nothing goes on writing behind the next run."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
