"""The device that numbers come from: opened, proven with a real operation, and timed without lies.

One code path for cpu, cuda and npu. There is no silent fallback: a device that was asked for and is not there is an
error. The only importer of torch_npu.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from npu_eval.device import modes as device_modes
from npu_eval.errors import DeviceError
from npu_eval.models import autocasting
from npu_eval.npu import evidence as npu_evidence
from npu_eval.npu import probe as npu_probe
from npu_eval.records.provenance import DeviceFacts

T = TypeVar("T")

_NAME = re.compile(r"(cpu|cuda|npu)(?::(\d+))?")


class Device(Protocol):
    """A device that has been proven to compute."""

    @property
    def name(self) -> str:
        """``cpu``, ``cuda:0``, ``npu:0`` …"""
        ...

    def synchronize(self) -> None:
        """Wait until everything submitted to the device is done."""
        ...

    def reset_peak_memory(self) -> None:
        """Start a new high-water mark."""
        ...

    def peak_memory(self) -> int | None:
        """Bytes allocated on the device at most since the last reset; None where the device does not count them."""
        ...

    def numeric_modes(self) -> dict[str, str]:
        """The settings in force that change numbers, as read back from the framework."""
        ...

    def set_numeric_modes(self, wanted: Mapping[str, bool | str]) -> dict[str, str]:
        """Set the modes that the device has (see `asked.spec.NUMERIC_MODES`); returns all of them, read back.

        Autocast is of a model, not of a device (see `autocasting`): here it is only tried, and read back from then on.
        """
        ...

    def facts(self) -> DeviceFacts:
        """What the device is, and on what evidence."""
        ...


def best_device() -> str:
    """What ``auto`` means here: the first NPU, else the first CUDA device, else the CPU."""
    if _npu_present():
        return "npu:0"
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def open_device(requested: str) -> Device:
    """The requested device, after a real operation on it was read back.

    Args:
        requested: ``auto``, ``cpu``, ``cuda[:n]`` or ``npu[:n]``.

    Raises:
        DeviceError: the device is not there, or computes something else than it should.
    """
    name = best_device() if requested == "auto" else requested
    match = _NAME.fullmatch(name)
    if match is None:
        raise DeviceError(f"device '{requested}' is unknown", fix="use auto, cpu, cuda:0 or npu:0")
    kind, index = match[1], int(match[2] or 0)
    device: Device = _Cpu() if kind == "cpu" else _Accelerator(kind, index)
    _prove(device)
    return device


def timed(device: Device, call: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a call takes, with the device synchronised before both readings of a monotonic clock."""
    device.synchronize()
    start = time.perf_counter()
    result = call()
    device.synchronize()
    return time.perf_counter() - start, result


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one call. ``wall_s`` as `timed` measures it; the others are None where the device has no events.

    ``enqueue_s`` is when the host had submitted the call, ``device_s`` the time between an event of the device before
    the call and one after it, the device's waiting for the host included.
    """

    wall_s: float
    enqueue_s: float | None = None
    device_s: float | None = None


def timed_with_events(device: Device, call: Callable[[], T]) -> tuple[Times, T]:
    """A call's time by the synchronised clock and, on an accelerator, by two events on its current stream.

    The events are those of the device's own module: ``torch.Event`` measures nothing on an NPU with torch_npu 2.7.
    """
    kind = device.name.partition(":")[0]
    if kind == "cpu":  # the host is the device
        spent, result = timed(device, call)
        return Times(spent), result
    module = torch.get_device_module(kind)
    before, after = module.Event(enable_timing=True), module.Event(enable_timing=True)
    device.synchronize()
    start = time.perf_counter()
    before.record()
    result = call()
    after.record()
    submitted = time.perf_counter()
    device.synchronize()
    end = time.perf_counter()
    device_s = max(float(before.elapsed_time(after)) / 1e3, _EVENT_STEP_S)  # events tell milliseconds
    return Times(end - start, submitted - start, device_s), result


_EVENT_STEP_S = 0.5e-6
"""Events resolve half a microsecond (CUDA, cudaEventElapsedTime): two in the same step are that far apart at most."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, says that the device's memory is full; torch_npu before 2.9 raises
    a plain RuntimeError, and torch's allocator for the CPU always does.
    """
    if error.__cause__ is not None and is_out_of_memory(error.__cause__):
        return True
    named = isinstance(error, (MemoryError, getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)))
    said = ("out of memory", "can't allocate memory")
    return named or (isinstance(error, RuntimeError) and any(words in str(error) for words in said))


def _prove(device: Device) -> None:
    """Small whole numbers are exact in every format, so anything but the exact product is a fault of the device."""
    left = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    try:
        product = (left.to(device.name) @ left.to(device.name)).cpu()
        device.synchronize()
    except RuntimeError as error:
        raise _unusable(device.name, error, "does not compute") from error
    if not torch.equal(product, torch.tensor([[7.0, 10.0], [15.0, 22.0]])):
        raise DeviceError(f"computes a wrong product: {product.tolist()}", where=device.name, fix="do not use it")


class _WithModes:
    """The numeric modes of a kind of device; ``module`` is ``torch.cuda`` or ``torch.npu``, None for the CPU."""

    def __init__(self, kind: str, module: Any) -> None:
        self._kind = kind
        self._module = module
        self._autocast = ""

    def numeric_modes(self) -> dict[str, str]:
        modes = device_modes.read_modes(self._kind, self._module)
        return modes | {"autocast": autocasting.read(self._kind, self._autocast)} if self._autocast else modes

    def set_numeric_modes(self, wanted: Mapping[str, bool | str]) -> dict[str, str]:
        self._autocast = str(wanted.get("autocast", self._autocast))
        switches = {name: on for name, on in wanted.items() if isinstance(on, bool)}
        device_modes.set_modes(self._kind, self._module, switches)
        return self.numeric_modes()


class _Cpu(_WithModes):
    name = "cpu"

    def __init__(self) -> None:
        super().__init__("cpu", None)

    def synchronize(self) -> None:
        """Nothing to wait for: CPU operations are done when they return."""

    def reset_peak_memory(self) -> None:
        """The CPU allocator keeps no high-water mark."""

    def peak_memory(self) -> int | None:
        return None

    def facts(self) -> DeviceFacts:
        return DeviceFacts(name="cpu", kind="cpu", description=npu_evidence.cpu_model(), evidence="real")


class _Accelerator(_WithModes):
    """A CUDA device or an NPU behind `torch.get_device_module`."""

    def __init__(self, kind: str, index: int) -> None:
        self.name = f"{kind}:{index}"
        super().__init__(kind, _module(kind))
        self._index = index
        count = self._module.device_count() if self._module.is_available() else 0
        if count == 0:
            built = kind == "cuda" and torch.version.cuda is None
            what = f"torch {torch.__version__} is built without CUDA" if built else f"no {kind} device is visible"
            raise DeviceError(what, where=self.name, fix=_FIX[kind])
        if index >= count:
            names = ", ".join(f"{kind}:{i}" for i in range(count))
            raise DeviceError(f"there is no such device; {count} visible: {names}", where=self.name, fix=f"use {names}")
        try:
            self._module.set_device(index)
        except RuntimeError as error:
            raise _unusable(self.name, error) from error

    def synchronize(self) -> None:
        self._module.synchronize(self._index)

    def reset_peak_memory(self) -> None:
        self._module.reset_peak_memory_stats(self._index)

    def peak_memory(self) -> int | None:
        return int(self._module.max_memory_allocated(self._index))

    def facts(self) -> DeviceFacts:
        total = self._module.get_device_properties(self._index).total_memory
        description = str(self._module.get_device_name(self._index))
        npu = self._kind == "npu"
        proof = npu_evidence.collect_proof() if npu else None
        return DeviceFacts(
            name=self.name,
            kind=self._kind,
            description=description,
            evidence="real" if proof is None else proof.verdict,
            memory_bytes=int(total),
            soc=description if npu else None,
            proof=proof,
        )


def _unusable(name: str, error: RuntimeError, what: str = "cannot be used") -> DeviceError:
    """What a device that is there but cannot be used is refused with: a known meaning, else its own words."""
    kind = name.partition(":")[0]
    known = npu_probe.meaning(str(error)) if kind == "npu" else None
    if known is not None:
        return DeviceError(known.what, where=name, fix=known.fix)
    return DeviceError(f"{what} ({error})", where=name, fix=_FIX.get(kind, "check the machine"))


_FIX = {
    "cuda": "check nvidia-smi and that torch is a CUDA build, or use DEVICE=cpu",
    "npu": "check npu-smi info, /dev/davinci* and ASCEND_RT_VISIBLE_DEVICES, or use DEVICE=cpu",
}


def load_backend(kind: str) -> Any:
    """``torch.cuda`` or ``torch.npu``, whether or not there is such a device.

    Raises:
        DeviceError: torch_npu does not load; the message says why.
    """
    return _module(kind)


def _module(kind: str) -> Any:
    """``torch.cuda`` or ``torch.npu``."""
    if kind == "npu":
        _import_torch_npu()
    return torch.get_device_module(kind)


def _import_torch_npu() -> None:
    """Import torch_npu, or say which part of the installation is missing."""
    if "torch_npu" not in sys.modules and torch.version.cuda and importlib.util.find_spec("torch_npu"):
        # In a CUDA build of torch it may abort the process, which nothing here could catch: another one tries first.
        found = npu_probe.probe()
        if "devices" not in found.facts:  # it came no further than the import; what comes later is told later
            _refuse(found.failure)
    try:
        import torch_npu  # noqa: F401  importing it registers the backend
    except ModuleNotFoundError as error:
        _refuse(npu_probe.explain(f"No module named '{error.name}'"), cause=error)
    except Exception as error:  # noqa: BLE001  it raises whatever it likes, a bare Exception too
        facts = {"torch": str(torch.__version__), "torch_cuda": torch.version.cuda or ""}
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts["torch_npu"] = importlib.metadata.version("torch_npu")
        _refuse(npu_probe.explain(f"{error.__cause__ or ''}\n{error}", facts=facts), cause=error)


def _refuse(failure: npu_probe.Failure | None, cause: Exception | None = None) -> None:
    if failure is not None:
        raise DeviceError(failure.what, where="npu", fix=failure.fix) from cause


def _npu_present() -> bool:
    """Whether device nodes of an NPU exist and torch_npu sees one. A broken torch_npu beside real nodes is an error."""
    if not npu_evidence.device_nodes():
        return False
    return bool(_module("npu").is_available())
