from __future__ import annotations

import dataclasses

import pytest

import samples
from npu_eval.errors import RecordError
from npu_eval.experiments.precision.switching_data import ModeDifference, ModeRun, Switching, check_switching, mode_rows
from npu_eval.notation.phrases import said


def run(*differences: tuple[str, float, float, int], **changes: object) -> ModeRun:
    found = ModeRun(
        settings={"hf32_conv": "on"},
        deployed=True,
        differences=tuple(
            ModeDifference(input="a", output=o, sum_sq_reference=r, sum_sq_diff=d, nonfinite_mismatch=n)
            for o, r, d, n in differences
        ),
        samples_s=(3.0, 1.0, 2.0),
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_a_row_has_the_worst_error_of_each_output_and_the_median() -> None:
    (row,) = mode_rows(Switching(modes=(run(("y", 4.0, 1.0, 0), ("y", 4.0, 0.0, 0), ("z", 0.0, 0.0, 0)),)))
    assert row.errors == {"y": 0.5, "z": 0.0}
    assert (row.median_s, row.calls) == (2.0, 3)


def test_what_is_not_finite_has_no_error_whatever_other_inputs_say() -> None:
    (row,) = mode_rows(Switching(modes=(run(("y", 4.0, 1.0, 1), ("y", 4.0, 1.0, 0), ("z", 0.0, 2.0, 0)),)))
    assert row.errors == {"y": None, "z": 1.0}


def test_without_times_there_is_no_median() -> None:
    (row,) = mode_rows(Switching(modes=(run(samples_s=(), reason=said("mode-stays", mode="hf32_conv", value="off")),)))
    assert (row.median_s, row.calls, str(row.reason)) == (None, 0, "hf32_conv stays off")


@pytest.mark.parametrize(
    "modes",
    [
        (run(deployed=False),),
        (run(), run()),
        (run(("y", -1.0, 0.0, 0)),),
        (run(samples_s=(-1.0,)),),
    ],
)
def test_what_no_experiment_writes_is_refused(modes: tuple[ModeRun, ...]) -> None:
    with pytest.raises(RecordError, match=r"^data\.switching"):
        check_switching(Switching(modes=modes), "data.switching")
    check_switching(samples.switching(), "data.switching")
    check_switching(Switching(modes=(), reason=said("no-mode", kind="cpu")), "data.switching")
