"""Which operators of a model have a kernel registered for the NPU in the installed torch_npu.

A statement about a wheel, not about hardware: an operator without a kernel will run on the CPU, whatever the machine;
one with a kernel may still be refused by CANN for its shapes or dtypes. No NPU is needed, only a torch_npu that loads.

    python -c "…; npu_registration.main(folder)"        in a staged deliverable; prints JSON
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from npu_eval.asked.spec import read_spec_file
from npu_eval.device.device import load_backend
from npu_eval.device.operator_calls import OperatorCalls
from npu_eval.errors import ERROR_MARK, EXIT_OK, DeliverError
from npu_eval.models.adapter import checked_build, checked_forward, checked_preprocess, resolve

KEYS = ("PrivateUse1", "CompositeExplicitAutograd")
"""Where a kernel that serves the NPU can be registered: its own key, or one for every device."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """An operator by its whole name (``aten::add.Tensor``), how often it is called, and whether it has a kernel."""

    operator: str
    calls: int
    registered: bool


def is_registered(name: str) -> bool:
    """Whether an operator has a kernel for the NPU. A functional form counts where its ``out`` form has one: torch
    derives the one from the other.
    """
    has = torch._C._dispatch_has_kernel_for_dispatch_key  # noqa: SLF001  there is no public question of this kind
    if any(has(name, key) for key in KEYS):
        return True
    generated = has(name, "CompositeExplicitAutogradNonFunctional")
    base, dot, overload = name.partition(".")
    forms = (f"{base}.{overload}_out" if dot else f"{base}.out", f"{base}.out")
    return generated and any(_known(form) and has(form, "PrivateUse1") for form in forms)


class _Traced(OperatorCalls):
    """Counts what an NPU would be asked for: an operator that is only made of others is taken apart, unless the NPU has
    a kernel for the whole.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "PrivateUse1"):  # noqa: SLF001
            with self:
                taken_apart = func.decompose(*args, **(kwargs or {}))
            if taken_apart is not NotImplemented:
                return taken_apart
        return super().__torch_dispatch__(func, types, args, kwargs)


def _known(name: str) -> bool:
    try:
        return bool(torch._C._dispatch_has_kernel(name))  # noqa: SLF001  as above
    except RuntimeError:  # no operator of this name
        return False


def registrations(root: Path) -> tuple[Registration, ...]:
    """The operators that a deliverable's model calls on its first input, those without a kernel first.

    The model runs on the CPU with random weights: which operators it calls does not depend on their values.

    Raises:
        DeviceError: torch_npu does not load.
        AdapterError: the adapter fails.
    """
    spec = read_spec_file(root / "spec.json").evaluation
    adapter = resolve(spec.adapter, root, spec.classes)
    torch.manual_seed(spec.seed)
    network = checked_build(adapter, spec.adapter).eval()
    batch = checked_preprocess(adapter, [root / spec.inputs[0].path], spec.adapter)
    load_backend("npu")
    with _Traced() as calls:
        checked_forward(adapter, network, batch, spec.adapter)
    found = [Registration(operator=n, calls=c, registered=is_registered(n)) for n, c in calls.overloads.items()]
    return tuple(sorted(found, key=lambda r: (r.registered, r.operator)))


def main(root: Path) -> int:
    """Print the registrations as JSON; errors as the entry scripts tell them."""
    try:
        found = registrations(root)
    except DeliverError as error:
        sys.stderr.write(f"{ERROR_MARK}{error}\n")
        return error.exit_code
    versions = {"torch": str(torch.__version__), "torch_npu": _version()}
    print("\n" + json.dumps({"versions": versions, "operators": [asdict(r) for r in found]}))  # noqa: T201  its output
    return EXIT_OK


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("torch_npu")
