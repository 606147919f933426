from __future__ import annotations

import dataclasses

import pytest

import samples
from npu_eval.agreement.difference import Difference
from npu_eval.experiments.precision.levels import Level, levels
from npu_eval.experiments.precision.values import held_outputs

VALUES = (1.0, -2.0, 3.0, 0.5)


def off(share: float, **changes: object) -> Difference:
    return samples.difference(VALUES, [v * (1 + share) for v in VALUES], **changes)  # type: ignore[arg-type]


def level(*found: Difference, floor: float | None = 1e-7, limit: float = 0.01, causes: tuple[str, ...] = ()) -> Level:
    floors = () if floor is None else tuple(off(floor, input=d.input, output=d.output) for d in found)
    data = samples.precision_data(differences=found, floors=floors)
    (one,) = levels(data, held_outputs(data, [samples.criterion(threshold=limit)]), causes)
    return one


def test_the_same_bits_are_bitwise() -> None:
    assert level(off(0.0, bitwise_equal=True)).level == "bitwise"


@pytest.mark.parametrize(("share", "word"), [(3.9e-7, "fp32-equal"), (4.1e-7, "within-criteria"), (0.02, "out")])
def test_four_times_float32s_own_error_is_equal(share: float, word: str) -> None:
    found = level(off(share))
    assert found.level == word
    assert found.error == pytest.approx(share, rel=1e-3)
    assert found.floor == pytest.approx(1e-7, rel=1e-3)


def test_without_a_floor_nothing_is_equal_in_float32() -> None:
    assert level(off(1e-9), floor=None) == Level(
        output="logits", level="within-criteria", error=pytest.approx(1e-9, rel=1e-3), floor=None
    )


def test_what_float32_itself_does_is_not_out_however_strict_the_rule() -> None:
    assert level(off(1e-7), limit=1e-9).level == "fp32-equal"


def test_the_worst_input_decides() -> None:
    found = level(off(1e-7), off(1e-3, input="inputs/flower.jpg"))
    assert found.level == "within-criteria"
    assert found.error == pytest.approx(1e-3, rel=1e-3)


def test_a_nan_is_out() -> None:
    found = level(off(0.0, nonfinite_mismatch=1))
    assert (found.level, found.error) == ("out", None)


@pytest.mark.parametrize(
    ("causes", "word"),
    [(("ok", "hf32"), "explained(hf32)"), (("hf32", "bf16", "not-comparable"), "explained(bf16)"),
     (("hf32", "fault"), "within-criteria"), (("ok",), "within-criteria")],
)  # fmt: skip
def test_a_format_explains_it_where_nothing_else_happened(causes: tuple[str, ...], word: str) -> None:
    assert level(off(1e-3), causes=causes).level == word


def test_a_format_explains_nothing_that_the_criteria_refuse() -> None:
    assert level(off(0.02), causes=("hf32",)).level == "out"


def test_only_criteria_of_an_output_refuse_it() -> None:
    data = samples.precision_data(
        differences=(off(0.02), off(1e-3, output="features")),
        rankings=(samples.ranking(candidate_classes=(1, 2, 3, 4, 5)),),
    )
    rules = [samples.criterion("top1_agreement", 0.99), samples.criterion("relative_l2", 0.01)]
    assert held_outputs(data, rules) == {"logits": False, "features": True}
    elsewhere = dataclasses.replace(rules[1], outputs=("features",))
    assert held_outputs(data, [rules[0], elsewhere]) == {"logits": None, "features": True}


def test_without_a_criterion_nobody_can_say_that_it_is_within_them() -> None:
    data = samples.precision_data(differences=(off(1e-3),), floors=())
    (found,) = levels(data, held_outputs(data, [samples.criterion("top1_agreement", 0.99)]))
    assert found.level == "not-judged"


def test_a_criterion_that_could_not_be_measured_is_not_held() -> None:
    rule = samples.criterion("dual_rmse_ratio", 2.0)
    data = samples.precision_data(differences=(off(1e-3),), floors=())
    assert held_outputs(data, [rule]) == {"logits": None}
