"""Let a second process make a folder's pages and pictures again: `verify` itself loads no template engine.

The process is started at once, because it loads what it draws with while the records are read; then it is told the
summary that was derived from them and answers with its `Answer`. It gets the folder as data: it runs isolated
from the environment and the working folder of whoever started it, sees none of their secrets, and has a limit of time
and memory. What it does not answer in one line of reason stays unchecked. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import npu_deliver
import npu_eval
from npu_eval.errors import RecordError
from npu_eval.jsonio import from_json

CPU_S = 60
"""Seconds of computing that the second process may take. A folder with every experiment takes about one and a half, the
longest records a few; where matplotlib is used for the first time, it reads every font of the machine before."""

WALL_S = 300.0
"""Seconds after which it is given up whatever it does: a busy machine may take many times those of its own."""

MEMORY_BYTES = 4 * 2**30
"""Addresses that it may map, where the system counts them; it holds less than a fifth of that, and several times as
much with the longest records."""

MARK = b"npu-deliver-answer "
"""Starts the line of the answer: a `sitecustomize` or a `.pth` file may print others."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from npu_deliver.review.second_look.making import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_KEPT = ("HOME", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "PATH", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
"""What it is told of the environment: where libraries and matplotlib's list of fonts lie."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the second process made again.

    ``pages`` are the texts that the summary gives, by their path, in the language of the folder; ``refused`` says why
    there are none. ``pictures`` is what is wrong with each picture that is not as it was drawn again, ``uncompared``
    those that other libraries may have drawn otherwise, with these libraries.
    """

    pages: dict[str, str]
    refused: str
    pictures: dict[str, str]
    uncompared: dict[str, str]


class Unanswered(Exception):  # noqa: N818  no error of the user: the reason why something stays unchecked
    """The second process gave no answer; the message says why in one line."""


class Look(Protocol):
    """Whoever makes a folder's pages and pictures again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ask(self, question: Mapping[str, Any]) -> Answer:
        """The pages and pictures of a summary.

        Raises:
            Unanswered: there is no answer.
        """


class SecondLook:
    """A second process, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-I", "-B", "-c", _BOOT, json.dumps(_paths(folder)), str(CPU_S), str(MEMORY_BYTES)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # threads map memory each
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=os.sep, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # a question that it did not read to its end
                self._process.stdin.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()

    def ask(self, question: Mapping[str, Any]) -> Answer:
        """The pages and pictures of a summary.

        Raises:
            Unanswered: the process took too long or too much memory, or what it draws with is not installed.
        """
        text = json.dumps(question, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            answer, said = self._process.communicate(text, timeout=WALL_S)
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"took more than {WALL_S:g} s") from error
        if self._process.returncode < 0:
            signal = -self._process.returncode
            raise Unanswered(f"took more than {CPU_S} s of computing, or was ended by signal {signal}")
        try:
            return from_json(Answer, json.loads(_marked(answer)))
        except (ValueError, RecordError) as error:
            lines = said.decode("utf-8", "replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "no answer")
            raise Unanswered(ascii(last)[1:-1][:200]) from error


def _marked(output: bytes) -> bytes:
    """The line of the answer without its mark; empty where there is none."""
    return next((line.removeprefix(MARK) for line in output.split(b"\n") if line.startswith(MARK)), b"")


def start(folder: Path) -> Look:
    """Start the second process for a folder, which it will be asked about; end it by leaving its context."""
    return SecondLook(folder)


def _paths(folder: Path) -> list[str]:
    """Where this process found its own modules, but never in the folder or where the user happens to stand."""
    ours = [str(Path(str(package.__file__)).resolve().parents[1]) for package in (npu_deliver, npu_eval)]
    inside = folder.resolve()
    rest = [path for path in sys.path if os.path.isabs(path) and path != os.getcwd()]  # noqa: PTH109, PTH117
    return [p for p in dict.fromkeys((*ours, *rest)) if not Path(p).resolve().is_relative_to(inside)]
