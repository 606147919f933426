"""Faults to plant into models, and devices that round: what localisation is tested and measured with.

Each fault is planted into one module of a copy of the model; what it must be charged to is the operator it returns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name everybody knows it by
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

CONTRACTIONS = {"aten::convolution", "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"}


def rounded(x: torch.Tensor, bits: int) -> torch.Tensor:
    """To nearest, ties to even, written apart from the product's own rounding: by scaling, not by bits."""
    mantissa, exponent = torch.frexp(x.double())
    return torch.ldexp((mantissa * 2.0 ** (bits + 1)).round() / 2.0 ** (bits + 1), exponent).float()


class Rounding(TorchDispatchMode):
    """A device that takes the operands of products and convolutions in a shorter format."""

    def __init__(self, bits: int, names: frozenset[str] = frozenset(CONTRACTIONS)) -> None:
        super().__init__()
        self.bits = bits
        self.names = names

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in self.names:
            args = tuple(rounded(a, self.bits) if isinstance(a, torch.Tensor) and a.dim() > 1 else a for a in args)
        return func(*args, **(kwargs or {}))


BACKGROUNDS: dict[str, tuple[Callable[[], AbstractContextManager[Any]] | None, str]] = {
    "fp32": (None, "ok"),
    "hf32": (lambda: Rounding(11), "hf32"),
    "tf32": (lambda: Rounding(10), "tf32-or-fp16"),
    "bf16": (lambda: Rounding(7), "bf16"),
}
"""Background → (its context, the cause it must be given)."""


class Wrapped(nn.Module):
    """A module put around another, as people do who patch a model."""

    def __init__(self, inner: nn.Module, before: Callable[[Any], Any], after: Callable[[Any], Any]) -> None:
        super().__init__()
        self.inner, self.before, self.after = inner, before, after

    def forward(self, x: Any) -> Any:
        return self.after(self.inner(self.before(x)))


def replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def _after(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[nn.Module, str], None]:
    def plant(model: nn.Module, path: str) -> None:
        replace(model, path, Wrapped(model.get_submodule(path), lambda x: x, change))

    return plant


def _hooked(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[nn.Module, str], None]:
    def plant(model: nn.Module, path: str) -> None:
        model.get_submodule(path).register_forward_hook(lambda module, inputs, output: change(output))

    return plant


def _patched(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[nn.Module, str], None]:
    def plant(model: nn.Module, path: str) -> None:
        module = model.get_submodule(path)
        forward = module.forward
        module.forward = lambda *args: change(forward(*args))

    return plant


def _in_place(change: Callable[[torch.Tensor], None]) -> Callable[[torch.Tensor], torch.Tensor]:
    def changed(output: torch.Tensor) -> torch.Tensor:
        change(output)
        return output

    return changed


def _noise(output: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return output + 0.01 * output.std() * torch.randn(output.shape, generator=generator)


def _border(output: torch.Tensor) -> None:
    output[..., 0] = 0


def _channel(output: torch.Tensor) -> torch.Tensor:
    """The channel axis in front, as a view."""
    return output.movedim(1 if output.dim() == 4 else -1, 0)


def _zero_channel(output: torch.Tensor) -> None:
    _channel(output)[3].zero_()


def _flip_channel(output: torch.Tensor) -> None:
    _channel(output)[3].neg_()


def _swap_channels(output: torch.Tensor) -> torch.Tensor:
    order = list(range(_channel(output).shape[0]))
    order[2], order[3] = 3, 2
    return output.index_select(1 if output.dim() == 4 else output.dim() - 1, torch.tensor(order))


def _one_nan(output: torch.Tensor) -> None:
    output.view(-1)[output.numel() // 2] = torch.nan


def _padding(model: nn.Module, path: str) -> None:
    conv = model.get_submodule(path)
    assert isinstance(conv, nn.Conv2d)
    conv.padding_mode = "reflect"
    conv._reversed_padding_repeated_twice = [p for p in reversed(conv.padding) for _ in range(2)]


def _dilation(model: nn.Module, path: str) -> None:
    conv = model.get_submodule(path)
    assert isinstance(conv, nn.Conv2d)
    conv.dilation, conv.padding = (2, 2), (2, 2)


def _stride(model: nn.Module, path: str) -> None:
    model.get_submodule(path).stride = (2, 2)


def _epsilon(model: nn.Module, path: str) -> None:
    model.get_submodule(path).eps *= 100


def _transposed(model: nn.Module, path: str) -> None:
    weight = model.get_submodule(path).weight
    weight.data = weight.data.transpose(0, 1).contiguous().reshape(weight.shape)


def _stale(model: nn.Module, path: str) -> None:
    model.get_submodule(path).running_var.mul_(1.05)


def _missing_bias(model: nn.Module, path: str) -> None:
    model.get_submodule(path).bias.data.zero_()


def _activation(model: nn.Module, path: str) -> None:
    old = model.get_submodule(path)
    replace(model, path, nn.GELU(approximate="tanh") if isinstance(old, nn.GELU) else nn.LeakyReLU(0.01))


def _scale(model: nn.Module, path: str) -> None:
    """Attention with a wrong scale, written out in products where the original uses the fused operator."""
    attention = model.get_submodule(path)

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        batch, length, width = x.shape
        qkv = attention.qkv(x).reshape(batch, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = (q * (attention.scale * 1.1) @ k.transpose(-2, -1)).softmax(dim=-1)
        return attention.proj((weights @ v).transpose(1, 2).reshape(batch, length, width))

    attention.forward = forward


def _same_attention(model: nn.Module, path: str) -> None:
    """The same, with the right scale: another implementation and no fault."""
    attention = model.get_submodule(path)
    _scale(model, path)
    attention.scale = attention.scale / 1.1


def _interpolation(model: nn.Module, path: str) -> None:
    """An upsampling by nearest that takes its left neighbour."""
    module = model.get_submodule(path)
    original = module.forward

    def forward(*args: Any) -> Any:
        interpolate = F.interpolate

        def shifted(x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
            return interpolate(torch.cat([x[..., :1], x[..., :-1]], dim=-1), **kwargs)

        F.interpolate = shifted
        try:
            return original(*args)
        finally:
            F.interpolate = interpolate

    module.forward = forward


Plant = Callable[[nn.Module, str], None]

CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gain 1.005": lambda o: o * 1.005,
    "gain 1.5": lambda o: o * 1.5,
    "noise 1 %": _noise,
    "one NaN": _in_place(_one_nan),
    "channel zeroed": _in_place(_zero_channel),
    "channels swapped": _swap_channels,
    "channel sign-flipped": _in_place(_flip_channel),
    "shift by a pixel": lambda o: torch.roll(o, 1, -1),
    "border column zeroed": _in_place(_border),
}
"""What can go wrong with an output; the last two need one of shape (N, C, H, W)."""

WAYS = (_after, _hooked, _patched)
"""The ways in which people change what a module gives: a module around it, a hook, a forward of their own."""

MAP: dict[str, Plant] = {name: WAYS[i % 3](change) for i, (name, change) in enumerate(CHANGES.items())}
ANY: dict[str, Plant] = {name: MAP[name] for name in list(CHANGES)[:-2]}
PATCHED: dict[str, Plant] = {name: _patched(change) for name, change in CHANGES.items()}
"""The same, all in the module's own forward, where tools that hook modules can see them."""

CONV: dict[str, Plant] = {
    "padding mode": _padding,
    "dilation": _dilation,
    "stride": _stride,
    "transposed weight": _transposed,
}
NORM: dict[str, Plant] = {"epsilon": _epsilon}
BATCH_NORM: dict[str, Plant] = {"epsilon": _epsilon, "stale buffer": _stale}
LINEAR: dict[str, Plant] = {"transposed weight": _transposed, "bias lost": _missing_bias}
ACTIVATION: dict[str, Plant] = {"activation": _activation}
ATTENTION: dict[str, Plant] = {"attention scale": _scale}
PYRAMID: dict[str, Plant] = {"interpolation off by one": _interpolation}


@dataclass(frozen=True)
class Case:
    """A fault, where to plant it, and the operator and module that it must be charged to."""

    fault: str
    plant: Plant
    path: str
    operator: str
    module: str

    def candidate(self, model: nn.Module) -> nn.Module:
        """A copy of the model with the fault."""
        planted = copy.deepcopy(model)
        self.plant(planted, self.path)
        return planted


def cases(kinds: dict[str, Plant], path: str, operator: str, module: str = "") -> list[Case]:
    return [Case(fault, plant, path, operator, module or path) for fault, plant in kinds.items()]


@dataclass(frozen=True)
class Subject:
    """A model with an input and the faults that it is given."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    cases: tuple[Case, ...]

    def model(self) -> nn.Module:
        """The model with fixed random weights whose norms are not trivial."""
        torch.manual_seed(0)
        model = self.build().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "grn" in name:
                parameter.data.normal_(0, 0.05)
        return model

    def inputs(self) -> tuple[torch.Tensor, ...]:
        return (torch.randn(self.shape, generator=torch.Generator().manual_seed(1)),)


def _cnn() -> nn.Module:
    import torchvision

    return torchvision.models.resnet18(weights=None)


def _transformer() -> nn.Module:
    import timm

    return timm.create_model("vit_tiny_patch16_224", img_size=64, depth=4, pretrained=False)


def _convnext() -> nn.Module:
    import timm

    return timm.create_model("convnextv2_atto", pretrained=False)


def _detector() -> nn.Module:
    import npu_models

    return npu_models.build("fcos/r50_caffe_fpn_gn-head_1x")


CONVOLUTION = "aten::convolution"
SUBJECTS = (
    Subject(
        "ResNet-18", _cnn, (1, 3, 64, 64),
        (
            *cases(ANY | MAP | CONV, "layer2.1.conv1", CONVOLUTION),
            *cases(BATCH_NORM, "layer2.0.bn1", "aten::native_batch_norm"),
            *cases(LINEAR, "fc", "aten::addmm"),
        ),
    ),
    Subject(
        "ViT-Ti", _transformer, (1, 3, 64, 64),
        (
            *cases(ANY, "blocks.2.mlp.fc1", "aten::addmm"),
            *cases(LINEAR, "blocks.1.attn.proj", "aten::addmm"),
            *cases(NORM, "blocks.2.norm2", "aten::native_layer_norm"),
            *cases(ACTIVATION, "blocks.1.mlp.act", "aten::gelu"),
            *cases(ATTENTION, "blocks.2.attn", "aten::_scaled_dot_product_flash_attention_for_cpu"),
        ),
    ),
    Subject(
        "FCOS R50", _detector, (1, 3, 64, 96),
        (
            *cases(ANY | MAP | CONV, "bbox_head.cls_convs.1.conv", CONVOLUTION),
            *cases(NORM, "bbox_head.reg_convs.2.gn", "aten::native_group_norm"),
            *cases(PYRAMID, "neck", "aten::upsample_nearest2d"),
        ),
    ),
    Subject(
        "ConvNeXt V2", _convnext, (1, 3, 64, 64),
        (
            *cases(ANY | MAP, "stages.2.blocks.3.conv_dw", CONVOLUTION),
            *cases({k: CONV[k] for k in ("padding mode", "dilation")}, "stages.1.blocks.1.conv_dw", CONVOLUTION),
            *cases(NORM, "stages.2.blocks.1.norm", "aten::native_layer_norm"),
            *cases(ACTIVATION, "stages.2.blocks.2.mlp.act", "aten::gelu"),
        ),
    ),
)  # fmt: skip
