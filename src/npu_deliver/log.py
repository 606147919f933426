"""What the user is told while work goes on. The command line alone sets it up; libraries call `get` and `working`."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Iterator

from npu_eval.process.secret_variables import masked
from npu_eval.process.visible import visible_line

NAME = "npu_deliver"

_PROGRESS = re.compile(r"\[\w+\] .+|device: .+|weights: .+")
"""Lines by which a step says how far it is."""


def get() -> logging.Logger:
    """The project's logger."""
    return logging.getLogger(NAME)


def set_up(*, verbose: bool) -> None:
    """Send the project's messages to standard error: plain lines, or rich ones on a terminal."""
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(
            console=Console(stderr=True), show_path=False, show_level=False, log_time_format="%H:%M:%S", markup=False
        )
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_fit_to_be_told)
    logger = get()
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


def _fit_to_be_told(record: logging.LogRecord) -> bool:
    """Whatever a message was put together from, no line of it holds a control character of a stranger or a secret."""
    record.msg, record.args = "\n".join(map(visible_line, masked(record.getMessage()).split("\n"))), None
    return True


@contextlib.contextmanager
def working(title: str) -> Iterator[Callable[[str], None]]:
    """While a step works: gives a function that takes each line of the step's output.

    On a terminal the step's latest word stands beside a spinner, and the other lines are shown with ``--verbose``
    only, because the report holds them. Elsewhere each line is a line.
    """
    logger = get()
    if not sys.stderr.isatty():
        yield lambda line: logger.info("    %s", line)
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(title)) as status:

        def tell(line: str) -> None:
            if _PROGRESS.fullmatch(line):
                status.update(f"{escape(title)}  {escape(visible_line(line))}")
            logger.debug("    %s", line)

        yield tell
