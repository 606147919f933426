"""What has to be known of ATen operators to judge them: which multiply and add, which choose, which are random."""

from __future__ import annotations

from typing import Any

import torch

OPERANDS: dict[str, tuple[int, ...]] = {
    "aten::convolution": (0, 1),
    "aten::convolution_overrideable": (0, 1),
    "aten::_convolution": (0, 1),
    "aten::cudnn_convolution": (0, 1),
    "aten::mkldnn_convolution": (0, 1),
    "aten::conv1d": (0, 1),
    "aten::conv2d": (0, 1),
    "aten::conv3d": (0, 1),
    "aten::conv_transpose2d": (0, 1),
    "aten::convolution_backward": (0, 1, 2),
    "aten::convolution_backward_overrideable": (0, 1, 2),
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::mv": (0, 1),
    "aten::dot": (0, 1),
    "aten::matmul": (0, 1),
    "aten::linear": (0, 1),
    "aten::addmm": (1, 2),
    "aten::addbmm": (1, 2),
    "aten::addmv": (1, 2),
    "aten::baddbmm": (1, 2),
    "aten::scaled_dot_product_attention": (0, 1, 2),
    "aten::_scaled_dot_product_attention_math": (0, 1, 2),
    "aten::_scaled_dot_product_efficient_attention": (0, 1, 2),
    "aten::_scaled_dot_product_flash_attention": (0, 1, 2),
    "aten::_scaled_dot_product_flash_attention_for_cpu": (0, 1, 2),
    "aten::_scaled_dot_product_fused_attention_overrideable": (0, 1, 2),
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": (0, 1, 2, 3),
    "torchvision::deform_conv2d": (0, 1),
}
"""Operators whose operands a device may take in a shorter format → the positions of those operands."""

CONVOLUTIONS = frozenset({"aten::convolution", "aten::convolution_overrideable"})

CHOOSING = frozenset(
    f"aten::{name}"
    for name in (
        "topk",
        "sort",
        "argsort",
        "kthvalue",
        "median",
        "nanmedian",
        "mode",
        "argmax",
        "argmin",
        "nonzero",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
    )
) | {"torchvision::nms"}
"""Operators that choose or order elements: another order of equal elements is not an error."""

UNFILLED = frozenset(
    f"aten::{name}"
    for name in (
        "empty",
        "empty_like",
        "empty_strided",
        "empty_permuted",
        "new_empty",
        "new_empty_strided",
        "resize",
        "set",
    )
)
"""Operators whose result holds no values yet."""


def base_name(func: torch._ops.OpOverload) -> str:
    """``aten::relu`` for both `relu` and `relu_`: the same arithmetic wherever its result goes."""
    name: str = func._schema.name  # noqa: SLF001  the only way to an operator's qualified name
    return name.removesuffix("_") if not name.endswith("__") else name


def is_random(func: torch._ops.OpOverload) -> bool:
    """Whether the operator draws random numbers."""
    return torch.Tag.nondeterministic_seeded in func.tags


def written_arguments(func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that a call writes to, as its schema declares; batch normalisation does not declare its buffers."""
    found: list[torch.Tensor] = []
    for position, argument in enumerate(func._schema.arguments):  # noqa: SLF001
        declared = argument.alias_info is not None and argument.alias_info.is_write
        undeclared = argument.name in ("running_mean", "running_var") and _trains(func, args)
        if not declared and not undeclared:
            continue
        value = args[position] if position < len(args) and not argument.kwarg_only else kwargs.get(argument.name)
        values = value if isinstance(value, (list, tuple)) else [value]
        found += [v for v in values if isinstance(v, torch.Tensor)]
    return found


def _trains(func: torch._ops.OpOverload, args: tuple[Any, ...]) -> bool:
    names = [a.name for a in func._schema.arguments]  # noqa: SLF001
    for flag in ("training", "train"):
        if flag in names and names.index(flag) < len(args) and "backward" not in func._schema.name:  # noqa: SLF001
            return bool(args[names.index(flag)])
    return False
