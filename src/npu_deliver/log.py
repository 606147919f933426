"""Logging: what the user is told while work goes on. Set up by the command line alone; libraries only call `get`."""

from __future__ import annotations

import logging
import sys

NAME = "npu_deliver"


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
            console=Console(stderr=True), show_path=False, show_level=False, log_time_format="%H:%M:%S"
        )
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
    logger = get()
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
