"""Which lines of two texts are the same."""

from hypothesis import given
from hypothesis import strategies as st

from npu_deliver.review.matching import matched

TEXTS = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), max_size=20)


@given(TEXTS, TEXTS)
def test_matched_lines_are_equal_and_in_one_order(first, second):
    found = matched(first, second)
    pairs = sorted(found.items())
    assert all(first[i] == second[j] for i, j in pairs)
    assert [j for _, j in pairs] == sorted({j for _, j in pairs})


@given(TEXTS, st.integers(0, 20), st.text(min_size=2, max_size=3))
def test_a_line_more_leaves_every_other_one_matched(text, at, more):
    longer = [*text[:at], more, *text[at:]]
    assert len(matched(longer, text)) == len(text)
    assert len(matched(text, longer)) == len(text)


def test_moved_lines_do_not_match_across_each_other():
    assert matched(["a", "b", "c"], ["c", "a", "b"]) == {0: 1, 1: 2}


def test_a_million_equal_lines_are_matched_at_once():
    assert len(matched([""] * 10**6, [""] * 100)) == 100
