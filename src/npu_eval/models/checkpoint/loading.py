"""From a weights file to a network that holds exactly those weights, or an error.

A number measured on half-loaded weights looks like any other number. So a file is read as data (no code in it is run),
every value in it must be finite, and each tensor must find its place: names, shapes and kinds agree, none is left over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from npu_eval.errors import ConfigError, WeightsError, nearest
from npu_eval.models.checkpoint import file as checkpoint_file
from npu_eval.models.checkpoint.file import Content
from npu_eval.models.checkpoint.names import COUNTER
from npu_eval.models.checkpoint.sets import WRAPPERS, Rename, choose, sets_in
from npu_eval.notation.phrases import Phrase, said
from npu_eval.process.visible import visible
from npu_eval.weights import shards

KeyMapping = Literal["by_name", "by_order"]

_ROLES = frozenset({"weight", "bias", "running_mean", "running_var", COUNTER})
"""The last name parts that mean the same in every network, so that a pairing by order must keep them."""


_LINEAR = 2  # dimensions of a linear layer's weight


@dataclass(frozen=True)
class LoadReport:
    """What was loaded. ``tensors`` counts entries, ``parameters`` and ``buffers`` count elements.

    ``missing`` names at most BatchNorm step counters, which old checkpoints have not; ``unexpected`` is empty: anything
    else would have been an error. ``notes`` say what of the file was taken, and what was left out.
    """

    tensors: int
    parameters: int
    buffers: int
    mapping: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    notes: tuple[Phrase, ...] = ()


def load(
    module: nn.Module, path: Path, *, mapping: str, source: str, ema: str = "", rename: Rename | None = None
) -> LoadReport:
    """Load a file into a network, strictly, and say what of the file that was.

    Args:
        mapping: as for `load_strict`.
        source: where the file comes from, for messages.
        ema: which of averaged and plain weights, where the file has both; see `sets.choose`.
        rename: gives a checkpoint's entries the names of the network, where they have older ones.

    Raises:
        WeightsError: the file is of another kind, damaged, holds no weights that fit, or a value that is not finite.
    """
    content = checkpoint_file.read(path)
    own = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    if not sets_in(content.value):
        raise _without_weights(content, path)
    chosen = choose(content.value, own, mapping=mapping, ema=ema, rename=rename, where=path.name)
    _refuse_non_finite(chosen.entries, path)
    report = load_strict(module, chosen.entries, mapping=mapping, source=source)
    unbuilt = content.unbuilt
    first = (said("weights-shards", count=content.shards, index=path.name),) if content.shards else ()
    last = (said("left-unbuilt", count=len(unbuilt), names=_listed(unbuilt)),) if unbuilt else ()
    return replace(report, notes=(*first, *chosen.notes, *last))


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that holds one set of them, on the CPU, in the file's order, under the file's names.

    Raises:
        WeightsError: as for `load`; or the file holds none, or several sets.
    """
    content = checkpoint_file.read(path)
    sets = sets_in(content.value)
    if not sets:
        raise _without_weights(content, path)
    if len(sets) > 1:
        places = ", ".join(found.place or "/" for found in sets)
        raise WeightsError(f"it holds {len(sets)} sets of weights: {places}", where=path.name)
    state = dict(sets[0].entries)
    _refuse_non_finite(state, path)
    return state


def load_strict(module: nn.Module, state: Mapping[str, Tensor], *, mapping: str, source: str) -> LoadReport:
    """Copy ``state`` into ``module`` so that every entry finds its place and every place its entry.

    Args:
        mapping: ``by_name``, or ``by_order`` for a checkpoint of the same network under other names: the n-th entry
            goes to the n-th place. That holds only where both list their layers in one order, so counts, shapes, kinds
            and the known last name parts (weight, bias, running_mean …) must agree at every place; two layers of one
            shape in another order would still pass, and only results on real inputs tell.
        source: where the state comes from, for messages.

    Raises:
        ConfigError: ``mapping`` is neither.
        WeightsError: anything is missing, left over, or of another shape or kind. ``module`` is unchanged then.
    """
    if mapping not in get_args(KeyMapping):
        raise ConfigError(f"mapping '{mapping}' is unknown", where=source, fix=nearest(mapping, get_args(KeyMapping)))
    own = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    counterless = not any(name.endswith(COUNTER) for name in state)
    uncounted = tuple(name for name in own if counterless and name.endswith(f".{COUNTER}"))
    places = {name: value for name, value in own.items() if name not in uncounted}
    pair = _paired_by_order if mapping == "by_order" else _paired_by_name
    pairs = pair(places, state, source)
    fitting = {name: state[theirs] for name, theirs in pairs.items()}
    try:
        module.load_state_dict({**{name: own[name] for name in uncounted}, **fitting}, strict=True)
    except RuntimeError as error:  # a network may refuse in a hook of its own
        raise WeightsError(f"the network refuses the weights ({error})", where=source) from error
    parameter_names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return LoadReport(
        tensors=len(fitting),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        buffers=sum(value.numel() for name, value in own.items() if name not in parameter_names),
        mapping=mapping,
        missing=uncounted,
    )


def _without_weights(content: Content, path: Path) -> WeightsError:
    if not isinstance(content.value, Mapping):
        kind = type(content.value).__name__
        return WeightsError(f"it holds a {kind}, not a dictionary of tensors", where=path.name)
    others = [f"{key} ({type(value).__name__})" for key, value in content.value.items()]
    fix = f"a state dictionary is looked for at the top and under {', '.join(WRAPPERS)}"
    if content.unbuilt:
        fix = checkpoint_file.how_to_convert(path)
    return WeightsError(f"it holds no tensors by name, but {_listed(others) or 'nothing'}", where=path.name, fix=fix)


def _refuse_non_finite(state: Mapping[str, Tensor], path: Path) -> None:
    bad = [name for name, tensor in state.items() if not _is_finite(tensor)]
    if bad:
        what = f"{len(bad)} of {len(state)} tensors hold NaN or infinity: {_listed(bad)}"
        raise WeightsError(what, where=path.name, fix="these weights cannot have been trained; take another checkpoint")


def _is_finite(tensor: Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    known = tensor if tensor.element_size() > 1 else tensor.float()  # isfinite is not written for float8
    return bool(torch.isfinite(known).all())


def _paired_by_name(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> dict[str, str]:
    missing = [f"{name} {_shape(own[name])}" for name in own if name not in state]
    unexpected = [f"{name} {_shape(state[name])}" for name in state if name not in own]
    differing = {name: name for name in own if name in state and not _fits(name, own[name], state[name])}
    if not missing and not unexpected:
        _refuse_other_class_count(own, state, differing, source)
    shapes = [f"{name} {_shape(state[name])} for {_shape(own[name])}" for name in differing]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape or kind", shapes))
    troubles = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in kinds if names]
    if troubles:
        if not unexpected and not shapes:
            _refuse_headless(own, [name for name in own if name not in state], source)
        fix = "is it another architecture, variant or class count? For the same network under other names: by_order"
        if unexpected and not missing and not shapes:
            fix = (
                "they are another network's, or of a kind that is not known to be left out: save the state without them"
            )
        raise WeightsError(f"the checkpoint does not fit the network: {'; '.join(troubles)}", where=source, fix=fix)
    return {name: name for name in own}


def _paired_by_order(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> dict[str, str]:
    if source.lower().removesuffix(shards.SUFFIX).endswith(".safetensors"):
        what = "a .safetensors file keeps its tensors sorted, not in the order of the layers"
        raise WeightsError(f"by_order means nothing here: {what}", where=source, fix="map by_name, or take a .pth file")
    pairs = dict(zip(own, state, strict=False))
    differing = {ours: theirs for ours, theirs in pairs.items() if not _fits(ours, own[ours], state[theirs])}
    if len(own) == len(state):
        _refuse_other_class_count(own, state, differing, source)
    fix = "by_order needs the same network, its layers in the same order"
    for place, (ours, theirs) in enumerate(pairs.items(), start=1):
        roles = ours.rpartition(".")[2], theirs.rpartition(".")[2]
        if ours in differing or (roles[0] != roles[1] and _ROLES.issuperset(roles)):
            places = f"{theirs} {_shape(state[theirs])} would go to {ours} {_shape(own[ours])}"
            what = f"the first difference is at entry {place} of {len(own)}: {places}"
            raise WeightsError(what, where=source, fix=fix)
    if len(own) != len(state):
        rest = _listed(list(own if len(own) > len(state) else state)[len(pairs) :])
        what = f"the checkpoint has {len(state)} tensors and the network {len(own)}; without a partner: {rest}"
        raise WeightsError(what, where=source, fix=fix)
    return pairs


def _refuse_headless(own: Mapping[str, Tensor], missing: list[str], source: str) -> None:
    """A checkpoint of a network's features: everything is there but its last layer, the classifier."""
    last = list(own)[-1].rpartition(".")[0]
    head = [name for name in own if name.rpartition(".")[0] == last]
    if missing != head or not any(name.endswith("weight") and own[name].dim() == _LINEAR for name in head):
        return
    what = f"the checkpoint has no head: only {last} is missing ({_listed(missing)})"
    fix = "compare the features alone (for timm: --num-classes 0), or take a checkpoint with its classifier"
    raise WeightsError(what, where=source, fix=fix)


def _refuse_other_class_count(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], differing: Mapping[str, str], source: str
) -> None:
    """The everyday case: everything fits but the classifier, whose first dimension is the number of classes."""
    shapes = [(state[theirs].shape, own[ours].shape) for ours, theirs in differing.items()]
    counts = {(theirs[:1], ours[:1]) for theirs, ours in shapes}
    if len(counts) != 1 or any(theirs[1:] != ours[1:] or theirs[:1] == ours[:1] for theirs, ours in shapes):
        return
    theirs, ours = counts.pop()
    if len(theirs) != 1 or len(ours) != 1:
        return
    numbers = f"{theirs[0]} in the checkpoint, {ours[0]} in the network"
    fix = f"build the network with the checkpoint's class count (for timm and torchvision: --num-classes {theirs[0]})"
    raise WeightsError(f"only the classifier head differs ({_listed(differing)}): {numbers}", where=source, fix=fix)


def _fits(name: str, ours: Tensor, theirs: Tensor) -> bool:
    same_kind = ours.is_floating_point() == theirs.is_floating_point() and ours.is_complex() == theirs.is_complex()
    return ours.shape == theirs.shape and (same_kind or name.endswith(COUNTER))


def _shape(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) if tensor.dim() else "scalar"
    return shape if tensor.is_floating_point() else f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def _listed(names: Iterable[str]) -> str:
    names = [visible(name) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
