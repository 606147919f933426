"""Fresh processes under test, seen from the one that drives them: started, asked in turn, bounded in time, ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from npu_eval import isolation
from npu_eval.notation.phrases import Phrase, said
from npu_eval.under_test.messages import Reply, Request, Role, line_of, message_of

START_TIMEOUT_S = 300.0
"""Seconds in which a process must have loaded its model: CANN compiles operators at a first start."""


class ProcessEnded(Exception):  # noqa: N818  it is an answer, not an error of ours
    """A process under test died, or did not answer in time; ``how`` says how."""

    def __init__(self, how: Phrase) -> None:
        super().__init__(str(how))
        self.how = how


class Worker:
    """One process under test. Leaving the context ends it."""

    def __init__(self, role: Role, environment: Mapping[str, str], *, timeout_s: float = START_TIMEOUT_S) -> None:
        self.role = role
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        started = time.monotonic()
        self._replies, theirs = os.pipe()  # whatever a library or a sitecustomize prints is no reply
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-B", isolation.__file__, "npu_eval.under_test.worker", str(theirs)],
                cwd=role.root,
                stdin=subprocess.PIPE,
                stdout=self._words,
                stderr=self._words,
                pass_fds=(theirs,),
                env={**os.environ, **environment},
            )
        finally:
            os.close(theirs)
        self._rest = b""
        try:
            self._tell(line_of(role))
            self.refused = self._reply(timeout_s).failed
        except BaseException:
            self.close()
            raise
        self.start_s = time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """What comes of a request.

        Raises:
            ProcessEnded: the process died, or did not answer in time and was ended.
        """
        self.tell(request)
        return self.answer(timeout_s=timeout_s)

    def tell(self, request: Request) -> None:
        """Send a request without waiting; `answer` waits."""
        self._tell(line_of(request))

    def answer(self, *, timeout_s: float) -> Reply:
        """The reply to the request that was told."""
        return self._reply(timeout_s)

    def close(self) -> None:
        """End the process and wait for it."""
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it is gone already
                self._child.stdin.close()
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1
        try:
            self._child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._words.close()

    def _tell(self, line: str) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(line.encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise ProcessEnded(self._how()) from None

    def _reply(self, timeout_s: float) -> Reply:
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(timeout=left):
                    self._child.kill()
                    raise ProcessEnded(said("no-answer", seconds=f"{timeout_s:.0f}"))
                chunk = os.read(self._replies, 1 << 16)
                if not chunk:
                    raise ProcessEnded(self._how())
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return message_of(Reply, line.decode())

    def _how(self) -> Phrase:
        code = self._child.wait()
        self._words.seek(0)
        words = self._words.read().decode("utf-8", "replace").strip().splitlines()
        last = {"said": " ".join(words[-1].split())[:200]} if words else {}
        saying = "-saying" if words else ""
        return (
            said(f"killed{saying}", signal=-code, **last)
            if code < 0
            else said(f"exited{saying}", exit_code=code, **last)
        )
