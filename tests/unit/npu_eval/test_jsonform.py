from __future__ import annotations

import dataclasses
import enum
import json
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_eval.errors import RecordError
from npu_eval.jsonform import dumps, from_json, to_json


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    times: tuple[float, ...]
    flags: tuple[bool, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    name: str
    below: tuple[Tree, ...] = ()


numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | numbers | st.text()
values = st.recursive(
    scalars | st.lists(numbers), lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside), max_leaves=20
)


@given(values)
def test_the_text_of_a_value_is_laid_out_as_the_standard_library_indents_it(value: Any) -> None:
    assert dumps(value) == json.dumps(to_json(value), ensure_ascii=False, indent=2) + "\n"


def test_every_kind_of_mapping_sequence_and_enum_is_written_in_both_ways() -> None:
    value = {"a": OrderedDict(b=(1.5, 2.0)), "c": Level.LOW, "d": [Series(times=(0.25,))], "e": (), "f": {}}
    plain = {"a": {"b": [1.5, 2.0]}, "c": 1, "d": [{"times": [0.25], "flags": []}], "e": [], "f": {}}
    assert to_json(value) == plain
    assert json.loads(dumps(value)) == plain


@pytest.mark.parametrize("times", [(0.5, float("nan")), (float("inf"),), (0.5, object()), ("\ud800",)])
@pytest.mark.parametrize("write", [to_json, dumps])
def test_what_json_cannot_hold_is_refused_wherever_it_stands(write: Any, times: Any) -> None:
    with pytest.raises(RecordError, match=r"cannot be stored|is not text"):
        write(Series(times=times))


def test_a_dataclass_may_hold_its_own_kind() -> None:
    tree = Tree(name="a", below=(Tree(name="b"), Tree(name="c", below=(Tree(name="d"),))))
    assert from_json(Tree, to_json(tree)) == tree


@pytest.mark.parametrize(
    ("times", "where", "what"),
    [
        ([0.5, "1"], "times[1]", "a number was expected"),
        ([0.5, float("inf")], "times[1]", "a finite number was expected"),
        ([0.5, 10**400], "times[1]", "a finite number was expected"),
        ([0.5, 1, True], "times[2]", "a number was expected"),
        ([[]], "times[0]", "a number was expected"),
        ("ab", "times", "a list was expected"),
    ],
)
def test_what_is_no_time_is_named_with_its_place_in_the_list(times: Any, where: str, what: str) -> None:
    with pytest.raises(RecordError, match=what) as caught:
        from_json(Series, {"times": times})
    assert caught.value.where == where


def test_whole_numbers_between_floats_are_read_as_floats() -> None:
    found = from_json(Series, {"times": [0.5, 1, 2.5]}).times
    assert found == (0.5, 1.0, 2.5)
    assert set(map(type, found)) == {float}
