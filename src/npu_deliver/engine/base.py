"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from npu_deliver.plan import Step

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

    def shell_line(self, step: Step, folder: Path) -> str:
        """What one would type to do the same."""
        ...
