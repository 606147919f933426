from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from contexts import context
from npu_eval.agreement.compare import difference
from npu_eval.asked.spec import Side
from npu_eval.errors import AdapterError
from npu_eval.experiments.precision import run as precision
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.jsonio import from_json, to_json
from npu_eval.session.script import Context
from tiny_detector import TinyDetector
from tiny_model import TinyClassifier

NOTHING = argparse.Namespace(outputs=None)


def run(folder: Path, **changes: Any) -> PrecisionData:
    return precision.run(context(folder, **changes), NOTHING)


def test_every_output_of_every_input_is_compared_and_repeated(tmp_path: Path) -> None:
    found = run(tmp_path, repeats=3)
    pairs = [(f"inputs/{name}", output) for name in ("cat.png", "flower.png") for output in ("logits", "features")]
    assert [(d.input, d.output) for d in found.differences] == pairs
    assert [(d.input, d.output) for d in found.repeats] == [p for i in (0, 2) for p in (*pairs[i : i + 2],) * 2]
    assert [r.input for r in found.rankings] == ["inputs/cat.png", "inputs/flower.png"]
    assert from_json(PrecisionData, to_json(found)) == found


def test_the_numbers_are_those_of_the_two_models(tmp_path: Path) -> None:
    made = context(tmp_path)
    found = precision.run(made, NOTHING)
    batch = made.preprocess(made.photos()[1:])
    with torch.inference_mode():
        wide, narrow = made.network.double()(batch.double()), made.network.float()(batch)
    assert found.differences[2] == difference("inputs/flower.png", "logits", wide, narrow)
    assert (found.differences[2].reference_dtype, found.differences[2].candidate_dtype) == ("float64", "float32")
    order = torch.argsort(wide[0], descending=True).tolist()
    assert list(found.rankings[1].reference_classes) == order
    assert found.rankings[1].reference_values == pytest.approx([float(wide[0][i]) for i in order])


def test_float32_against_float64_is_a_small_but_real_error(tmp_path: Path) -> None:
    for d in run(tmp_path).differences:
        assert 0 < d.max_abs_diff < 1e-5
        assert not d.bitwise_equal


def test_autocast_is_of_the_candidate_alone(tmp_path: Path) -> None:
    found = run(tmp_path, numeric_modes={"autocast": "bfloat16"})
    for cast, floor in zip(found.differences, found.floors, strict=True):
        assert 1e-4 < (cast.sum_sq_diff / cast.sum_sq_reference) ** 0.5 < 3e-2
        assert (floor.sum_sq_diff / floor.sum_sq_reference) ** 0.5 < 1e-5, "neither the reference nor float32's floor"


def test_repeats_on_a_cpu_give_the_same_bits(tmp_path: Path) -> None:
    assert all(d.bitwise_equal for d in run(tmp_path).repeats)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_the_candidate_runs_in_its_dtype(tmp_path: Path, dtype: str) -> None:
    found = run(tmp_path, candidate=Side(device="cpu", dtype=dtype))
    assert {d.candidate_dtype for d in found.differences} == {dtype} == {found.candidate_dtype}
    assert all(d.bitwise_equal for d in found.differences) == (dtype == "float64")


class Changing(TinyClassifier):
    """Gives something else on the candidate, which is every call in float32."""

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = super().forward(model, batch)
        return self.changed(outputs) if batch.dtype is torch.float32 else outputs

    def changed(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return outputs


def test_outputs_on_one_side_only_are_named(tmp_path: Path) -> None:
    class Fewer(Changing):
        def changed(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"logits": outputs["logits"], "extra": outputs["logits"]}

    with pytest.raises(AdapterError, match=r"^adapter\.py: outputs extra, features exist on one side only"):
        run(tmp_path, adapter=Fewer())


def test_a_random_candidate_is_seen_in_its_repeats(tmp_path: Path) -> None:
    class Noisy(Changing):
        def changed(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {name: t + 1e-3 * torch.rand_like(t) for name, t in outputs.items()}

    assert all(d.max_abs_diff > 0 for d in run(tmp_path, adapter=Noisy()).repeats)


@pytest.mark.parametrize(("poison", "left"), [(math.nan, 4), (math.inf, 4), (-math.inf, 4)])
def test_a_candidate_with_a_nan_still_leaves_a_record_that_tells_of_it(
    tmp_path: Path, poison: float, left: int
) -> None:
    class Poisoned(Changing):
        def changed(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            outputs["logits"][:, 2] = poison
            return outputs

    found = run(tmp_path, adapter=Poisoned())
    assert from_json(PrecisionData, to_json(found)) == found
    assert [d.nonfinite_mismatch for d in found.differences] == [1, 0, 1, 0]
    for ranking in found.rankings:
        assert len(ranking.candidate_classes) == left == len(ranking.candidate_values)
        assert 2 not in ranking.candidate_classes
        assert len(ranking.reference_classes) == 5


def test_equal_values_keep_the_order_of_the_classes(tmp_path: Path) -> None:
    class Flat(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": torch.ones(len(batch), 9, dtype=batch.dtype)}

    ranking = run(tmp_path, adapter=Flat()).rankings[0]
    assert ranking.reference_classes == ranking.candidate_classes == (0, 1, 2, 3, 4)


def test_without_classes_there_is_no_ranking(tmp_path: Path) -> None:
    class Plain:
        task = "features"
        build, preprocess, forward = TinyClassifier.build, TinyClassifier.preprocess, TinyClassifier.forward

    assert run(tmp_path, adapter=Plain()).rankings == ()


@pytest.mark.parametrize("output", ["scores", "volume"])
def test_a_class_output_that_ranks_no_classes_is_the_adapters_fault(tmp_path: Path, output: str) -> None:
    class Wrong(TinyClassifier):
        class_output = output

        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            return {**super().forward(model, batch), "volume": torch.zeros(len(batch), 2, 2, dtype=batch.dtype)}

    with pytest.raises(AdapterError, match=rf"^adapter\.py: class_output '{output}' is no output of shape"):
        run(tmp_path, adapter=Wrong())


def test_the_network_of_the_context_is_left_as_it_was(tmp_path: Path) -> None:
    made: Context = context(tmp_path)
    before = {name: t.clone() for name, t in made.network.state_dict().items()}
    precision.run(made, NOTHING)
    assert all(
        torch.equal(t, before[name]) and t.dtype == torch.float32 for name, t in made.network.state_dict().items()
    )


def test_progress_names_each_photo(tmp_path: Path) -> None:
    said: list[str] = []
    run(tmp_path, said=said)
    assert said == ["[precision] 1/2 cat.png", "[precision] 2/2 flower.png"]


# --- detectors -------------------------------------------------------------------------------------------------------


def test_the_detections_of_both_sides_are_matched_photo_by_photo(tmp_path: Path) -> None:
    found = run(tmp_path, adapter=TinyDetector())
    assert [c.input for c in found.detections] == ["inputs/cat.png", "inputs/flower.png"]
    for comparison in found.detections:
        assert comparison.reference_count == len(comparison.pairs) == 4
        assert comparison.lone == ()
        assert all(p.mask_iou == 1.0 for p in comparison.pairs)
        assert all(abs(p.reference_score - p.candidate_score) < 1e-6 for p in comparison.pairs)
    assert found.rankings == ()
    assert from_json(PrecisionData, to_json(found)) == found


def test_a_detector_that_finds_nothing_is_compared_all_the_same(tmp_path: Path) -> None:
    class Blind(TinyDetector):
        score_cutoff = 1.0

    found = run(tmp_path, adapter=Blind()).detections
    assert [(c.reference_count, c.candidate_count) for c in found] == [(0, 0), (0, 0)]


# --- the error that float32 has by itself ----------------------------------------------------------------------------


def test_float32s_own_error_stands_beside_every_difference(tmp_path: Path) -> None:
    found = run(tmp_path, candidate=Side(device="cpu", dtype="bfloat16"))
    assert [(d.input, d.output) for d in found.floors] == [(d.input, d.output) for d in found.differences]
    assert {(d.reference_dtype, d.candidate_dtype) for d in found.floors} == {("float64", "float32")}
    for floor, d in zip(found.floors, found.differences, strict=True):
        assert 0 < floor.sum_sq_diff < 1e-6 * d.sum_sq_diff


@pytest.mark.parametrize("reference", ["float64", "float32", "bfloat16"])
def test_it_is_the_same_whatever_the_two_sides_are(tmp_path: Path, reference: str) -> None:
    plain = run(tmp_path).floors
    assert run(tmp_path, reference=Side(device="cpu", dtype=reference)).floors == plain


def test_nothing_runs_twice_where_the_two_sides_are_float64_and_float32_on_one_device(tmp_path: Path) -> None:
    calls = []

    class Counting(TinyClassifier):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            calls.append(batch.dtype)
            return super().forward(model, batch)

    found = run(tmp_path, adapter=Counting(), repeats=2)
    assert len(calls) == 3 * len({d.input for d in found.differences})
    assert found.floors == found.differences
