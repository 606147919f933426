"""Whose code is running: the module call that an operator belongs to, in the forward and in the backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Scope:
    """One call of one module: its path from the model, the number of the call, and the direction.

    Operators of a backward pass belong to the module whose forward operator they differentiate.
    """

    path: str
    call: int
    backward: bool = False


ROOT = Scope("", 0)


def _sequence_number() -> int:
    """The number of the next backward node: what links an operator to the node that differentiates it."""
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]  # noqa: SLF001  no public way


Around = Callable[[Scope, nn.Module, Callable[[], Any]], Any]
"""What to do around a module's call: given its scope, the module and the call itself."""


@dataclass
class Scopes:
    """The module calls of one run of a model.

    A module that only one of two models has (a wrapper put around a convolution, say) is given ``known`` paths of the
    other model: its operators belong to the nearest known module around it.
    """

    known: frozenset[str]
    names: dict[int, str]
    parents: dict[Scope, Scope] = field(default_factory=dict)
    _stack: list[Scope] = field(default_factory=lambda: [ROOT])
    _calls: dict[str, int] = field(default_factory=dict)
    _nodes: dict[int, Scope] = field(default_factory=dict)
    _claimed: int = field(default_factory=lambda: _sequence_number())

    def current(self) -> Scope:
        """The scope of the operator that is being called now; notes which backward node it leads to."""
        node = torch._C._current_autograd_node()  # noqa: SLF001  no public way to the running backward node
        if node is None:
            self._claim_nodes()
            return self._stack[-1]
        forward = self._nodes.get(node._sequence_nr(), ROOT)  # noqa: SLF001
        variable = getattr(node, "variable", None)
        if variable is not None:
            forward = self._owner(variable) or forward
        scope = Scope(forward.path, forward.call, backward=True)
        self.parents.setdefault(scope, ROOT)
        return scope

    def _claim_nodes(self) -> None:
        """The backward nodes made since the last look belong to the call that is running."""
        now = _sequence_number()
        for number in range(self._claimed, now):
            self._nodes[number] = self._stack[-1]
        self._claimed = max(self._claimed, now)

    def enter(self, module: nn.Module) -> Scope | None:
        """Note that a module is called; None when its operators belong to the scope around it."""
        name = self.names.get(id(module))
        if name is None or name not in self.known or (name == "" and len(self._stack) > 1):
            return None
        self._claim_nodes()
        call = self._calls.get(name, 0)
        self._calls[name] = call + 1
        scope = Scope(name, call)
        if scope != ROOT:
            self.parents[scope] = self._stack[-1]
        self._stack.append(scope)
        return scope

    def leave(self) -> None:
        """Note that the call is over."""
        self._claim_nodes()
        self._stack.pop()

    @property
    def depth(self) -> int:
        """How many calls are open."""
        return len(self._stack)

    def unwind(self, depth: int) -> None:
        """Close the calls that an exception left open."""
        del self._stack[depth:]

    def _owner(self, variable: torch.Tensor) -> Scope | None:
        path = self.names.get(id(variable))
        return None if path is None else Scope(path, 0)


def scopes_of(model: nn.Module, known: frozenset[str] | None = None) -> Scopes:
    """Scopes for one run of ``model``; ``known`` are the paths of the model it is compared with."""
    names = {id(module): name for name, module in reversed(list(model.named_modules()))}
    paths = frozenset(names.values())
    for name, parameter in model.named_parameters():
        names[id(parameter)] = name.rpartition(".")[0]
    return Scopes(known=paths if known is None else known, names=names)


@contextlib.contextmanager
def watching(scopes: Scopes, around: Around) -> Iterator[None]:
    """Let ``around`` handle every call of a known module, hooks included, for as long as the context lasts."""
    original = nn.Module.__call__

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        scope = scopes.enter(module)
        if scope is None:
            return original(module, *args, **kwargs)
        depth = scopes.depth
        try:
            return around(scope, module, lambda: original(module, *args, **kwargs))
        finally:
            scopes.unwind(depth)
            scopes.leave()

    setattr(nn.Module, "__call__", call)  # noqa: B010  hooks run inside a call, so only the call encloses them
    try:
        yield
    finally:
        setattr(nn.Module, "__call__", original)  # noqa: B010  mypy refuses an assignment
