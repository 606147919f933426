"""The work of a forward pass is counted as its layers ask for it; a model that cannot be counted costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils import flop_counter

from contexts import context
from npu_eval.errors import RecordError
from npu_eval.experiments.performance import network_work
from npu_eval.experiments.performance.data import NetworkWork, PerformanceData, check_performance
from tiny_model import TinyClassifier


class OneConvolution(TinyClassifier):
    """3 channels to 8 with 3x3 kernels, and 8 numbers to 5 classes."""

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": model(batch)}


def test_a_multiplication_and_an_addition_are_two_operations(tmp_path: Path) -> None:
    made = context(tmp_path, adapter=OneConvolution())
    model = made.model(made.spec.candidate, "cpu")
    found = network_work.measure(made, model, torch.zeros(1, 3, 10, 20))
    convolution = 2 * 8 * 3 * 9 * 10 * 20
    parameters = 8 * 3 * 9 + 8 + 8 * 5 + 5
    assert found == NetworkWork(flops=convolution + 2 * 8 * 5, convolution_flops=convolution,
                                parameter_bytes=4 * parameters)  # fmt: skip


def test_a_model_that_cannot_be_counted_is_said_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    made = context(tmp_path, adapter=OneConvolution(), said=said)

    def broken(*_: object, **__: object) -> int:
        raise AssertionError("an operator with a shape that nobody expected")

    monkeypatch.setitem(flop_counter.flop_registry, torch.ops.aten.convolution, broken)
    model = made.model(made.spec.candidate, "cpu")
    assert network_work.measure(made, model, torch.zeros(1, 3, 10, 20)) is None
    assert said == ["[performance] floating-point operations: not counted (AdapterError)"]


@pytest.mark.parametrize("work", [(1, 2, 0), (1, -1, 0), (1, 1, -1)])
def test_counts_that_nobody_counts_are_refused(work: tuple[int, int, int]) -> None:
    flops, convolutions, size = work
    wrong = NetworkWork(flops=flops, convolution_flops=convolutions, parameter_bytes=size)
    with pytest.raises(RecordError, match="a count is negative"):
        check_performance(PerformanceData(clock="c", timed="t", runs=(), work=wrong), "performance.json")
