"""Run the candidate with the reference's values under every operator, so that each error is its operator's own.

The candidate's own Python code runs, hooks and patches included. After each operator its result is judged and replaced
by the reference's, so the next operator gets the reference's inputs. What the candidate's code does between the
operators that both sides have is found where a value differs that no operator of the reference accounts for.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only, tree_unflatten

from npu_eval.device.device import is_out_of_memory
from npu_eval.locate.align import next_partner
from npu_eval.locate.measure import relative_error, same_bits
from npu_eval.locate.operators import UNFILLED, is_random, written_arguments
from npu_eval.locate.record import RecordedOp, Recording, Signature, fresh_outputs, signature, state_of
from npu_eval.locate.scopes import Scope, Scopes
from npu_eval.locate.trace import FALLBACK, Judge, Trace, by
from npu_eval.locate.values import Ref, Storages, has_storage
from npu_eval.notation.phrases import Phrase, said

Context = Callable[[], contextlib.AbstractContextManager[Any]]
Plan = dict[Scope, list[int | None]]


class Forced(TorchDispatchMode):
    """The candidate's side of a comparison with a recording.

    Args:
        recording: the reference.
        candidate: the model that runs.
        scopes: its module calls.
        context: entered around each operator.
        plan: for each module call the partner of each operator; without it partners are found on the way.
        judge: is told of every result.
    """

    def __init__(self, recording: Recording, candidate: nn.Module, scopes: Scopes, context: Context | None,
                 plan: Plan | None, judge: Judge) -> None:  # fmt: skip
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self._recording = recording
        self._ops = recording.by_scope()
        self._marks = {scope: [op.signature for op in ops] for scope, ops in self._ops.items()}
        self._places = {op.index: place for ops in self._ops.values() for place, op in enumerate(ops)}
        self._scopes = scopes
        self._context: Context = context or contextlib.nullcontext
        self._plan = plan
        self._judge = judge
        self._reached: dict[Scope, int] = {}
        self._holding = Storages[int]()
        self._state = Storages[int]()
        self._dirty = Storages[Scope]()
        self._fallbacks: set[str] = set()
        self._clean: set[int] = set()
        self._open: list[tuple[int, RecordedOp, RecordedOp, float, str, bool]] = []
        self._different: set[str] = set()
        state = state_of(candidate)
        for tensor in state.values():
            self._state.note(tensor, 0)
        for name, tensor in recording.state.items():
            other = state.get(name)
            if other is None or other.shape != tensor.shape or not _equal(tensor.detach().cpu().to(other.dtype), other):
                self._different.add(name)

    # --- operators ---------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        scope = self._scopes.current()
        if func.is_view:
            return func(*args, **kwargs)
        mark = signature(func, args, kwargs)
        op = self._partner(scope, mark)
        if op is None:
            return self._extra(scope, mark, func, args, kwargs)
        return self._paired(scope, mark, op, func, args, kwargs)

    def _partner(self, scope: Scope, mark: Signature) -> RecordedOp | None:
        position = len(self.trace.signatures.get(scope, ()))
        ops = self._ops.get(scope, [])
        planned = self._plan.get(scope) if self._plan is not None else None
        partner = planned[position] if planned is not None and position < len(planned) else None
        if partner is not None and ops[partner].signature[0] == mark[0]:
            return ops[partner]
        if planned is not None and position < len(planned):
            return None
        partner = next_partner(self._marks.get(scope, []), self._reached.get(scope, 0), mark)
        return None if partner is None else ops[partner]

    def _note(self, scope: Scope, mark: Signature, op: RecordedOp | None) -> None:
        self.trace.signatures.setdefault(scope, []).append(mark)
        if op is None:
            self.trace.extra.setdefault(scope, []).append(mark[0])
        else:
            self.trace.partners.add(op.index)
            self._reached[scope] = self._places[op.index] + 1

    def _extra(self, scope: Scope, mark: Signature, func: Any, args: Any, kwargs: Any) -> Any:
        """An operator that the reference has not: let it do what it does, and remember what it touched."""
        with self._context():
            result = func(*args, **kwargs)
        touched = [*fresh_outputs(args, kwargs, result), *written_arguments(func, args, kwargs)]
        if mark[0] in UNFILLED or not touched:
            return result
        self._note(scope, mark, None)
        if is_random(func):
            self.trace.random.add(scope)
        for tensor in touched:
            if has_storage(tensor):
                self._holding.forget(tensor)
                self._dirty.note(tensor, scope)
        return result

    def _paired(self, scope: Scope, mark: Signature, op: RecordedOp, func: Any, args: Any, kwargs: Any) -> Any:
        differences = self._differences(op, args, kwargs)
        extra = dict.fromkeys(self.trace.extra.get(scope, ()))
        notes = [said("also-calls", names=", ".join(extra))] if extra else []
        args, kwargs = self._with_reference_inputs(op, args, kwargs, notes)
        writes = written_arguments(func, args, kwargs)
        try:
            with self._fallback_watch(op, notes), self._context():
                result = func(*args, **kwargs)
        except Exception as error:  # whatever an operator raises on a device is its finding
            if is_out_of_memory(error):
                raise
            self._note(scope, mark, op)
            first = str(error).strip().splitlines()[0] if str(error) else ""
            what = said("does-not-run", error=f"{type(error).__name__}: {first}")
            self._judge.operator(op, [None] * len(op.outputs), [what, *differences], None, notes)
            return self._rebuilt(op.result, args, kwargs, op)
        outputs = [*fresh_outputs(args, kwargs, result), *written_arguments(func, args, kwargs)]
        self._note(scope, mark, op)
        paired: list[torch.Tensor | None] = [*outputs[: len(op.outputs)]]
        paired += [None] * (len(op.outputs) - len(paired))

        def again() -> list[torch.Tensor]:
            with self._context():
                return fresh_outputs(args, kwargs, func(*args, **kwargs))

        started = self._started_different(op, writes, outputs)
        if started:
            self._judge.incomparable(op, said("updates", name=started))
        else:
            self._judge.operator(op, paired, differences, None if writes or is_random(func) else again, notes)
        return self._forced(op, result, outputs)

    def _started_different(self, op: RecordedOp, writes: list[torch.Tensor], outputs: list[torch.Tensor]) -> str:
        """The name of a parameter that the operator only updates, and that was not the reference's before."""
        only_state = len(writes) == len(outputs) and all(self._state.of(t) is not None for t in writes)
        names = [ref.name for ref in op.inputs if ref.name in self._different]
        return names[0] if only_state and names else ""

    def _differences(self, op: RecordedOp, args: Any, kwargs: Any) -> list[Phrase]:
        """What differs before the operator even runs: its other arguments, and the weights that it is given."""
        found = []
        ours, theirs = _others((op.args, op.kwargs)), _others((args, kwargs))
        if ours != theirs:
            found += [said("argument", ours=b, theirs=a) for a, b in zip(ours, theirs, strict=False) if a != b]
            found += [said("other-arguments")] if len(ours) != len(theirs) else []
        found += [said("weight-differs", name=ref.name) for ref in op.inputs if ref.name in self._different]
        return list(dict.fromkeys(found))

    def _with_reference_inputs(self, op: RecordedOp, args: Any, kwargs: Any, notes: list[Phrase]) -> tuple[Any, Any]:
        """The arguments, with each value that the candidate's code altered charged to its maker and put right."""
        leaves, structure = tree_flatten((args, kwargs))
        refs = tree_flatten((op.args, op.kwargs))[0]
        tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        expected = [leaf for leaf in refs if isinstance(leaf, Ref)]
        if len(tensors) != len(expected):
            notes.append(said("tensor-inputs", ours=len(tensors), theirs=len(expected)))
            return args, kwargs
        for i, ref in zip(tensors, expected, strict=True):
            replacement = self._input(op, leaves[i], ref, notes)
            if replacement is not None:
                leaves[i] = replacement
        changed: tuple[Any, Any] = tree_unflatten(leaves, structure)
        return changed

    def _input(self, op: RecordedOp, tensor: torch.Tensor, ref: Ref, notes: list[Phrase]) -> torch.Tensor | None:
        """What to put in the place of an altered input; None to leave it."""
        if ref.kind != "value" or not has_storage(tensor) or self._state.of(tensor) is not None:
            return None
        if self._holds(tensor, ref):
            self._clean.add(ref.value)
            return None
        reference = self._recording.tensor(ref)
        where = self._dirty.of(tensor)
        maker = self._maker(ref, where)
        if _equal(reference, tensor):
            self._clean.add(ref.value)
            if maker is not None and maker.index not in self.trace.partners:
                self._judge.altered(maker, 0.0, said("done-by-others"))
            return None
        if maker is None or reference.shape != tensor.shape:
            notes.append(said("input-altered", shape=tuple(tensor.shape)))
            return None
        self._charge(maker, reference, tensor, where, taker=op, value=ref.value)
        return reference.to(device=tensor.device, dtype=tensor.dtype)

    def _maker(self, ref: Ref, where: Scope | None) -> RecordedOp | None:
        """The operator of the reference that an altered value is charged to: its producer, if the candidate's code that
        altered it could have had it from there; otherwise the value was prepared for the operator that takes it.
        """
        producer = self._recording.producers.get(ref.value)
        if producer is None or where is None:
            return None
        op = self._recording.ops[producer]
        if op.index not in self.trace.partners or where in self._ancestors(op.scope):
            return op
        return None

    def _ancestors(self, scope: Scope) -> list[Scope]:
        found = [scope]
        while found[-1] in self._recording.parents:
            found.append(self._recording.parents[found[-1]])
        return found

    def _charge(self, op: RecordedOp, reference: torch.Tensor, tensor: torch.Tensor, where: Scope | None,
                taker: RecordedOp | None = None, value: int = -1) -> None:  # fmt: skip
        """Tell the judge of a value that code around an operator altered, or that other operators made instead.

        Whether an altered input is its maker's fault or was prepared for its taker is known at the end: a value that
        another operator takes unaltered is not its maker's fault.
        """
        extra = ", ".join(dict.fromkeys(self.trace.extra.get(where, ()))) if where is not None else ""
        random = where is not None and where in self.trace.random
        error = relative_error(reference, tensor.detach().cpu())
        if op.index in self.trace.partners and taker is not None:
            self._open.append((value, op, taker, error, extra, random))
        elif op.index in self.trace.partners:
            self._judge.altered(op, error, by("altered-after", extra), random=random)
        elif op.outputs and op.outputs[0].shape == tuple(tensor.shape) and not random:
            outputs: list[torch.Tensor | None] = [tensor, *[None] * (len(op.outputs) - 1)]
            self._judge.operator(op, outputs, [], None, [by("replaced", extra)])
        else:
            self._judge.altered(op, error, by("replaced", extra), random=random, replaced=True)

    def finish(self) -> None:
        """Charge the altered inputs, now that it is known which values were taken unaltered too."""
        for value, maker, taker, error, extra, random in self._open:
            if value in self._clean:
                self._judge.altered(taker, error, by("prepared", extra), random=random)
            else:
                self._judge.altered(maker, error, by("altered-after", extra), random=random)

    # --- results -----------------------------------------------------------------------------------------------------

    def _forced(self, op: RecordedOp, result: Any, outputs: list[torch.Tensor]) -> Any:
        """The result with the reference's values in it, in place; a result of another shape is replaced."""
        replaced: dict[int, torch.Tensor] = {}
        for tensor, ref in zip(outputs, op.outputs, strict=False):
            if not has_storage(tensor) or self._state.of(tensor) is not None:
                continue
            if tuple(tensor.shape) != ref.shape or ref.value < 0:
                if ref.value >= 0:
                    replaced[id(tensor)] = self._recording.tensor(ref).clone().to(tensor.device, tensor.dtype)
                continue
            self._force(tensor, ref)
        if not replaced:
            return result
        return tree_map_only(torch.Tensor, lambda t: replaced.get(id(t), t), result)

    def _force(self, tensor: torch.Tensor, ref: Ref) -> None:
        reference = self._recording.tensor(ref)
        if not _equal(reference, tensor):
            target = tensor.detach() if tensor.requires_grad else tensor
            target.data.copy_(reference)
        if tensor.stride() == ref.stride and tensor.storage_offset() == ref.offset:
            self._holding.note(tensor, ref.value)
        else:
            self._holding.forget(tensor)
        self._dirty.forget(tensor)

    def _holds(self, tensor: torch.Tensor, ref: Ref) -> bool:
        same_place = tensor.stride() == ref.stride and int(tensor.storage_offset()) == ref.offset
        return bool(same_place) and self._holding.of(tensor) == ref.value and tuple(tensor.shape) == ref.shape

    def _rebuilt(self, result: Any, args: Any, kwargs: Any, op: RecordedOp) -> Any:
        """The reference's result for an operator or a module that did not run."""
        device = next((t.device for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)), None)
        written = written_arguments(op.func, args, kwargs)
        if written and isinstance(result, Ref):
            for tensor, ref in zip(written, op.outputs[-len(written) :], strict=False):
                if tuple(tensor.shape) == ref.shape and ref.value >= 0:
                    self._force(tensor, ref)
            return written[0]
        return tree_map(lambda leaf: self._fresh(leaf, device), result)

    def _fresh(self, leaf: Any, device: torch.device | None) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        tensor = self._recording.tensor(leaf).clone()
        tensor = tensor if device is None else tensor.to(device)
        if leaf.kind == "value" and tensor.stride() == leaf.stride and leaf.offset == 0:
            self._holding.note(tensor, leaf.value)
        return tensor

    # --- module calls ------------------------------------------------------------------------------------------------

    def around(self, scope: Scope, module: nn.Module, call: Callable[[], Any]) -> Any:
        """A module's call: what it returns is held against the reference's, and put right."""
        expected = self._recording.results.get(scope)
        try:
            output = call()
        except Exception as error:
            op = self._own(scope)
            if expected is None or op is None or scope.path == "" or is_out_of_memory(error):
                raise
            self._judge.altered(op, math.inf, said("module-raises", error=f"{type(error).__name__}: {error}"))
            device = next((p.device for p in module.parameters()), None)
            with _disable_current_modes():
                return tree_map(lambda leaf: self._fresh(leaf, device), expected)
        if expected is None:
            return output
        with _disable_current_modes():
            return self._leave(scope, expected, output)

    def _leave(self, scope: Scope, expected: Any, output: Any) -> Any:
        leaves, structure = tree_flatten(output)
        refs = tree_flatten(expected)[0]
        if len(leaves) != len(refs):
            op = self._own(scope)
            if op is not None:
                words = said("module-returns", ours=len(leaves), theirs=len(refs))
                self._judge.altered(op, math.inf, words, random=False)
            return output
        for i, (leaf, ref) in enumerate(zip(leaves, refs, strict=True)):
            if isinstance(leaf, torch.Tensor) and isinstance(ref, Ref) and has_storage(leaf):
                leaves[i] = self._returned(scope, leaf, ref)
        return tree_unflatten(leaves, structure)

    def _returned(self, scope: Scope, tensor: torch.Tensor, ref: Ref) -> torch.Tensor:
        if ref.kind == "unfilled" or self._holds(tensor, ref) or self._state.of(tensor) is not None:
            return tensor
        reference = self._recording.tensor(ref)
        producer = self._recording.producers.get(ref.value)
        made = None if producer is None else self._recording.ops[producer]
        missing = made is not None and made.index not in self.trace.partners
        if _equal(reference, tensor):
            if missing and made is not None:
                self._judge.altered(made, 0.0, said("done-by-others"))
            return tensor
        if self._holding.of(tensor) is not None and ref.value == self._holding.of(tensor) and tensor.dtype != ref.dtype:
            return tensor
        op = made if missing or (made is not None and made.scope == scope) else self._own(scope) or made
        if op is not None:
            self._charge(op, reference, tensor, self._dirty.of(tensor) or scope)
        if tensor.shape == reference.shape:
            tensor.data.copy_(reference)
            self._dirty.forget(tensor)
            if ref.kind == "value" and tensor.stride() == ref.stride and tensor.storage_offset() == ref.offset:
                self._holding.note(tensor, ref.value)
            return tensor
        return self._fresh(ref, tensor.device)  # type: ignore[no-any-return]

    def _own(self, scope: Scope) -> RecordedOp | None:
        """The operator that stands for a module's code: its last own one, else the last one of the modules in it."""
        own = [op for op in self._ops.get(scope, []) if op.inputs]
        if own:
            return own[-1]
        inside = [op for op in self._recording.ops if scope in self._ancestors(op.scope)]
        return inside[-1] if inside else None

    # --- fallbacks ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _fallback_watch(self, op: RecordedOp, notes: list[Phrase]) -> Iterator[None]:
        """Note when a backend says that it has no such operator and runs it on the CPU; it says so once a name."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        words = [str(w.message).lower() for w in caught]
        if any("fall back" in text and "cpu" in text for text in words):
            self._fallbacks.add(op.name)
        if op.name in self._fallbacks:
            notes.append(FALLBACK)


def _equal(reference: torch.Tensor, tensor: torch.Tensor) -> bool:
    """Whether a tensor on any device holds the reference's bits."""
    return same_bits(reference, tensor.detach().cpu())


def _others(arguments: Any) -> list[str]:
    """The arguments that are no tensors, as words; devices are meant to differ."""
    return [
        repr(x)
        for x in tree_flatten(arguments)[0]
        if not isinstance(x, (torch.Tensor, Ref, torch.device, torch.dtype)) and x is not None
    ]
