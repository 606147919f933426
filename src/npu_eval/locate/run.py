"""The comparison of two models operator by operator, from the first run to the findings."""

from __future__ import annotations

import contextlib
import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from npu_eval.errors import ConfigError
from npu_eval.locate.align import align
from npu_eval.locate.collect import Collector
from npu_eval.locate.findings import OperatorFinding
from npu_eval.locate.force import Context, Forced, Plan
from npu_eval.locate.record import Recording, record
from npu_eval.locate.scopes import scopes_of, watching
from npu_eval.locate.state import kept, unchanging
from npu_eval.locate.trace import Judge, Trace
from npu_eval.locate.values import CountingStore, DiskStore
from npu_eval.machine.disk import check_room

TrainStep = Callable[..., Any]
Forward = Callable[..., Any]
SEED = 0
"""Of torch's generator at the start of every run: both sides draw the same random numbers."""


def locate(
    reference: nn.Module,
    candidate: nn.Module,
    inputs: tuple[Any, ...],
    *,
    reference_device: str = "cpu",
    candidate_device: str = "cpu",
    candidate_context: Context | None = None,
    train_step: TrainStep | None = None,
    forward: Forward | None = None,
) -> list[OperatorFinding]:
    """Compare every ATen operator of two models of one structure on the reference's inputs.

    Args:
        reference: the model that is right. It and ``candidate`` stay as they are, apart from their device.
        candidate: the same structure; its weights, buffers, hooks and patched sub-modules may differ.
        inputs: the positional arguments of the model: tensors, or tuples, lists and dicts of them.
        reference_device: where the reference runs.
        candidate_device: where the candidate runs.
        candidate_context: makes a context manager that is entered around each of the candidate's operators.
        train_step: a training step to compare instead of the forward pass, ``train_step(model, *inputs)``; a function
            whose second parameter is called ``inputs`` is given the tuple. It may call ``backward()`` itself; a loss
            that it returns without having done so is differentiated.
        forward: how a model is asked for its outputs, ``forward(model, *inputs)``; calling the model is the default.

    Returns:
        One finding for each operator call of the reference, in network order.

    Raises:
        AdapterError: a model changes its own weights while it runs.
        ConfigError: there is no tensor among the inputs, or not enough disk space below TMPDIR for the recording.
    """
    with tempfile.TemporaryDirectory(prefix="locate-") as name:
        recording = record_reference(
            reference, inputs, Path(name), device=reference_device, train_step=train_step, forward=forward
        )
        return locate_from(
            recording,
            candidate,
            inputs,
            candidate_device=candidate_device,
            candidate_context=candidate_context,
            train_step=train_step,
            forward=forward,
        )


def record_reference(
    reference: nn.Module,
    inputs: tuple[Any, ...],
    folder: Path,
    *,
    device: str = "cpu",
    train_step: TrainStep | None = None,
    forward: Forward | None = None,
) -> Recording:
    """The first half of `locate`: every operator of the reference, its values in a file in ``folder``."""
    leaves: list[torch.Tensor] = []
    tree_map_only(torch.Tensor, leaves.append, inputs)
    if not leaves:
        raise ConfigError(
            "there is no tensor among the inputs", where="locate", fix="pass the model's arguments as a tuple"
        )
    with torch.random.fork_rng(devices=[]), _plain_paths():
        given = _on(reference, inputs, device)
        return make_recording(reference.to(device), given, folder, Task(train_step, forward))


def locate_from(
    recording: Recording,
    candidate: nn.Module,
    inputs: tuple[Any, ...],
    *,
    candidate_device: str = "cpu",
    candidate_context: Context | None = None,
    train_step: TrainStep | None = None,
    forward: Forward | None = None,
) -> list[OperatorFinding]:
    """The second half: the candidate against what was recorded, here or elsewhere."""
    with tempfile.TemporaryDirectory(prefix="locate-") as name, torch.random.fork_rng(devices=[]), _plain_paths():
        given = _on(candidate, inputs, candidate_device)
        task = Task(train_step, forward)
        return examine(recording, candidate.to(candidate_device), given, Path(name), candidate_context, task)


@dataclass(frozen=True)
class Task:
    """What is done with each model: a training step, or a forward pass."""

    train_step: TrainStep | None = None
    forward: Forward | None = None

    @property
    def train(self) -> bool:
        """Whether gradients are wanted."""
        return self.train_step is not None

    def run(self, model: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Do it."""
        if self.train_step is None:
            _ = model(*inputs) if self.forward is None else self.forward(model, *inputs)
            return
        names = list(inspect.signature(self.train_step).parameters)
        loss = self.train_step(model, inputs) if names[1:2] == ["inputs"] else self.train_step(model, *inputs)
        untouched = all(p.grad is None for p in model.parameters())
        if isinstance(loss, torch.Tensor) and loss.requires_grad and untouched:
            loss.sum().backward()


def make_recording(model: nn.Module, inputs: tuple[Any, ...], folder: Path, task: Task) -> Recording:
    """Record the reference into a folder, after a first run that says how much room it needs.

    Raises:
        AdapterError: the model changes its own weights.
        ConfigError: the recording would not fit, with what it needs.
    """

    def once(store: CountingStore | DiskStore) -> Recording:
        given = _copies(inputs)
        torch.manual_seed(SEED)
        with _guarded(model, "reference", folder, train=task.train):
            return record(model, given, lambda: task.run(model, given), store, train=task.train)

    counted = CountingStore()
    first = once(counted)
    check_room(
        folder,
        counted.nbytes,
        what="recording the reference's operators needs",
        where=folder,
        fix="set TMPDIR (for a bundle: --output) to a larger disk, or use a smaller input",
    )
    store = DiskStore(folder / "values")
    recording = once(store)
    store.finish()
    changed = {i for i, (a, b) in enumerate(zip(counted.checksums, store.checksums, strict=False)) if a != b}
    if len(first.ops) == len(recording.ops):
        recording.unstable = frozenset(
            op.index
            for op in recording.ops
            if any(ref.value in changed for ref in op.outputs)
            and not any(ref.kind == "value" and ref.value in changed for ref in op.inputs)
        )
    return recording


FORWARD = Task()
"""A plain forward pass."""


def examine(
    recording: Recording,
    candidate: nn.Module,
    inputs: tuple[Any, ...],
    folder: Path,
    context: Context | None = None,
    task: Task = FORWARD,
) -> list[OperatorFinding]:
    """Hold a candidate against a recording: one run to learn its structure, one to judge it."""
    around_all = context if context is not None and _casts(context, inputs) else contextlib.nullcontext
    around_each = None if context is around_all else context

    def once(plan: Plan | None, judge: Judge, around: Context | None) -> Trace:
        given = _copies(inputs)
        scopes = scopes_of(candidate, recording.paths)
        torch.manual_seed(SEED)
        with _guarded(candidate, "candidate", folder, train=task.train):
            forced = Forced(recording, candidate, scopes, around, plan, judge)
            with torch.set_grad_enabled(task.train), around_all(), watching(scopes, forced.around), forced:
                task.run(candidate, given)
            forced.finish()
        return forced.trace

    structure = once(None, Judge(), None).signatures
    marks = {scope: [op.signature for op in ops] for scope, ops in recording.by_scope().items()}
    plan = {scope: align(marks.get(scope, []), found) for scope, found in structure.items()}
    collector = Collector(recording)
    trace = once(plan, collector, around_each)
    return collector.findings(trace)


def _casts(context: Context, inputs: tuple[Any, ...]) -> bool:
    """Whether a context is autocast, which acts before operators are seen one by one: it goes around the whole run."""
    kinds: set[str] = {"cpu"}
    tree_map_only(torch.Tensor, lambda t: kinds.add(t.device.type), inputs)
    with context():
        return any(torch.is_autocast_enabled(kind) for kind in kinds)


@contextlib.contextmanager
def _guarded(model: nn.Module, what: str, folder: Path, *, train: bool) -> Iterator[None]:
    """A training step, or a model in training mode, may change the model: put it back. Any other must not."""
    learning = train or any(module.training for module in model.modules())
    with kept(model, folder / "state") if learning else unchanging(model, what):
        yield


@contextlib.contextmanager
def _plain_paths() -> Iterator[None]:
    """Without the fused transformer layers of eval mode, which hide the operators that they stand for."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _on(model: nn.Module, inputs: tuple[Any, ...], device: str) -> tuple[Any, ...]:
    """The inputs on a device, in the dtype of the model's first floating-point parameter when that is another one."""
    dtype = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), None)

    def place(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(device, dtype if tensor.dtype.is_floating_point else None)

    moved: tuple[Any, ...] = tree_map_only(torch.Tensor, place, inputs)
    return moved


def _copies(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies, because a model may write to what it is given."""
    copies: tuple[Any, ...] = tree_map_only(torch.Tensor, lambda t: t.detach().clone(), inputs)
    return copies
