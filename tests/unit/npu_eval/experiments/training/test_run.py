"""The same steps on both sides: equal up to rounding, repeatable, and the loss falls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from contexts import context
from npu_eval.asked.spec import Side, TrainingProtocol
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.training import run as training
from npu_eval.experiments.training.data import TOTAL, TrainingData, gradient_agreement, loss_agreement
from npu_eval.jsonio import from_json, to_json
from tiny_detector import TinyDetector
from tiny_model import TinyClassifier

STEPS = TrainingProtocol(steps=4, images=2, side=64, learning_rate=0.05)


def run(folder: Path, adapter: Any = None, protocol: TrainingProtocol | None = STEPS, **changes: Any) -> TrainingData:
    made = context(folder, adapter=adapter or TinyDetector(), training=protocol, **changes)
    return training.run(made, argparse.Namespace())


def test_every_loss_of_every_step_is_told_with_the_total(tmp_path: Path) -> None:
    found = run(tmp_path)
    names = ("loss_fit", "loss_size", TOTAL)
    assert [(p.step, p.name) for p in found.losses] == [(s, n) for s in range(1, 5) for n in names]
    assert (found.images, found.side, found.steps, found.objects) == (2, 64, 4, 6)
    assert [(g.part, g.tensors) for g in found.gradients] == [("stem", 2), ("head", 2)]
    assert from_json(TrainingData, to_json(found)) == found


def test_float32_follows_float64_closely_but_not_exactly(tmp_path: Path) -> None:
    found = run(tmp_path)
    errors = [loss_agreement(p).relative_error for p in found.losses]
    assert all(e is not None and e < 1e-5 for e in errors)
    assert any(errors)
    assert all((gradient_agreement(g).relative_l2 or 1.0) < 1e-5 for g in found.gradients)


def test_the_loss_falls_and_the_run_can_be_repeated(tmp_path: Path) -> None:
    found = run(tmp_path)
    totals = [p.candidate for p in found.losses if p.name == TOTAL and p.candidate is not None]
    assert totals[-1] < totals[0]
    assert run(tmp_path) == found


def test_equal_sides_give_equal_bits(tmp_path: Path) -> None:
    found = run(tmp_path, reference=Side(device="cpu", dtype="float32"))
    assert all(p.reference == p.candidate for p in found.losses)
    assert all(g.sum_sq_diff == 0.0 for g in found.gradients)


def test_the_network_of_the_context_is_left_as_it_was(tmp_path: Path) -> None:
    made = context(tmp_path, adapter=TinyDetector(), training=STEPS)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    training.run(made, argparse.Namespace())
    assert all(torch.equal(value, before[name]) for name, value in made.network.state_dict().items())


def test_a_loss_that_is_not_finite_is_none(tmp_path: Path) -> None:
    class Broken(TinyDetector):
        def losses(self, model: nn.Module, images: Any) -> dict[str, torch.Tensor]:
            found = super().losses(model, images)
            return found | {"loss_size": found["loss_size"] * float("nan")}

    points = run(tmp_path, Broken()).losses
    assert {p.candidate for p in points if p.name == "loss_size"} == {None}


@pytest.mark.parametrize("found", [{}, {"loss": 1.0}, {TOTAL: torch.ones(())}, {"loss": torch.ones(2)}])
def test_losses_that_are_no_named_scalars_are_refused(tmp_path: Path, found: dict[str, Any]) -> None:
    class Odd(TinyDetector):
        def losses(self, model: nn.Module, images: Any) -> Any:
            return found

    with pytest.raises(AdapterError, match=r"scalars by name"):
        run(tmp_path, Odd())


def test_a_model_without_losses_and_a_spec_without_training_are_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"has no losses"):
        run(tmp_path, TinyClassifier())
    with pytest.raises(ConfigError, match=r"asks for no training"):
        run(tmp_path, protocol=None)
