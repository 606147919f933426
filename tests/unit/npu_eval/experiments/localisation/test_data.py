from __future__ import annotations

from dataclasses import replace

import pytest

import samples
from npu_deliver.experiments.registry import parse_record
from npu_eval.asked.criteria import Criterion
from npu_eval.errors import RecordError
from npu_eval.experiments.localisation.data import LocatedOperator, OutputError, counts, output_level, ranked
from npu_eval.records.record import record_text

OPERATORS = samples.localisation_data().operators
EXPLAINED = [samples.located(0, cause="hf32"), samples.located(1), samples.located(2, cause="bf16")]

RULES = [samples.criterion("relative_l2", 0.01)]


def output(error: float | None, *, floor: float = 1e-6, bitwise: bool = False) -> OutputError:
    return OutputError(output="logits", error=error, floor=floor, bitwise_equal=bitwise)


def test_a_record_comes_back_as_it_was() -> None:
    record = samples.localisation_record()
    assert parse_record(record_text(record), "x") == record


@pytest.mark.parametrize(
    "operators",
    [
        (samples.located(1),),
        (samples.located(0, cause="gremlins"),),
        (samples.located(0, error=-1.0),),
        (samples.located(0, bands={"fp32": -1.0}),),
    ],
)
def test_what_no_experiment_writes_is_refused(operators: tuple[LocatedOperator, ...]) -> None:
    record = samples.localisation_record(data=samples.localisation_data(operators=operators))
    with pytest.raises(RecordError):
        parse_record(record_text(record), "x")


def test_faults_come_first_and_infinite_errors_before_finite_ones() -> None:
    assert [o.index for o in ranked(OPERATORS)] == [3, 2, 0, 1]
    assert counts(OPERATORS) == {"ok": 1, "hf32": 1, "fault": 2}


@pytest.mark.parametrize(
    ("found", "operators", "wanted"),
    [
        (output(0.0, bitwise=True), OPERATORS, "bitwise"),
        (output(4e-6), OPERATORS, "fp32-equal"),
        (output(5e-6), OPERATORS, "within-criteria"),
        (output(5e-6), EXPLAINED, "explained(bf16)"),
        (output(0.02), EXPLAINED, "out"),
        (output(None), EXPLAINED, "out"),
        (output(5e-6), [samples.located(0)], "within-criteria"),
        (output(0.02, floor=0.01), EXPLAINED, "fp32-equal"),
    ],
)
def test_the_level_of_an_output(found: OutputError, operators: list[LocatedOperator], wanted: str) -> None:
    assert output_level(found, operators, RULES) == wanted


def test_a_worse_output_never_has_a_better_level() -> None:
    order = ["bitwise", "fp32-equal", "explained(bf16)", "out"]
    levels = [output_level(output(10.0**-k), EXPLAINED, RULES) for k in range(9, -1, -1)]
    assert [order.index(name) for name in levels] == sorted(order.index(name) for name in levels)


@pytest.mark.parametrize("rules", [[], [samples.criterion("cosine_similarity", 0.99)]])
def test_what_no_criterion_judges_is_not_within_them(rules: list[Criterion]) -> None:
    assert output_level(output(5e-6), OPERATORS, rules) == "not-judged"
    assert output_level(output(5e-6), OPERATORS, [*rules, samples.criterion("relative_l2", 1e-6)]) == "out"


def test_excess_is_in_units_of_the_float32_band() -> None:
    assert samples.located(0, error=2.0**-20).excess == 8.0
    assert samples.located(0, error=0.0, bands={}).excess == 0.0
    assert replace(samples.located(0), error=None).excess is None
