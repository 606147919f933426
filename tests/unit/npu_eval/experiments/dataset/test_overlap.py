from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.experiments.dataset.overlap import overlapped


@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_results_come_in_order(items: list[int], ahead: int) -> None:
    found = overlapped(items, prepare=lambda i: i + 1, work=lambda i: i * 2, finish=str, ahead=ahead)
    assert list(found) == [str((i + 1) * 2) for i in items]


def test_no_more_than_a_few_items_are_under_way() -> None:
    alive, most, lock = 0, 0, threading.Lock()

    def prepare(item: int) -> int:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return item

    for _ in overlapped(range(200), prepare=prepare, work=lambda i: i, finish=lambda i: i, ahead=3):
        with lock:
            alive -= 1
    assert most <= 3 + 1 + 3


def test_the_three_stages_run_at_the_same_time() -> None:
    """Each stage waits until the next item has reached the one before: without overlap nothing would move."""
    prepared = [threading.Event() for _ in range(4)]

    def prepare(item: int) -> int:
        prepared[item].set()
        return item

    def work(item: int) -> int:
        assert item == 3 or prepared[item + 1].wait(10)
        return item

    def finish(item: int) -> int:
        assert item == 3 or prepared[item + 1].wait(10)
        return item

    assert list(overlapped(range(4), prepare=prepare, work=work, finish=finish, ahead=2)) == [0, 1, 2, 3]


@pytest.mark.parametrize("stage", ["prepare", "work", "finish"])
def test_an_exception_ends_it_after_what_was_whole(stage: str) -> None:
    def step(name: str, item: int) -> int:
        if name == stage and item == 5:
            raise ValueError(f"{name} {item}")
        time.sleep(0)
        return item

    seen = []
    run = overlapped(
        range(1000), prepare=lambda i: step("prepare", i), work=lambda i: step("work", i),
        finish=lambda i: step("finish", i), ahead=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match=f"{stage} 5"):
        seen.extend(run)
    assert seen == list(range(len(seen)))
    assert len(seen) <= 5
