"""Why a step died that could not say so itself, read from its exit code and its last words: one line, and what to do.

A script that lives says why it dies in a marked line. One whose imports fail, whose memory the kernel takes back or
which a library aborts has no chance to.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from npu_deliver.errors import EXIT_NOT_PASSED, EXIT_OK
from npu_eval.process.shadows import shadow_in

LOOKED_AT = 400
"""Lines at the end of an output in which the reason is looked for: a traceback through torch takes about a hundred."""

_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|NotFound))(?:: (?P<what>.*))?")
_MEMORY = re.compile(
    r"MemoryError|Unable to allocate|std::bad_alloc|can't allocate memory|Cannot allocate memory|out of memory"
    r"|OutOfMemory|failed to map segment|oom-kill|OOM killer",
    re.I,
)
_NO_MODULE = re.compile(r"No module named '(?P<name>\w+)")
_NO_LIBRARY = re.compile(r"(?P<name>lib[\w.+-]+\.so[.\d]*): cannot open shared object file")


@dataclass(frozen=True, kw_only=True)
class Death:
    """Why, in words, and what to do about it."""

    what: str
    fix: str


MEMORY_FIX = "free memory, or give the step more (--memory of containers), or smaller batch sizes in evaluation.timing"


def death(code: int, console: Sequence[str], places: Iterable[Path | str] = ()) -> Death | None:
    """Why a step died, where its exit code or its words tell; None where they do not, or where it did not die.

    Args:
        code: as of `subprocess`: negative for a signal.
        console: the lines that it printed.
        places: folders of this machine in which it looked for modules.
    """
    said = [line for line in console[-LOOKED_AT:] if line.strip()]
    raised = _raised(said)
    if code in (EXIT_OK, EXIT_NOT_PASSED) and raised is None:
        return None
    text = "\n".join(said)
    if raised is not None:
        kind, what, traceback = raised
        if (hidden := shadow_in(traceback, places)) is not None:
            return Death(what=f"{hidden.what} ({kind})", fix=hidden.fix)
        if _MEMORY.search(f"{kind}: {what}"):
            return Death(what=f"its memory was full ({kind}: {what[:200]})", fix=MEMORY_FIX)
        if (missing := _import_failed(kind, what)) is not None:
            return missing
        return Death(what=f"{kind}: {what[:300]}", fix="")
    if code == -signal.SIGKILL:
        return Death(what="was killed by signal 9, as the kernel does where memory is full", fix=MEMORY_FIX)
    if code < 0 and _MEMORY.search(text):
        return Death(what=f"its memory was full, and it was ended by {_signal(-code)}", fix=MEMORY_FIX)
    return None


def _raised(said: Sequence[str]) -> tuple[str, str, str] | None:
    """(kind, message, traceback) of the exception of which Python died; None where it died of none."""
    begins = [number for number, line in enumerate(said) if line.strip() == _TRACEBACK]
    if not begins or not said:
        return None
    block = said[begins[-1] :]
    for number, line in enumerate(block[1:], start=1):
        found = _RAISED.match(line)
        if found is not None:  # lines of the traceback itself are indented
            if len(block) - number > _LINES_OF_MESSAGE:
                return None
            return found["kind"].rpartition(".")[2], (found["what"] or "").strip(), "\n".join(block)
    return None


_LINES_OF_MESSAGE = 40
"""Lines of a message at most; more behind a traceback is the output of a script that went on."""


def _import_failed(kind: str, what: str) -> Death | None:
    module, library = _NO_MODULE.search(what), _NO_LIBRARY.search(what)
    if module is not None:
        return Death(
            what=f"the Python package '{module['name']}' is not installed where the step ran",
            fix="name it under 'requirements' in the spec, or install it: pip install -r requirements.txt",
        )
    if library is not None:
        return Death(
            what=f"the system's library {library['name']} is missing ({kind}: {what[:200]})",
            fix="install the system's package that holds it, or use an image that has it",
        )
    if kind in ("ImportError", "ModuleNotFoundError"):
        return Death(what=f"an import failed: {what[:300]}", fix="mend that package: its parts do not fit together")
    return None


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
