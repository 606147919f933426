"""What is to be said is stored as what it is about, and comes back as it was."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import RecordError
from npu_eval.jsonio import dumps, from_json, loads
from npu_eval.notation.phrases import (
    AS_WRITTEN,
    ENGLISH,
    NOTHING,
    Phrase,
    altogether,
    as_written,
    placeholders,
    said,
)

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@st.composite
def phrases(draw: st.DrawFn) -> Phrase:
    code = draw(st.sampled_from(sorted(ENGLISH)))
    args = {name: draw(texts) for name in sorted(placeholders(ENGLISH[code]))}
    return as_written(args["text"]) if code == AS_WRITTEN else Phrase(code=code, args=args)


@dataclass(frozen=True)
class Holder:
    why: Phrase


@given(st.lists(phrases(), max_size=3))
def test_a_phrase_comes_back_as_it_was(several: list[Phrase]) -> None:
    held = Holder(altogether(*several))
    again = from_json(Holder, loads(dumps(held), "x"), "x")
    assert again == held
    assert dumps(again) == dumps(held)
    assert hash(again.why) == hash(held.why)


@given(st.lists(phrases(), max_size=4))
def test_several_are_said_one_after_the_other(several: list[Phrase]) -> None:
    assert str(altogether(*several)) == "; ".join(str(p) for p in several if p)
    assert bool(altogether(*several)) == any(several)


@given(texts)
def test_words_of_before_there_were_codes_are_read_and_stored_as_they_stand(text: str) -> None:
    """A record of then keeps its bytes, its hash and its log."""
    words = " ".join(text.split())
    found = from_json(Holder, {"why": words}, "x")
    assert found.why == as_written(text)
    assert str(found.why) == words
    assert loads(dumps(found), "x") == {"why": words}


def test_nothing_is_said_of_nothing() -> None:
    assert (str(NOTHING), bool(NOTHING), NOTHING.then()) == ("", False, NOTHING)
    assert NOTHING.then(said("slower")) == said("slower")


@pytest.mark.parametrize(
    "value",
    [{"code": "gremlins"}, {"args": {"size": "8"}}, {"code": "batch"}, {"code": "batch", "args": {"name": "8"}},
     {"code": "slower", "args": {"size": "8"}}, {"more": [{"code": "slower"}]}, 7, ["slower"]],
)  # fmt: skip
def test_what_says_nothing_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(RecordError, match=r"^r\.json\.why"):
        from_json(Holder, {"why": value}, "r.json")


def test_parts_are_written_as_they_are_asked_to_be() -> None:
    phrase = said("runs-instead", names="aten::add").then(said("batch", size=8))
    assert phrase.said(ENGLISH, " / ", lambda text, code: f"[{text}]" if code else f"({text})") == (
        "the candidate does not run it; it runs [aten::add] / batch (8)"
    )


def test_a_part_stands_on_one_line() -> None:
    assert str(said("raised", error="RuntimeError:\n  no {such} kernel")) == "RuntimeError: no {such} kernel"
