from __future__ import annotations

import torch

from npu_eval.device.operator_calls import OperatorCalls, uncounted


def test_operators_are_counted_and_compute_what_they_did() -> None:
    x = torch.ones(2, 2)
    with OperatorCalls() as calls:
        found = x.exp().exp() + x
    assert calls.counts["aten::exp"] == 2
    assert calls.counts["aten::add"] == 1
    assert torch.equal(found, x.exp().exp() + x)
    before = dict(calls.counts)
    x.exp()
    assert calls.counts == before, "outside nothing is counted"


def test_calls_that_the_clock_decides_upon_are_not_counted() -> None:
    x = torch.ones(2, 2)
    with OperatorCalls() as calls:
        x.exp()
        with uncounted():
            assert torch.equal(x.exp(), torch.full((2, 2), torch.e))
        x.exp()
    assert calls.counts["aten::exp"] == 2
