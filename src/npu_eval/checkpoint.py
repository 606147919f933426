"""From a weights file to a network that holds exactly those weights, or an error.

A number measured on half-loaded weights looks like any other number. So a file is read as data (no code in it is run),
every value in it must be finite, and each tensor must find its place: names, shapes and kinds agree, none is left over.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from npu_eval.errors import ConfigError, WeightsError, nearest
from npu_eval.weights import refuse_non_weights

KeyMapping = Literal["by_name", "by_order"]

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".tar", ".ckpt")

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_state",
    "params",
    "params_ema",
    "ema",
    "net",
    "network",
    "weights",
)
"""Where training tools put the state dictionary, in the order of looking; the first that holds only tensors counts."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""

_COUNTER = "num_batches_tracked"
"""BatchNorm's step counter. PyTorch before 0.4.1 had none, and it takes no part in inference."""

_ROLES = frozenset({"weight", "bias", "running_mean", "running_var", _COUNTER})
"""The last name parts that mean the same in every network, so that a pairing by order must keep them."""

# What torch.load raises for a damaged file, found by cutting and altering files of both its formats.
_READ_ERRORS = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    zipfile.BadZipFile,
    struct.error,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class LoadReport:
    """What was loaded. ``tensors`` counts entries, ``parameters`` and ``buffers`` count elements.

    ``missing`` names at most BatchNorm step counters, which old checkpoints have not; ``unexpected`` is empty: anything
    else would have been an error.
    """

    tensors: int
    parameters: int
    buffers: int
    mapping: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of one written by ``torch.save``, on the CPU, in the file's order.

    A dictionary around the state dictionary (:data:`WRAPPERS`) and a prefix that all names share (:data:`PREFIXES`) are
    taken off.

    Raises:
        WeightsError: the file is of another kind, damaged, holds more than tensors, or a value that is not finite.
    """
    suffix = path.suffix.lower()
    if suffix not in ("", ".safetensors", *TORCH_SUFFIXES):  # a download link often ends without one
        known = ", ".join((".safetensors", *TORCH_SUFFIXES))
        raise WeightsError(f"'{path.suffix}' is no checkpoint that can be read", where=path.name, fix=f"known: {known}")
    try:
        refuse_non_weights(path)
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", where=str(path)) from error
    content = _read_safetensors(path) if suffix == ".safetensors" else _read_torch(path)
    state = _without_prefix(_unwrapped(content, path))
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
    counterless = not any(name.endswith(_COUNTER) for name in state)
    uncounted = tuple(name for name in own if counterless and name.endswith(f".{_COUNTER}"))
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


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise WeightsError(
            "safetensors is not installed", where=path.name, fix="pip install safetensors, or give a .pth file"
        ) from error
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> Any:
    try:
        if _is_torchscript(path):
            raise WeightsError(
                "a TorchScript program, not a state dictionary", where=path.name, fix=_how_to_convert(path)
            )
        with warnings.catch_warnings():
            # torch warns of a pickle protocol that is not its own; then it reads the file all the same, or raises.
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            return torch.load(path, weights_only=True, map_location="cpu")
    except _READ_ERRORS as error:
        foreign = re.search(r"GLOBAL ([\w.]+)|[Uu]nsupported class ([\w.]+)", str(error))
        if foreign is None:
            raise _damaged(path, error) from error
        what = f"it holds more than tensors ({foreign[1] or foreign[2]}), and reading that would run code from the file"
        raise WeightsError(what, where=path.name, fix=_how_to_convert(path)) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _damaged(path: Path, error: BaseException) -> WeightsError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    what = f"truncated, damaged or no checkpoint at all ({type(error).__name__}: {reason})"
    return WeightsError(what, where=path.name, fix="fetch the file again and compare its sha256")


def _how_to_convert(path: Path) -> str:
    load = f"m = torch.load('{path.name}', map_location='cpu', weights_only=False)"
    return (
        f"if you trust its origin, convert it once where its own code is installed: {load}; "
        "torch.save(m.state_dict() if hasattr(m, 'state_dict') else m['state_dict'], 'weights.pth')"
    )


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for candidate in (content, *_wrapped(content)):
        if _is_state_dict(candidate):
            return {name: tensor.detach() for name, tensor in candidate.items()}
    if not isinstance(content, Mapping):
        raise WeightsError(f"it holds a {type(content).__name__}, not a dictionary of tensors", where=path.name)
    others = [f"{key} ({type(value).__name__})" for key, value in content.items() if not isinstance(value, Tensor)]
    listed = _listed(others) if others else "nothing"
    fix = f"a state dictionary is looked for at the top and under {', '.join(WRAPPERS)}"
    raise WeightsError(f"it is no dictionary of tensors only: it holds {listed}", where=path.name, fix=fix)


def _wrapped(content: Any) -> list[Any]:
    """What lies under the known keys, and under a known key of that (``{"model": {"state_dict": …}}``)."""
    if not isinstance(content, Mapping):
        return []
    direct = [content[key] for key in WRAPPERS if key in content]
    nested = [inner[key] for inner in direct if isinstance(inner, Mapping) for key in WRAPPERS if key in inner]
    return direct + nested


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for _ in PREFIXES:  # both may be there, in either order
        for prefix in PREFIXES:
            if all(name.startswith(prefix) for name in state):
                state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


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
        fix = "is it another architecture, variant or class count? For the same network under other names: by_order"
        raise WeightsError(f"the checkpoint does not fit the network: {'; '.join(troubles)}", where=source, fix=fix)
    return {name: name for name in own}


def _paired_by_order(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> dict[str, str]:
    if source.lower().endswith(".safetensors"):
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
    fix = f"build the network with the checkpoint's class count ({theirs[0]} outputs)"
    raise WeightsError(f"only the classifier head differs ({_listed(differing)}): {numbers}", where=source, fix=fix)


def _fits(name: str, ours: Tensor, theirs: Tensor) -> bool:
    same_kind = ours.is_floating_point() == theirs.is_floating_point() and ours.is_complex() == theirs.is_complex()
    return ours.shape == theirs.shape and (same_kind or name.endswith(_COUNTER))


def _shape(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) if tensor.dim() else "scalar"
    return shape if tensor.is_floating_point() else f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
