from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from npu_eval.locate.align import align, next_partner
from npu_eval.locate.record import Signature

marks = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([((1,),), ((2,),)]), st.sampled_from(["", "x"])), max_size=12
)


@given(marks)
def test_equal_sequences_are_paired_one_to_one(sequence: list[Signature]) -> None:
    assert align(sequence, sequence) == list(range(len(sequence)))


@given(marks, marks)
def test_pairs_have_one_name_and_never_cross(reference: list[Signature], candidate: list[Signature]) -> None:
    partners = align(reference, candidate)
    assert len(partners) == len(candidate)
    taken = [p for p in partners if p is not None]
    assert taken == sorted(set(taken))
    assert all(reference[p][0] == c[0] for p, c in zip(partners, candidate, strict=True) if p is not None)


@given(marks, st.integers(0, 12))
def test_one_operator_too_many_is_left_alone(sequence: list[Signature], place: int) -> None:
    extra = ("extra", ((9,),), "")
    place = min(place, len(sequence))
    partners = align(sequence, [*sequence[:place], extra, *sequence[place:]])
    assert partners.pop(place) is None
    assert partners == list(range(len(sequence)))


def test_a_planted_gain_does_not_take_the_place_of_the_scale_that_follows_it() -> None:
    scale, product = ("aten::mul", ((4,),), "[0.125]"), ("aten::bmm", ((4,), (4,)), "")
    gain = ("aten::mul", ((4,),), "[1.5]")
    assert align([scale, product], [gain, scale, product]) == [None, 0, 1]


def test_on_the_way_the_next_of_the_name_is_taken_or_a_later_equal_one() -> None:
    a, b, other_a = ("a", ((1,),), ""), ("b", ((1,),), ""), ("a", ((2,),), "")
    assert next_partner([a, b], 0, other_a) == 0
    assert next_partner([a, b], 0, b) == 1
    assert next_partner([a, b], 0, ("b", ((3,),), "")) is None
    assert next_partner([], 0, a) is None
