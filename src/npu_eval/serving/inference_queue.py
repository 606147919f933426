"""One thread that answers one request after the other, and a bounded queue in front of it.

A model computes in one thread: a device belongs to the thread that opened it, and two forward passes at once would only
share its time and double its memory. So the thread is the only one, whatever asks.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from npu_eval.serving.photo_requests import RefusedError

MAX_WAITING = 256
"""Requests that wait; one more is told to come back."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Job(Generic[Asked, Answer]):
    asked: Asked
    future: Future[Answer]


class InferenceQueue(Generic[Asked, Answer]):
    """The thread and its queue. ``answer`` is called in the thread only, after ``first``, whose end ``ready`` tells."""

    def __init__(
        self, answer: Callable[[Asked], Answer], *, most: int = MAX_WAITING, first: Callable[[], None] = lambda: None
    ) -> None:
        self.ready: Future[None] = Future()
        self._first = first
        self._answer = answer
        self._most = most
        self._jobs: deque[_Job[Asked, Answer]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._busy_since: float | None = None
        self._last_s = 0.0
        # Not waited for at exit: a device that hangs would keep the process for ever.
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    @property
    def unanswered(self) -> int:
        """How many requests wait or are in work."""
        return len(self._jobs) + (self._busy_since is not None)

    @property
    def full(self) -> bool:
        """Whether one more would be refused."""
        return len(self._jobs) >= self._most

    @property
    def busy_s(self) -> float:
        """For how many seconds the present request has been in work; 0 where there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def retry_after_s(self) -> int:
        """In how many seconds what waits now will be answered, if all is like the last request; 1 to 60."""
        return min(60, max(1, math.ceil(len(self._jobs) * self._last_s)))

    def submit(self, asked: Asked) -> Future[Answer]:
        """Append a request.

        Raises:
            RefusedError: 503, the queue is full or closed.
        """
        with self._changed:
            if self._closed:
                raise RefusedError(503, "the server is stopping", retry_after_s=1)
            if self.full:
                raise self.refusal()
            job = _Job[Asked, Answer](asked, Future())
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def refusal(self) -> RefusedError:
        """What is told when the queue is full."""
        return RefusedError(
            503, f"{self._most} requests wait already; try again later", retry_after_s=self.retry_after_s
        )

    def forget(self, future: Future[Answer]) -> None:
        """Drop a request for whose answer nobody waits any more, and what it holds; one that is in work is finished."""
        future.cancel()
        with self._changed:
            self._jobs = deque(job for job in self._jobs if job.future is not future)

    def close(self) -> None:
        """Take nothing more, and end the thread after what it is doing; what waits is dropped."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify()

    def ended(self, timeout_s: float) -> bool:
        """Whether the thread has ended, or does so in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.ready.set_result(self._first())
        except BaseException as error:  # noqa: BLE001  told to whoever waits for it
            self.ready.set_exception(error)
            return
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return
                job = self._jobs.popleft()
                self._busy_since = time.monotonic()
            if job.future.set_running_or_notify_cancel():
                self._settle(job)
            self._last_s = self.busy_s
            self._busy_since = None
            del job  # a photo is not kept until the next one comes

    def _settle(self, job: _Job[Asked, Answer]) -> None:
        try:
            job.future.set_result(self._answer(job.asked))
        except BaseException as error:  # noqa: BLE001  whoever waits for the answer gets it; the thread must live on
            job.future.set_exception(error)
        finally:
            del job  # the error knows this frame, and would keep the photo for as long as it lives
