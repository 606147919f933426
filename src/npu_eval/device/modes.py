"""The settings of torch and torch_npu that change numbers: each can be set, and is read back from where it acts.

The names are those of `asked.spec.NUMERIC_MODES`. Defaults differ between SoCs and releases (conv HF32 is on from 910B
on), so a report shows what was read back while running, not what was asked for.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import torch

Setter = Callable[[Any, bool], None]

REDUCED_FORMATS = {"npu": ("hf32_conv", "hf32_matmul"), "cuda": ("tf32_conv", "tf32_matmul")}
"""Kind of device → its modes that let float32 operators round their operands: HF32 (11 bits of mantissa) on an NPU, on
for convolutions from Ascend 910B on; TF32 (10 bits) on a GPU, on for convolutions by default."""


def read_modes(kind: str, module: Any) -> dict[str, str]:
    """Name → ``on`` or ``off`` of every mode that a kind of device has.

    ``module`` is ``torch.cuda`` or ``torch.npu``, None for the CPU.
    """
    modes = {"deterministic": _switch(torch.are_deterministic_algorithms_enabled())}
    if kind == "cpu":
        return {
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "mkldnn": _switch(torch.backends.mkldnn.is_available()),
        } | modes
    if kind == "cuda":
        modes["tf32_matmul"] = _switch(torch.backends.cuda.matmul.allow_tf32)
        modes["tf32_conv"] = _switch(torch.backends.cudnn.allow_tf32)
        return modes
    modes["hf32_conv"] = _switch(module.conv.allow_hf32)
    modes["hf32_matmul"] = _switch(module.matmul.allow_hf32)
    with contextlib.suppress(AttributeError):  # absent from torch_npu before 2.1
        modes["jit_compile"] = _switch(not module.is_jit_compile_false())
    internal = _internal_format()
    if internal is not None:
        modes["internal_format"] = internal
    return modes


def set_modes(kind: str, module: Any, wanted: dict[str, bool]) -> dict[str, str]:
    """Set the modes that this kind of device has, and read all of them back.

    What a device does not have is left out of the result, as everywhere: a CPU has no HF32.
    """
    for name, on in wanted.items():
        setter = _SETTERS.get((kind, name)) or _SETTERS.get(("any", name))
        if setter is not None:
            setter(module, on)
    return read_modes(kind, module)


def _hf32(part: str) -> Setter:
    def set_it(module: Any, on: bool) -> None:
        getattr(module, part).allow_hf32 = on

    return set_it


def _tf32_matmul(module: Any, on: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = on


def _tf32_conv(module: Any, on: bool) -> None:
    torch.backends.cudnn.allow_tf32 = on


def _jit_compile(module: Any, on: bool) -> None:
    module.set_compile_mode(jit_compile=on)


def _set_internal_format(module: Any, on: bool) -> None:
    module.config.allow_internal_format = on


def _deterministic(module: Any, on: bool) -> None:
    torch.use_deterministic_algorithms(on)


_SETTERS: dict[tuple[str, str], Setter] = {
    ("npu", "hf32_conv"): _hf32("conv"),
    ("npu", "hf32_matmul"): _hf32("matmul"),
    ("npu", "jit_compile"): _jit_compile,
    ("npu", "internal_format"): _set_internal_format,
    ("cuda", "tf32_matmul"): _tf32_matmul,
    ("cuda", "tf32_conv"): _tf32_conv,
    ("any", "deterministic"): _deterministic,
}


def _internal_format() -> str | None:
    """Whether private formats are allowed; ``config.allow_internal_format`` itself can be written only."""
    torch_npu: Any = sys.modules.get("torch_npu")
    try:
        told = torch_npu._C._npu_getOption("ALLOW_INTERNAL_FORMAT")  # noqa: SLF001  there is no public way to read it
    except (AttributeError, RuntimeError):  # not loaded, or a release without it: not known
        return None
    return {b"enable": "on", b"disable": "off"}.get(told)


def _switch(value: bool) -> str:
    return "on" if value else "off"
