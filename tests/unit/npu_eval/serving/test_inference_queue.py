"""One thread answers in the order of asking; what waits is bounded, can be dropped, and holds nothing afterwards."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from npu_eval.serving.inference_queue import InferenceQueue
from npu_eval.serving.photo_requests import RefusedError


class Photo:
    """Something whose end can be seen."""


class Slow:
    """Answers when it is let, and notes what it was asked."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.asked: list[object] = []

    def __call__(self, asked: object) -> int:
        self.begun.release()
        assert self.go_on.acquire(timeout=20)
        self.asked.append(asked if isinstance(asked, str) else type(asked))
        return threading.get_ident()


@pytest.fixture
def model() -> Slow:
    return Slow()


@pytest.fixture
def queue(model: Slow) -> Iterator[InferenceQueue[object, int]]:
    made: InferenceQueue[object, int] = InferenceQueue(model, most=2)
    yield made
    made.close()
    model.go_on.release(10)
    assert made.ended(20)


def test_one_thread_answers_in_the_order_of_asking(queue: InferenceQueue[object, int], model: Slow) -> None:
    first = queue.submit("a")
    assert model.begun.acquire(timeout=20)
    rest = [queue.submit(name) for name in "bc"]
    assert (queue.unanswered, queue.full) == (3, True)
    model.go_on.release(3)
    assert {future.result(20) for future in (first, *rest)} - {threading.get_ident()} == {first.result()}
    assert model.asked == ["a", "b", "c"]


def test_one_more_than_may_wait_is_told_when_to_come_back(queue: InferenceQueue[object, int], model: Slow) -> None:
    queue.submit("a")
    assert model.begun.acquire(timeout=20)
    queue.submit("b")
    queue.submit("c")
    with pytest.raises(RefusedError, match="2 requests wait already") as refused:
        queue.submit("d")
    assert refused.value.status == 503
    assert 1 <= (refused.value.retry_after_s or 0) <= 60


def test_what_nobody_waits_for_gives_its_place_and_its_memory_back(
    queue: InferenceQueue[object, int], model: Slow
) -> None:
    queue.submit("a")
    assert model.begun.acquire(timeout=20)
    photo = Photo()
    gone = weakref.ref(photo)
    future = queue.submit(photo)
    queue.submit("c")
    gc.disable()
    try:
        del photo
        queue.forget(future)
        assert gone() is None
    finally:
        gc.enable()
    assert not queue.full
    last = queue.submit("d")
    model.go_on.release(3)
    last.result(20)
    assert model.asked == ["a", "c", "d"]


def test_an_error_is_told_and_keeps_no_photo() -> None:
    def fails(asked: object) -> int:
        raise ValueError("a bug")

    queue: InferenceQueue[object, int] = InferenceQueue(fails)
    photo = Photo()
    gone = weakref.ref(photo)
    gc.disable()
    try:
        future = queue.submit(photo)
        del photo
        assert isinstance(future.exception(20), ValueError)
        assert isinstance(queue.submit(None).exception(20), ValueError), "the thread lives on"
        del future
        assert gone() is None
    finally:
        gc.enable()
    queue.close()
    assert queue.ended(20)


def test_the_first_deed_is_done_in_the_same_thread_and_its_failure_is_told() -> None:
    seen: list[int] = []
    queue: InferenceQueue[object, int] = InferenceQueue(
        lambda _: threading.get_ident(), first=lambda: seen.append(threading.get_ident())
    )
    queue.ready.result(20)
    assert seen == [queue.submit(None).result(20)]
    queue.close()
    with pytest.raises(RefusedError, match="stopping"):
        queue.submit(None)
    assert queue.ended(20)

    def fails() -> None:
        raise KeyError("no device")

    broken: InferenceQueue[object, int] = InferenceQueue(lambda _: 0, first=fails)
    with pytest.raises(KeyError, match="no device"):
        broken.ready.result(20)
    assert broken.ended(20)
