"""Traced values are the values they were; marks tell where each stands and leave no trace on the page."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.report.traced import Marks, trace


@dataclass(frozen=True)
class _Run:
    mean_s: float
    name: str
    stable: bool
    counts: tuple[int, ...]
    by_name: dict[str, float]


RUN = _Run(mean_s=0.0216, name="npu:0", stable=True, counts=(1, 8), by_name={"a/b": 0.5})


def test_a_traced_value_equals_the_plain_one_and_knows_its_place() -> None:
    traced = trace(RUN, "/runs/0")
    assert traced == RUN
    assert traced.mean_s.pointer == "/runs/0/mean_s"
    assert traced.counts[1].pointer == "/runs/0/counts/1"
    assert traced.by_name["a/b"].pointer == "/runs/0/by_name/a~1b"
    assert traced.stable is True


@given(
    st.text(alphabet=st.characters(blacklist_characters="\ue000\ue001\ue002", blacklist_categories=["Cs"])),
    st.integers(0, 400),
)
def test_marks_can_be_taken_off_again(text: str, others: int) -> None:
    one_line = " ".join(text.split()) or "x"
    marks = Marks()
    value = trace(RUN).name
    for _ in range(others):
        marks.mark(value, "y", "text")
    page, shown = marks.read(f"before\n{one_line}{marks.mark(value, '21.6 ms', 'ms')} after\n")
    assert page == f"before\n{one_line}21.6 ms after\n"
    assert [(s.line, s.text, s.pointer, s.filter) for s in shown] == [(2, "21.6 ms", "/name", "ms")]


def test_what_is_hidden_is_spelled_out_between_marks_that_stay() -> None:
    """A filter may be given what another one has marked already."""
    marks = Marks()
    marked = marks.mark(trace(RUN).name, "a\x1b[31m", "text").visible()
    page, shown = marks.read(marks.mark(trace(RUN).name, marked, "cell"))
    assert page == "a\\x1b[31m"
    assert [s.filter for s in shown] == ["text", "cell"]


def test_what_has_no_pointer_is_not_marked() -> None:
    assert Marks().mark(0.5, "0.5000", "ratio") == "0.5000"
