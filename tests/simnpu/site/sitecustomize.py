"""Gives the simulated NPU its kernels. Python runs this file at its start where the test put this folder on the path.

The programs under test know nothing of it: when one imports torch_npu, the import is carried out as it is, and then
ATen's CPU kernels take the place of those that a stub of CANN cannot have.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

KERNELS = os.environ.get("SIMNPU_KERNELS", "")
FORGET_KEYS = os.environ.get("SIMNPU_FORGET_KEYS", "")
FLOAT32, HF32, FLOAT16 = 0, 1, 2
HAS_HF32 = ("Ascend910B", "Ascend910_93")
"""The SoC families whose cube units take HF32; older ones compute float32 convolutions and products in float16."""

kept: list[object] = []
"""What C++ holds on to and Python must not free."""


class OnTorchNpu(importlib.abc.MetaPathFinder):
    """Meets the import of torch_npu, however often somebody only asks whether there is one."""

    looking = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torch_npu" or self.looking:
            return None
        self.looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking = False
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def with_kernels(module: ModuleType) -> None:
            before_import()
            execute(module)
            install_kernels()

        spec.loader.exec_module = with_kernels  # type: ignore[method-assign]
        return spec


def before_import() -> None:
    import torch

    if torch.version.cuda and FORGET_KEYS:
        ctypes.CDLL(FORGET_KEYS).simnpu_forget_keys()


def install_kernels() -> None:
    if not KERNELS:
        return
    import torch

    npu = torch.npu
    has_hf32 = os.environ.get("SIMNPU_SOC", "").startswith(HAS_HF32)

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    def rounding_of(matmul: int) -> int:
        if not has_hf32:
            return FLOAT16
        return HF32 if (npu.matmul if matmul else npu.conv).allow_hf32 else FLOAT32

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def synchronize(device: int) -> None:
        npu.synchronize(device)

    @ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(ctypes.c_int))
    def draw(device: int, fresh: ctypes._Pointer[ctypes.c_int]) -> int:
        generator = npu.default_generators[device]
        fresh[0] = int(generator.get_offset() == 0)  # seeding sets it back
        generator.set_offset(generator.get_offset() + 4)
        return generator.initial_seed()

    library = ctypes.CDLL(KERNELS)
    library.simnpu_install.argtypes = (
        type(rounding_of), type(synchronize), type(draw), ctypes.c_double, ctypes.c_char_p, ctypes.c_char_p,
    )  # fmt: skip
    why = ctypes.create_string_buffer(512)
    latency_us = float(os.environ.get("SIMNPU_LATENCY_US", "0"))
    faults = os.environ.get("SIMNPU_FAULTS", "").encode()
    if library.simnpu_install(rounding_of, synchronize, draw, latency_us, faults, why) < 0:
        raise SystemExit(f"simulated NPU: {why.value.decode()}")
    kept.extend((rounding_of, synchronize, draw, library))


sys.meta_path.insert(0, OnTorchNpu())
