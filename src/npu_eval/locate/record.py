"""Record the reference: every ATen operator that it calls, whose module called it, and every value it made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map_only

from npu_eval.locate.operators import UNFILLED, base_name, written_arguments
from npu_eval.locate.scopes import Scope, Scopes, scopes_of, watching
from npu_eval.locate.values import DiskStore, Ref, Storages, Store, has_storage

Signature = tuple[str, tuple[tuple[int, ...], ...], str]
"""What two operators are matched by: name, shapes of the tensor inputs, and all other arguments as text."""


@dataclass(frozen=True)
class RecordedOp:
    """One operator call of the reference. ``outputs`` are the fresh results, then the arguments written in place."""

    index: int
    func: torch._ops.OpOverload
    scope: Scope
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    outputs: tuple[Ref, ...]
    signature: Signature

    @property
    def name(self) -> str:
        """The operator's qualified name, without the underscore of an in-place variant."""
        return base_name(self.func)

    @property
    def inputs(self) -> list[Ref]:
        """The tensor arguments in order."""
        return [leaf for leaf in tree_flatten((self.args, self.kwargs))[0] if isinstance(leaf, Ref)]


@dataclass
class Recording:
    """The operators of one run in order, the outputs of its module calls, and where their values lie."""

    ops: list[RecordedOp]
    results: dict[Scope, Any]
    parents: dict[Scope, Scope]
    producers: dict[int, int]
    paths: frozenset[str]
    values: DiskStore
    state: dict[str, torch.Tensor]
    unstable: frozenset[int] = frozenset()

    def tensor(self, ref: Ref) -> torch.Tensor:
        """A tensor of the reference, on the CPU; not to be written to."""
        if ref.kind == "state":
            return self.state[ref.name].detach().as_strided(ref.shape, ref.stride, ref.offset).cpu()
        if ref.value < 0:
            return torch.zeros(ref.shape, dtype=ref.dtype)
        return self.values.tensor(ref)

    def by_scope(self) -> dict[Scope, list[RecordedOp]]:
        """The operators of each module call, in order."""
        found: dict[Scope, list[RecordedOp]] = {}
        for op in self.ops:
            found.setdefault(op.scope, []).append(op)
        return found


class Recorder(TorchDispatchMode):
    """Sees every operator below autograd and hands new storages to a store."""

    def __init__(self, model: nn.Module, store: Store, scopes: Scopes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: list[RecordedOp] = []
        self.producers: dict[int, int] = {}
        self._store = store
        self._scopes = scopes
        self._storages = Storages[int]()
        self._constants: dict[int, str] = {}
        self._state = Storages[int]()
        self._names: list[str] = []
        for name, tensor in state_of(model).items():
            self._state.note(tensor, len(self._names))
            self._names.append(name)

    def take_inputs(self, inputs: Any) -> None:
        """Store the model's inputs, so that operators can refer to them."""
        for tensor in tree_flatten(inputs)[0]:
            if isinstance(tensor, torch.Tensor) and has_storage(tensor):
                self._constants[self._save(tensor)] = "input"

    def ref(self, tensor: torch.Tensor) -> Ref:
        """The name of a tensor; one that no operator made is stored as a constant."""
        if not has_storage(tensor):
            return Ref("unfilled", -1, "", tensor.dtype, tuple(tensor.shape), (), 0)
        value, kind, name = self._storages.of(tensor), "value", ""
        if value is None:
            known = self._state.of(tensor)
            if known is not None:
                value, kind, name = -1, "state", self._names[known]
            else:
                value = self._save(tensor)
                self._constants[value] = "constant"
        if value == UNFILLED_VALUE:
            value, kind = -1, "unfilled"
        kind = self._constants.get(value, kind)
        return Ref(kind, value, name, tensor.dtype, tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()))

    def _save(self, tensor: torch.Tensor) -> int:
        value = self._store.add(tensor)
        self._storages.note(tensor, value)
        return value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        scope = self._scopes.current()
        arguments = tree_map_only(torch.Tensor, self.ref, (args, kwargs))
        result = func(*args, **kwargs)
        if base_name(func) in UNFILLED:
            for tensor in fresh_outputs(args, kwargs, result):
                self._storages.note(tensor, UNFILLED_VALUE)
            return result
        outputs = [*fresh_outputs(args, kwargs, result), *written_arguments(func, args, kwargs)]
        if not outputs:
            return result
        for tensor in outputs:
            if has_storage(tensor):
                self.producers[self._save(tensor)] = len(self.ops)
        self.ops.append(
            RecordedOp(
                index=len(self.ops),
                func=func,
                scope=scope,
                args=arguments[0],
                kwargs=arguments[1],
                result=tree_map_only(torch.Tensor, self.ref, result),
                outputs=tuple(self.ref(tensor) for tensor in outputs),
                signature=signature(func, args, kwargs),
            )
        )
        return result


UNFILLED_VALUE = -2
"""Noted of a storage that holds no values yet."""


def fresh_outputs(args: Any, kwargs: Any, result: Any) -> list[torch.Tensor]:
    """The tensors of a result that are neither arguments nor views of them."""
    given = {
        t.untyped_storage()._cdata  # noqa: SLF001  the storage's identity
        for t in tree_flatten((args, kwargs))[0]
        if isinstance(t, torch.Tensor) and has_storage(t)
    }
    return [
        t
        for t in tree_flatten(result)[0]
        if isinstance(t, torch.Tensor) and (not has_storage(t) or t.untyped_storage()._cdata not in given)  # noqa: SLF001
    ]


def signature(func: torch._ops.OpOverload, args: Any, kwargs: Any) -> Signature:
    """What an operator call is matched by."""
    leaves = tree_flatten((args, kwargs))[0]
    shapes = tuple(tuple(x.shape) for x in leaves if isinstance(x, torch.Tensor))
    others = repr([x for x in leaves if not isinstance(x, (torch.Tensor, torch.device))])
    return base_name(func), shapes, others


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer by name, buffers that are not saved with the model included."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def record(model: nn.Module, inputs: Any, run: Callable[[], Any], store: DiskStore | Any, *, train: bool) -> Recording:
    """Run the reference once under a recorder.

    Args:
        model: the reference.
        inputs: what ``run`` gives to it, so that operators can refer to it.
        run: the forward pass or the training step.
        store: takes the values.
        train: whether gradients are wanted.
    """
    scopes = scopes_of(model)
    results: dict[Scope, Any] = {}
    recorder = Recorder(model, store, scopes)
    recorder.take_inputs(inputs)

    def around(scope: Scope, module: nn.Module, call: Callable[[], Any]) -> Any:
        del module
        output = call()
        with _disable_current_modes():  # looking at the output must not be recorded
            results[scope] = tree_map_only(torch.Tensor, recorder.ref, output)
        return output

    with torch.set_grad_enabled(train), watching(scopes, around), recorder:
        run()
    parents = dict(scopes.parents)
    return Recording(
        ops=recorder.ops,
        results=results,
        parents=parents,
        producers=recorder.producers,
        paths=frozenset(name for name, _ in model.named_modules(remove_duplicate=False)),
        values=store,
        state=dict(state_of(model)),
    )
