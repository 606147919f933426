"""What the search for the first wrong operator finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.localisation.data import LocalisationData, LocatedOperator, OutputError
from npu_eval.notation.phrases import said
from npu_eval.records.record import Record
from samples.asked import PHOTOS
from samples.recorded import record


def located(index: int = 0, **changes: Any) -> LocatedOperator:
    found = LocatedOperator(index=index, operator="aten::convolution", module=f"layer{index}.conv", call=0,
                            backward=False, shapes=((1, 3, 8, 8), (4, 3, 3, 3)), error=2.0**-23,
                            bands={"fp32": 2.0**-23, "hf32": 2.0**-13, "tf32-or-fp16": 2.0**-12, "bf16": 2.0**-9},
                            cause="ok", evidence=said("times-float32", times="1"))  # fmt: skip
    return replace(found, **changes)


WRONG_ARGUMENT = said("times-float32", times="2.1e+06").then(said("argument", ours="2", theirs="1"))


def localisation_data(**changes: Any) -> LocalisationData:
    """A device in HF32 with one fault."""
    found = LocalisationData(
        input=next(iter(PHOTOS)),
        reference_dtype="float64",
        candidate_dtype="float32",
        outputs=(OutputError(output="logits", error=2.0**-8, floor=2.0**-22, bitwise_equal=False),),
        operators=(
            located(0, error=2.0**-13, cause="hf32", evidence=said("left-operands", format="hf32", left="1e-07")),
            located(1, operator="aten::relu"),
            located(
                2,
                error=0.25,
                cause="fault",
                evidence=WRONG_ARGUMENT,
            ),
            located(3, error=None, cause="fault", evidence=said("one-sided", count="1")),
        ),
    )
    return replace(found, **changes)


def localisation_record(
    *, spec: EvalSpec | None = None, data: LocalisationData | None = None, **changes: Any
) -> Record:
    command = ("python", "evaluation/eval_localisation.py", "--save", "evaluation")
    return record(data or localisation_data(), command, spec=spec, **changes)
