"""How often each ATen operator is called: torch_npu tells of a fallback once, and one call matters less than all."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes


class OperatorCalls(TorchDispatchMode):
    """Counts operators while it is entered; what they compute is not touched.

    ``counts`` is by name (``aten::add``), as torch_npu names them; ``overloads`` by whole name (``aten::add.Tensor``).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch annotates no constructor here
        self.counts: Counter[str] = Counter()
        self.overloads: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one call and carry it out."""
        self.counts[func._schema.name] += 1  # noqa: SLF001  the only place that holds the name with its namespace
        self.overloads[func.name()] += 1
        return func(*args, **(kwargs or {}))


def uncounted() -> AbstractContextManager[Any]:
    """Within it no operator is counted, nor slowed by counting: for calls whose number depends on the clock."""
    return _disable_current_modes()  # torch has no public name for it
