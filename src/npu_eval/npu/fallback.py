"""Which operators torch_npu handed to the CPU: it says so once on the error stream, and goes on.

The stream of the whole process is watched, because the text comes from C++. It goes through a process of its own, so
that what a dying program says last is still seen. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

FALLBACK = re.compile(r"The operator '([\w:.]+)' is not currently supported on the NPU backend and will fall back")
"""What torch_npu writes, from 2.1 to 2.14, once for each operator and process."""

_WAIT_S = 30.0
"""Longer than any pipe takes to run dry; only a child of the program that keeps the stream open lasts longer."""

_READER = """
import json, re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program that is watched decides what an interrupt means
pattern, found = re.compile(sys.argv[1]), []
for line in sys.stdin.buffer:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
    found += pattern.findall(line.decode("utf-8", "replace"))
try:
    print(json.dumps(found), flush=True)
except BrokenPipeError:  # the program is dead; nobody asks any more
    sys.stdout = None
"""


def operators(text: str) -> tuple[str, ...]:
    """The operators that a text says were handed to the CPU, each once, in the order of their first time."""
    return tuple(dict.fromkeys(FALLBACK.findall(text)))


@dataclass
class Watch:
    """What a watched stretch of a program has handed to the CPU; filled at its end."""

    operators: tuple[str, ...] = field(default=())


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch this process's error stream for operators that are handed to the CPU; everything is passed on."""
    watch = Watch()
    sys.stderr.flush()
    kept = os.dup(2)
    reader = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _READER, FALLBACK.pattern], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    reader.stdin = None
    try:
        yield watch
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        watch.operators = _told(reader)


def _told(reader: subprocess.Popen[bytes]) -> tuple[str, ...]:
    try:
        told, _ = reader.communicate(timeout=_WAIT_S)
        return tuple(dict.fromkeys(json.loads(told)))
    except (subprocess.TimeoutExpired, ValueError):
        reader.kill()
        reader.communicate()
        return ("unknown: the error stream could not be read to its end",)
