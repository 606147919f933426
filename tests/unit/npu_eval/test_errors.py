from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval import errors
from npu_eval.errors import ERROR_MARK, AdapterError, DeliverError, WeightsError, error_line, nearest
from npu_eval.process.visible import visible_line

CODES = {"ConfigError": 2, "DeviceError": 4, "AdapterError": 5, "WeightsError": 5, "RecordError": 9, "DeliverError": 70}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_each_error_has_its_exit_code_and_stands_in_the_drawn_tree(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code
    line = next(line for line in errors.__doc__.splitlines() if f"{name} " in line)
    assert line.split(name)[1].split()[0] == str(code)


def test_the_tree_is_complete_and_as_drawn() -> None:
    defined = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, DeliverError)}
    assert defined == set(CODES)
    assert issubclass(WeightsError, AdapterError)
    assert all(issubclass(getattr(errors, name), DeliverError) for name in CODES)


_SHOWN = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"], include_characters=" \t\n", exclude_characters=":@")
)


@given(_SHOWN, _SHOWN, _SHOWN)
def test_a_message_is_where_what_and_what_to_do(what: str, where: str, fix: str) -> None:
    words, place, advice = (" ".join(text.split()) for text in (what, where, fix))
    line = str(DeliverError(what, where=where, fix=fix))
    assert line == (f"{place}: " if place else "") + words + (f"; {advice}" if advice else "")


@given(st.text(), st.text(), st.text())
def test_a_message_is_one_line_without_anything_hidden(what: str, where: str, fix: str) -> None:
    line = str(DeliverError(what, where=where, fix=fix))
    assert len(line.splitlines()) <= 1
    assert visible_line(line) == line


@given(st.text())
def test_a_marked_line_gives_its_reason_and_no_other_line_has_one(text: str) -> None:
    assert error_line(ERROR_MARK + text) == text
    if not text.startswith(ERROR_MARK):
        assert error_line(text) is None


@given(st.lists(st.text(min_size=1), max_size=20), st.text(max_size=10))
def test_a_suggestion_is_a_known_word(known: list[str], word: str) -> None:
    suggestion = nearest(word, known)
    if suggestion.startswith("did you mean"):
        assert suggestion.removeprefix("did you mean '").removesuffix("'?") in known
    else:
        assert suggestion.startswith("known: ") if known else suggestion == ""


def test_a_misspelt_word_finds_its_neighbour_and_many_words_are_cut() -> None:
    assert nearest("treshold", ["threshold", "metric"]) == "did you mean 'threshold'?"
    assert nearest("zzz", [f"word{i:02}" for i in range(13)]).endswith("word11, …")
    assert "…" not in nearest("zzz", [f"word{i:02}" for i in range(12)])
