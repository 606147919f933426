"""The errors that travel with a deliverable, each with the exit code of the process that dies of it.

    DeliverError                70  base class; raised as itself it is a bug of ours
    ├── ConfigError              2  a flag, a spec or a file the user named is wrong
    ├── DeviceError              4  the asked-for device is not there, or cannot compute
    ├── AdapterError             5  the adapter is not found, breaks its contract or raises
    │   └── WeightsError         5  weights cannot be had, are not what was promised, or do not load strictly
    └── RecordError              9  a record is unreadable, of another schema version, or of another spec

Exit code 1 is no error: everything ran and a verdict is not PASS. 130 is an interrupt.
`npu_deliver.errors` continues this tree with the errors of the parts that stay.

A message is one line that says where, what, and what to do: ``DeliverError(what, where=..., fix=...)``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from npu_eval.process.secret_variables import masked
from npu_eval.process.visible import visible_line

EXIT_OK = 0
EXIT_NOT_PASSED = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class DeliverError(Exception):
    """An error that a user can act on. ``str()`` of it is one line: ``where: what; fix``.

    Names and texts of strangers that went into it are `visible` in it.
    """

    exit_code = EXIT_BUG

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = _one_line(what)
        self.where = _one_line(where)
        self.fix = _one_line(fix)
        super().__init__(self.what)

    def __str__(self) -> str:
        prefix = f"{self.where}: " if self.where else ""
        suffix = f"; {self.fix}" if self.fix else ""
        return f"{prefix}{self.what}{suffix}"


class ConfigError(DeliverError):
    """A flag, a key or a file that the user named is wrong."""

    exit_code = 2


class DeviceError(DeliverError):
    """The asked-for device is absent or does not compute. There is no silent fallback to another one."""

    exit_code = 4


class AdapterError(DeliverError):
    """An adapter is not found, breaks its contract, or raised."""

    exit_code = 5


class WeightsError(AdapterError):
    """Weights cannot be fetched, have another sha256 than promised, or do not load strictly."""


class RecordError(DeliverError):
    """A record cannot be read, has another schema version, or belongs to another spec."""

    exit_code = 9


ERROR_MARK = "npu-deliver-error: "
"""Starts the line by which a script says why it dies, so that the tool that runs it can repeat the reason."""


def error_line(line: str) -> str | None:
    """The reason in a line by which a script said why it died; None for any other line."""
    return line.removeprefix(ERROR_MARK) if line.startswith(ERROR_MARK) else None


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word: ``did you mean 'x'?``, or the known words when none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"known: {shown}" if known else ""


_LONGEST = 4000
"""Characters of a stranger's text in a message."""


def _one_line(text: str) -> str:
    shown = masked(text[: 2 * _LONGEST])  # before it is cut, or half a secret would be shown
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return visible_line(" ".join(re.split(r"[ \t\n]+", shown.strip())))
