"""`torch.compile` as a switch: which backends are registered here, and whether the one that was asked for took.

Nothing is assumed of an installation. What torch and torch_npu registered is read from torch's own list; whether it
works is found by compiling a small product on the device, in the process that would run the model compiled; its own
words are the reason where it does not.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from npu_eval.errors import DeviceError
from npu_eval.notation.phrases import NOTHING, Phrase, said
from npu_eval.under_test.bench import Bench

_CALLS = 3
"""Calls of the small product: a graph is captured at the second, and replayed from then on."""


@dataclass(frozen=True)
class Backend:
    """A name that ``torch.compile`` is given, and below ``inductor`` torch_npu's code generator (``npu_backend``)."""

    name: str
    generator: str = ""

    @property
    def full_name(self) -> str:
        """As it is shown: the generator follows its backend."""
        return f"{self.name}/{self.generator}" if self.generator else self.name

    def compiled(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A function, to be compiled at its first call."""
        options: Any = {"npu_backend": self.generator} if self.generator else None
        return torch.compile(call, backend=self.name, options=options)


INDUCTOR = Backend("inductor")
EXPECTED = (
    Backend("npugraphs"),
    Backend("npugraph_ex"),
    Backend("npu"),
    Backend("aot_eager"),
    Backend("inductor", "dvm"),
    Backend("inductor", "mlir"),
    Backend("inductor", "ascendc"),
)
"""Those that some release of torch_npu registers beside inductor with its default; ``npu`` is TorchAir's."""

_FOLDERS = {"dvm": "dvm", "mlir": "ascend_npu_ir", "ascendc": "ascendc"}
"""Where torch_npu keeps its code generators, below its package ``_inductor``."""


def registered() -> tuple[str, ...]:
    """Every name that ``torch.compile`` accepts in this process."""
    dynamo: Any = importlib.import_module("torch._dynamo")
    return tuple(dynamo.list_backends(None))


def on_npu() -> tuple[Backend, ...]:
    """What can be tried on an NPU beside inductor: what is expected, and whatever else torch_npu registered here."""
    if "torch_npu" not in sys.modules:
        return ()
    known = {INDUCTOR.name, *(backend.name for backend in EXPECTED)}
    others = (name for name in registered() if name not in known and _is_of_torch_npu(name))
    return (*EXPECTED, *map(Backend, others))


def _is_of_torch_npu(name: str) -> bool:
    dynamo: Any = importlib.import_module("torch._dynamo")
    try:
        found = dynamo.lookup_backend(name)
    except Exception:  # noqa: BLE001  somebody else's plug-in that does not load is no backend of torch_npu
        return False
    return str(getattr(found, "__module__", type(found).__module__)).startswith("torch_npu")


def refusal(backend: Backend) -> Phrase:
    """Why a backend cannot be asked for in this process; nothing where it can."""
    if backend.name not in registered():
        return said("no-backend", versions=_versions(), backend=backend.name)
    if backend.generator and not (_home() / "_inductor" / _FOLDERS[backend.generator]).is_dir():
        return said("no-generator", versions=_versions(), generator=backend.generator)
    if backend.name == "npu" and not (_home() / "dynamo" / "torchair").is_dir():
        return said("no-torchair", versions=_versions())
    return NOTHING


class BackendError(DeviceError):
    """A backend that does not do what it should; ``how`` says what it did."""

    def __init__(self, how: Phrase) -> None:
        super().__init__(str(how))
        self.how = how


def turn_on(bench: Bench, backend: Backend) -> None:
    """Compile the forward pass, once a small product has shown that the backend works on this device.

    Raises:
        BackendError: it does not; the message has its own words.
    """
    prove(backend, bench.context.device.name)
    bench.forward = backend.compiled(bench.context.adapter.forward)


def prove(backend: Backend, device: str) -> None:
    """Small whole numbers are exact in every format, so anything but the exact result is a fault of the backend.

    Raises:
        BackendError: compiling or running raised, or the result is another.
    """
    numbers = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    try:
        small = backend.compiled(lambda x: torch.relu(x @ x) + 1.0)
        with torch.inference_mode():
            for _ in range(_CALLS):
                found = small(numbers.to(device)).cpu()
    except Exception as error:
        raise BackendError(said("backend-fails", backend=backend.full_name, error=_words(error))) from error
    if not torch.equal(found, torch.tensor([[8.0, 11.0], [16.0, 23.0]])):
        raise BackendError(said("backend-wrong", backend=backend.full_name))
    _forget()


def _words(error: Exception) -> str:
    """What a backend raised, in one line: torch wraps it, and adds advice and where it happened."""
    inner: Exception = getattr(error, "inner_exception", error)
    first = next((line for line in str(inner).splitlines() if line.strip()), "")
    return f"{type(inner).__name__}: {first}"


def _forget() -> None:
    """Start counting anew: what is read back is of the model alone."""
    dynamo: Any = importlib.import_module("torch._dynamo")
    dynamo.reset()
    _counters().clear()


def _counters() -> Any:
    """What torch counts while it compiles: the only place where it tells whether it did."""
    return importlib.import_module("torch._dynamo.utils").counters


def reading(bench: Bench, backend: Backend) -> str:
    """Graphs that were compiled in this process, those left uncaptured, and whether the generator was loaded."""
    if bench.forward is None:
        return "off"
    counters = _counters()
    skipped = counters["inductor"]["cudagraph_skips"]  # torch_npu counts its own graphs under this name too
    text = f"{counters['stats']['unique_graphs']} graphs"
    text += f", {skipped} not captured" if skipped else ""
    loaded = not backend.generator or f"torch_npu._inductor.{_FOLDERS[backend.generator]}" in sys.modules
    return text if loaded else f"{text}, without {backend.generator}"


def took(told: str) -> bool:
    """Whether a reading is one of a model of which at least one graph was compiled, and captured, as asked for."""
    match = re.fullmatch(r"(\d+) graphs(?:, (\d+) not captured)?", told)
    return match is not None and int(match[1]) > int(match[2] or 0)


def _home() -> Path:
    """The folder of the installed torch_npu; one that holds nothing where there is none."""
    module = sys.modules.get("torch_npu")
    return Path(str(module.__file__)).parent if module is not None else Path("/nonexistent")


def _versions() -> str:
    module: Any = sys.modules.get("torch_npu")
    return f"torch {torch.__version__}" + (f" with torch_npu {module.__version__}" if module is not None else "")
