"""Runs steps as child processes with an interpreter of this machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from npu_deliver.environment.engine.base import Tell, isolated
from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Step
from npu_deliver.errors import StepError


class LocalEngine:
    """Runs steps as child processes with an interpreter of this machine."""

    name = "local"

    def __init__(self, image: Image, *, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is what steps see of this process's variables; None for all of them."""
        self._image = image
        self._environment = os.environ if environment is None else environment
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def shell_line(self, step: Step, folder: Path) -> str:
        """What one would type in the deliverable's folder."""
        return step.shell

    def run(self, step: Step, folder: Path, tell: Tell) -> int:
        """Run one step; a step that outlives its timeout, or this process, is killed with its children."""
        environment = {
            **_without_places_in(folder, self._environment),
            **{mount.variable: str(Path(mount.source, mount.entry)) for mount in step.mounts},
            "NPU_DELIVER_IMAGE": step.image,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        command = [self._image.python, *isolated(step)]
        deadline = time.monotonic() + step.timeout_s
        try:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
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
                f"ran longer than {step.timeout_s:g} s and was stopped",
                where=step.experiment,
                fix="raise evaluation.step_timeout_s in the spec",
            ) from error
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


def _without_places_in(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables whose PYTHONPATH names nothing in a folder: of a relative entry nobody knows where it will lead."""
    found = dict(environment)
    entries = [Path(entry) for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry]
    inside = folder.resolve()
    kept = [str(path) for path in entries if path.is_absolute() and not path.resolve().is_relative_to(inside)]
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = os.pathsep.join(kept)
    return found


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
