from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  the name everybody knows it by

from npu_eval.locate import emulate as module
from npu_eval.locate.emulate import Call, emulate
from npu_eval.locate.fit import exact, fit, single, to_nearest

aten = torch.ops.aten


def call(func: object, *args: object) -> Call:
    assert isinstance(func, torch._ops.OpOverload)
    return Call(func, args, {})


def convolution(stride: int, padding: int, dilation: int, groups: int, size: int = 3) -> Call:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 4, 13, 9), torch.randn(6, 4 // groups, size, size), torch.randn(6)
    return call(aten.convolution.default, x, weight, bias, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0],
                groups)  # fmt: skip


CALLS = {
    "convolution": convolution(1, 1, 1, 1),
    "strided": convolution(2, 1, 1, 1),
    "dilated": convolution(1, 2, 2, 2),
    "without padding": convolution(3, 0, 1, 1),
    "pointwise": convolution(1, 0, 1, 1, size=1),
    "mm": call(aten.mm.default, torch.randn(11, 5), torch.randn(5, 7)),
    "addmm": call(aten.addmm.default, torch.randn(7), torch.randn(11, 5), torch.randn(5, 7)),
    "addmm with a matrix": call(aten.addmm.default, torch.randn(11, 7), torch.randn(11, 5), torch.randn(5, 7)),
    "bmm": call(aten.bmm.default, torch.randn(6, 3, 5), torch.randn(6, 5, 4)),
    "softmax": call(aten._softmax.default, torch.randn(3, 5), 1, False),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("tile", [1, 300, 1 << 20])
def test_tiles_put_together_are_the_whole(name: str, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    operator = CALLS[name]
    whole = operator.func(*[a.double() if isinstance(a, torch.Tensor) else a for a in operator.args])
    together = torch.full_like(whole, torch.nan)
    for place, outputs in emulate(operator, exact, exact):
        together[place if place is not None else ...] = outputs[0]
    torch.testing.assert_close(together, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "operator",
    [
        call(aten.convolution.default, torch.ones(1, 512, 9, 9), torch.ones(2048, 512, 1, 1), None, [2, 2], [0, 0],
             [1, 1], False, [0, 0], 1),
        call(aten.convolution.default, torch.ones(1, 256, 30, 40), torch.ones(512, 256, 3, 3), torch.ones(512), [1, 1],
             [1, 1], [1, 1], False, [0, 0], 1),
        call(aten.addmm.default, torch.ones(4096), torch.ones(700, 1024), torch.ones(1024, 4096)),
        call(aten.mm.default, torch.ones(700, 1024), torch.ones(1024, 4096)),
    ],
    ids=["strided pointwise", "three by three", "addmm", "mm"],
)  # fmt: skip
def test_no_tile_of_inputs_or_weights_is_larger_than_said(operator: Call) -> None:
    most = 0

    def weighed(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal most
        most = max(most, tensor.numel())
        return tensor

    outputs = [output.numel() for _, (output,) in emulate(operator, weighed, weighed)]
    assert max(most, *outputs) <= module.TILE
    assert sum(outputs) == operator.func(*operator.args).numel()


@pytest.mark.parametrize("name", ["convolution", "strided", "mm", "addmm", "bmm"])
def test_bands_are_those_that_were_measured_on_resnet(name: str) -> None:
    """Nearly the same for every product: float32 below 5e-7, HF32 near 1.4e-4, TF32 twice, bfloat16 16 times that."""
    operator = CALLS[name]
    reference = operator.func(*operator.args)
    bands = {
        format_: fit(operator, [reference], [None], to_nearest(format_), single)[0].band
        for format_ in ("hf32", "tf32-or-fp16", "bf16")
    }
    assert fit(operator, [reference], [None], exact, exact)[0].band < 5e-7
    assert 0.9e-4 < bands["hf32"] < 2.2e-4
    assert bands["tf32-or-fp16"] == pytest.approx(2 * bands["hf32"], rel=0.3)
    assert bands["bf16"] == pytest.approx(16 * bands["hf32"], rel=0.3)


def test_the_own_emulation_leaves_nothing_and_another_does() -> None:
    operator = CALLS["convolution"]
    reference = operator.func(*operator.args)
    rounding = to_nearest("hf32")
    x, weight, bias, *others = operator.args
    candidate = operator.func(rounding(x), rounding(weight), bias, *others)
    same = fit(operator, [reference], [candidate], rounding, single)[0]
    other = fit(operator, [reference], [candidate], to_nearest("bf16"), single)[0]
    assert same.residual < 1e-6 < same.error
    assert same.alignment > 0.99
    assert other.residual > 0.5 * other.band


def test_an_error_in_one_channel_is_uneven() -> None:
    operator = CALLS["convolution"]
    reference = operator.func(*operator.args)
    candidate = reference.clone()
    candidate[:, 2] = 0
    assert fit(operator, [reference], [candidate], to_nearest("bf16"), single)[0].unevenness > 1000


def test_what_an_operator_writes_to_is_left_alone() -> None:
    mean, var = torch.zeros(3), torch.ones(3)
    x = torch.randn(4, 3, 5)
    operator = call(aten.native_batch_norm.default, x, None, None, mean, var, True, 0.1, 1e-5)
    outputs = next(o for _, o in emulate(operator, lambda t: t, lambda t: t))
    assert torch.equal(mean, torch.zeros(3))
    torch.testing.assert_close(outputs[0], F.batch_norm(x, None, None, training=True))
