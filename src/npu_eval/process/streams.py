"""Standard streams as people leave them: closed, full, read to the first line only, or in an alphabet too small.

What a command found does not depend on who listens. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import IO, Any, TextIO, cast


class Patient:
    """A text stream that never raises for its reader: what cannot be written is dropped, and the first reason kept.

    Characters that the stream's alphabet lacks are spelled out (``\\u5c0f``).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.trouble: OSError | None = None
        try:
            self._spell_out()
        except OSError as error:  # it hands on what waits: a sitecustomize has printed
            self._give_up(error)
            self._spell_out()

    def _spell_out(self) -> None:
        with contextlib.suppress(AttributeError, ValueError):  # a stand-in has no errors to set
            self._stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr, attr-defined, unused-ignore]

    def write(self, text: str) -> int:
        """Write what can be written."""
        if self.trouble is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what waits."""
        if self.trouble is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Nothing more goes there. What waits in the buffer goes nowhere, or Python would try it again at its end."""
        self.trouble = error
        with contextlib.suppress(OSError, ValueError):
            os.dup2(_nowhere(), self._stream.fileno())
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


def take_over() -> None:
    """Make the standard streams patient, and open those that are closed: the next file that is opened would otherwise
    get their number, and with it whatever a library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(_nowhere(), number)
    sys.stdin = sys.stdin or cast("TextIO", _text(0, "r"))
    sys.stdout = _patient(sys.stdout or _text(1, "w"))
    sys.stderr = _patient(sys.stderr or _text(2, "w"))


def lost_output() -> OSError | None:
    """Why what was printed did not arrive; None where it did, or where its reader has read enough."""
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    trouble = sys.stdout.trouble if isinstance(sys.stdout, Patient) else None
    return None if trouble is None or trouble.errno == errno.EPIPE else trouble


def spells_all(stream: TextIO) -> bool:
    """Whether a stream has every character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") in ("utf8", "utf8sig", "utf16", "utf32")


def _patient(stream: IO[str] | TextIO) -> TextIO:
    return cast("TextIO", stream if isinstance(stream, Patient) else Patient(cast("TextIO", stream)))


def _text(number: int, mode: str) -> IO[str]:
    return os.fdopen(number, mode, encoding="utf-8", closefd=False)


def _nowhere() -> int:
    return os.open(os.devnull, os.O_RDWR)
