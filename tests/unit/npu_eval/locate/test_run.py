from __future__ import annotations

import copy
import shutil
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  the name everybody knows it by
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from faults import ACTIVATION, ANY, BACKGROUNDS, BATCH_NORM, CONV, LINEAR, MAP, Case, Rounding, cases
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.locate import OperatorFinding, locate, ranked


class Net(nn.Module):
    """Modules, functional calls and a residual, as small as it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.bn(self.conv1(x)))
        x = F.interpolate(x + self.conv2(x), scale_factor=2, mode="bilinear")
        return self.fc(self.drop(x.mean((2, 3))))


def net() -> Net:
    torch.manual_seed(0)
    model = Net().eval()
    model.bn.running_mean.normal_(0, 0.1)
    model.bn.running_var.uniform_(0.5, 1.5)
    return model


def image() -> tuple[torch.Tensor]:
    return (torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1)),)


def suspects(findings: list[OperatorFinding]) -> list[tuple[str, str, str]]:
    return [(f.module, f.operator, f.cause) for f in findings if f.cause != "ok"]


# --- planted faults --------------------------------------------------------------------------------------------------

PLANTED = (
    *cases(ANY | MAP | CONV, "conv2", "aten::convolution"),
    *cases(BATCH_NORM, "bn", "aten::native_batch_norm"),
    *cases(LINEAR, "fc", "aten::addmm"),
    *cases(ACTIVATION, "act", "aten::relu"),
)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.fault)
def test_the_operator_with_the_fault_is_found_and_no_other(case: Case, background: str) -> None:
    context, cause = BACKGROUNDS[background]
    model = net()
    findings = locate(model, case.candidate(model), image(), candidate_context=context)
    found = [f for f in findings if f.cause == "fault"]
    assert [(f.module, f.operator) for f in found] == [(case.module, case.operator)], found
    assert str(found[0].evidence)
    assert {f.cause for f in findings} <= {"ok", "fault", cause}


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_device_that_rounds_is_named_and_not_blamed(background: str) -> None:
    context, cause = BACKGROUNDS[background]
    model = net()
    findings = locate(model, copy.deepcopy(model), image(), candidate_context=context)
    products = [f for f in findings if f.operator in ("aten::convolution", "aten::addmm")]
    assert [f.cause for f in products] == [cause] * 3
    assert all(f.cause == "ok" for f in findings if f not in products)
    assert [f.index for f in findings] == list(range(len(findings)))
    assert all(list(f.bands) == ["fp32", "hf32", "tf32-or-fp16", "bf16"] for f in products)


def test_only_the_operators_that_round_are_said_to() -> None:
    context: Callable[[], Any] = lambda: Rounding(11, frozenset({"aten::addmm"}))  # noqa: E731
    model = net()
    assert suspects(locate(model, model, image(), candidate_context=context)) == [("fc", "aten::addmm", "hf32")]


@pytest.mark.parametrize(
    ("path", "module"),
    [("conv1", "conv1"), ("drop", ""), ("", "")],
    ids=["own operator", "no operator of its own", "whole model"],
)
def test_a_hook_is_charged_to_its_module_or_to_what_the_value_came_from(path: str, module: str) -> None:
    candidate = net()
    candidate.get_submodule(path).register_forward_hook(lambda m, i, o: o * 1.1)
    found = [f for f in locate(net(), candidate, image()) if f.cause == "fault"]
    assert len(found) == 1
    assert found[0].error == pytest.approx(0.1, rel=1e-4)
    assert found[0].module in (module, "fc")


def test_a_hook_before_a_module_is_charged_to_it() -> None:
    candidate = net()
    candidate.conv2.register_forward_pre_hook(lambda m, i: (torch.roll(i[0], 1, -1),))
    assert suspects(locate(net(), candidate, image())) == [("conv2", "aten::convolution", "fault")]


def test_functional_calls_are_seen() -> None:
    def forward(self: Net, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.bn(self.conv1(x)))
        x = F.interpolate(x + self.conv2(x), scale_factor=2, mode="bilinear", align_corners=True)
        return self.fc(self.drop(x.mean((2, 3))))

    candidate = net()
    candidate.forward = types.MethodType(forward, candidate)  # type: ignore[method-assign]
    found = [f for f in locate(net(), candidate, image()) if f.cause != "ok"]
    assert [f.operator for f in found] == ["aten::upsample_bilinear2d"]
    assert "argument True instead of False" in str(found[0].evidence)


def test_another_implementation_of_the_same_is_no_fault() -> None:
    candidate = net()
    candidate.act.forward = lambda x: torch.maximum(x, torch.zeros_like(x))  # type: ignore[method-assign]
    assert suspects(locate(net(), candidate, image())) == []


class Attention(nn.Module):
    """Fused, or written out in products."""

    def __init__(self, *, fused: bool, scale: float) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.fused, self.scale = fused, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).reshape(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        else:
            y = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(2, 5, 8))


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("scale", [0.5, 0.55])
def test_an_operator_replaced_by_several_is_judged_by_what_they_give(
    background: str, fused: bool, scale: float
) -> None:
    torch.manual_seed(0)
    model, candidate = Attention(fused=fused, scale=0.5), Attention(fused=not fused, scale=scale)
    candidate.load_state_dict(model.state_dict())
    context, cause = BACKGROUNDS[background]
    findings = locate(model, candidate, (torch.randn(2, 5, 8),), candidate_context=context)
    assert {f.cause for f in findings if f.module != ""} == {cause}
    wrong = [f.module for f in findings if f.cause == "fault"]
    assert wrong == ([""] if scale != 0.5 else [])


def test_an_operator_that_raises_is_a_finding_and_the_run_goes_on() -> None:
    candidate = net()
    candidate.fc.weight.data = torch.randn(8, 5)
    found = [f for f in locate(net(), candidate, image()) if f.cause == "fault"]
    assert [f.module for f in found] == ["fc"]
    assert "does not run: RuntimeError" in str(found[0].evidence)


def test_code_that_raises_is_a_finding_and_the_run_goes_on() -> None:
    def refuse(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("not today")

    candidate = net()
    candidate.conv1.forward = refuse  # type: ignore[method-assign]
    found = [f for f in locate(net(), candidate, image()) if f.cause != "ok"]
    assert [f.module for f in found] == ["conv1"]
    assert "ValueError: not today" in str(found[0].evidence)


def test_a_shared_module_is_found_in_each_of_its_calls() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    candidate = copy.deepcopy(model)
    candidate[0].weight.data[0] *= 1.1
    found = [f for f in locate(model, candidate, (torch.randn(3, 4),)) if f.cause == "fault"]
    assert [(f.module, f.call) for f in found] == [("0", 0), ("0", 1)]


# --- formats of whole models -----------------------------------------------------------------------------------------


def test_a_float64_reference_finds_nothing_wrong_with_float32() -> None:
    assert suspects(locate(net().double(), net(), image())) == []


@pytest.mark.parametrize(("dtype", "cause"), [(torch.bfloat16, "bf16"), (torch.float16, "tf32-or-fp16")])
def test_a_model_in_half_precision_is_explained_by_it(dtype: torch.dtype, cause: str) -> None:
    causes = {f.cause for f in locate(net(), net().to(dtype), image())}
    assert causes <= {"ok", cause}
    assert cause in causes


def test_autocast_is_explained() -> None:
    model = net()
    findings = locate(model, model, image(), candidate_context=lambda: torch.autocast("cpu", torch.bfloat16))
    assert {f.cause for f in findings} <= {"ok", "bf16"}
    assert next(f for f in findings if f.module == "conv1").cause == "bf16"


def test_another_order_in_memory_is_no_difference() -> None:
    assert suspects(locate(net(), net().to(memory_format=torch.channels_last), image())) == []


# --- training --------------------------------------------------------------------------------------------------------


def step(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = F.cross_entropy(model(x), torch.arange(2))
    loss.backward()
    optimiser.step()
    return loss


def test_a_training_step_is_compared_backwards_too_and_leaves_the_models_as_they_were() -> None:
    model, candidate = net().train(), net().train()
    before = {name: tensor.clone() for name, tensor in candidate.state_dict().items()}
    findings = locate(model, candidate, image(), train_step=step)
    assert suspects(findings) == []
    assert ("conv2", "aten::convolution_backward") in {(f.module, f.operator) for f in findings if f.backward}
    for side in (model, candidate):
        assert all(torch.equal(tensor, before[name]) for name, tensor in side.state_dict().items())
        assert all(p.grad is None for p in side.parameters())


class _Gain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * 1.03


def test_a_wrong_gradient_is_found_in_the_backward_pass_of_its_module() -> None:
    candidate = net().train()
    candidate.conv2.register_forward_hook(lambda m, i, o: _Gain.apply(o))
    found = [f for f in locate(net().train(), candidate, image(), train_step=step) if f.cause != "ok"]
    assert [(f.module, f.operator, f.backward) for f in found] == [("conv2", "aten::convolution_backward", True)]


def test_a_wrong_weight_is_blamed_where_it_is_used_and_not_where_it_is_updated() -> None:
    candidate = net().train()
    candidate.conv1.weight.data *= 1.01
    found = [f for f in locate(net().train(), candidate, image(), train_step=step) if f.cause == "fault"]
    assert [(f.module, f.operator) for f in found] == [("conv1", "aten::convolution")]


def test_a_returned_loss_is_differentiated_and_a_step_may_take_the_tuple() -> None:
    def loss(model: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        return model(inputs[0]).sum()

    assert any(f.backward for f in locate(net(), net(), image(), train_step=loss))


# --- chance, fallbacks, choices --------------------------------------------------------------------------------------


class Shaken(nn.Module):
    """A module whose result changes from run to run."""

    def __init__(self, inner: nn.Module, size: float) -> None:
        super().__init__()
        self.inner, self.size = inner, size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.inner(x)
        return y + self.size * torch.randn_like(y)


@pytest.mark.parametrize(("size", "cause"), [(1e-4, "non-deterministic"), (0.1, "fault")])
def test_small_chance_is_non_deterministic_and_large_chance_a_fault(size: float, cause: str) -> None:
    candidate = net()
    candidate.conv1 = Shaken(candidate.conv1, size)  # type: ignore[assignment]
    assert suspects(locate(net(), candidate, image())) == [("conv1", "aten::convolution", cause)]


class ShakyRelu(TorchDispatchMode):
    """A device whose ReLU adds up in no fixed order."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result * (1 + 1e-5 * torch.rand(())) if "relu" in str(func) else result


def test_an_operator_that_does_not_repeat_is_run_again_and_said_to() -> None:
    found = [f for f in locate(net(), net(), image(), candidate_context=ShakyRelu) if f.cause != "ok"]
    assert [(f.operator, f.cause) for f in found] == [("aten::relu", "non-deterministic")]
    assert "two runs on the same inputs differ" in str(found[0].evidence)


def test_a_reference_that_does_not_repeat_is_said_to() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.generator = torch.Generator()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.fc(x + torch.rand(x.shape, generator=self.generator))
            return y

    model = Own()
    assert suspects(locate(model, model, (torch.randn(2, 4),))) == [("", "aten::rand", "non-deterministic")]


class Unsupported(TorchDispatchMode):
    """A backend without ReLU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "relu" in str(func):
            text = (
                "CAUTION: The operator 'aten::relu' is not currently supported on the NPU backend and will fall back to"
            )
            warnings.warn(f"{text} run on the CPU. (function npu_cpu_fallback)", stacklevel=1)
        return func(*args, **(kwargs or {}))


def test_an_operator_that_ran_on_the_cpu_instead_is_a_fallback() -> None:
    found = locate(net(), net(), image(), candidate_context=Unsupported)
    assert suspects(found) == [("act", "aten::relu", "fallback")]


def test_operators_that_choose_are_compared_and_the_run_follows_the_reference() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 20)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            y = self.fc(x)
            return [*y.topk(5), (y > 0.3).nonzero(), y.argmax(1), y.gather(1, y.argsort(-1))]

    torch.manual_seed(0)
    model = Choosing()
    found = locate(model, model, (torch.randn(3, 6),), candidate_context=lambda: Rounding(7))
    assert suspects(found) == [("fc", "aten::addmm", "bf16")]
    assert {"aten::topk", "aten::nonzero", "aten::sort", "aten::argmax"} <= {f.operator for f in found}


# --- bad input -------------------------------------------------------------------------------------------------------


def test_a_model_that_changes_its_own_weights_is_refused() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            y: torch.Tensor = self.fc(x)
            return y

    with pytest.raises(
        AdapterError, match="the reference changes its own 'calls' while it runs; put it into eval mode"
    ):
        locate(Counter().eval(), Counter().eval(), (torch.randn(2, 3),))


def test_inputs_without_a_tensor_are_refused() -> None:
    with pytest.raises(ConfigError, match="no tensor among the inputs"):
        locate(net(), net(), ())


def test_a_full_disk_is_found_out_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = types.SimpleNamespace(total=1, used=1, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match=r"needs .* GiB and .* free"):
        locate(net(), net(), image())
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_inputs_or_models_is_changed_and_nothing_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model, inputs = net(), image()
    state, x, generator = copy.deepcopy(model.state_dict()), inputs[0].clone(), torch.get_rng_state()
    locate(model, net(), inputs)
    assert torch.equal(inputs[0], x)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl
    assert list(tmp_path.iterdir()) == []


def test_the_worst_come_first() -> None:
    candidate = net()
    candidate.conv2.weight.data *= 1.5
    findings = ranked(locate(net(), candidate, image(), candidate_context=lambda: Rounding(11)))
    assert [f.cause for f in findings[:3]] == ["fault", "hf32", "hf32"]
    assert findings[-1].cause == "ok"
