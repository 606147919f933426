"""What an engine carries out: one command of a deliverable, with what it sees of the host."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the host that a step sees; the environment variable tells the step where it lies.

    The deliverable's own folder is the working directory and no mount. ``entry``: the variable names this file in the
    folder.
    """

    source: str
    variable: str
    read_only: bool = True
    entry: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One experiment. ``command`` starts with ``python`` and is relative to the deliverable's folder, as are the paths.

    ``devices`` are the accelerators that the step needs: ``npu:0``; empty for the CPU, ``auto`` for whatever is there.
    ``image`` is the digest of the environment in which the step runs.
    """

    experiment: str
    command: tuple[str, ...]
    record: str
    log: str
    devices: tuple[str, ...]
    image: str
    mounts: tuple[Mount, ...]
    timeout_s: float

    @property
    def shell(self) -> str:
        """The command as one would type it in the deliverable's folder."""
        return shlex.join(self.command)
