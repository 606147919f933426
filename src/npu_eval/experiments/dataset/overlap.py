"""Decoding, device work and encoding at the same time, results in order, and no more in memory than a few items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


def overlapped(
    items: Iterable[A], *, prepare: Callable[[A], B], work: Callable[[B], C], finish: Callable[[C], D], ahead: int
) -> Iterator[D]:
    """``finish(work(prepare(item)))`` of each item, in order.

    ``prepare`` runs in two threads up to ``ahead`` items before the one at work, ``work`` in the caller's thread (a
    device has one queue), ``finish`` in a thread of its own up to ``ahead`` items behind. An exception of any of them
    ends the iteration; what had not started is cancelled.
    """
    with ThreadPoolExecutor(2, "prepare") as before, ThreadPoolExecutor(1, "finish") as after:
        waiting: deque[Future[B]] = deque()
        finishing: deque[Future[D]] = deque()
        source = iter(items)
        try:
            while True:
                while len(waiting) < ahead and (item := next(source, None)) is not None:
                    waiting.append(before.submit(prepare, item))
                if not waiting:
                    break
                finishing.append(after.submit(finish, work(waiting.popleft().result())))
                while finishing and (finishing[0].done() or len(finishing) >= ahead):
                    yield finishing.popleft().result()
            while finishing:
                yield finishing.popleft().result()
        finally:
            for unread in waiting:
                unread.cancel()
            for unwritten in finishing:
                unwritten.cancel()
