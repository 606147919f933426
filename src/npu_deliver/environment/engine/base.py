"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from npu_deliver.environment.step import Step

Tell = Callable[[str], None]


def isolated(step: Step) -> tuple[str, ...]:
    """What follows the interpreter when a step is started: nothing is imported because it lies beside the script or in
    the working directory (-P), and nothing compiled is left in the folder (-B). The scripts see to the rest themselves.

    Not -I: it would also leave out PYTHONPATH, in which CANN's `set_env.sh` names its operator compiler.
    """
    assert step.command[0] == "python"
    return ("-P", "-B", *step.command[1:])


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

    def shell_line(self, step: Step, folder: Path) -> str:
        """What one would type to do the same."""
        ...
