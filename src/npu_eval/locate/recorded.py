"""A recording as text: with the file of its values it can be carried to a machine that has no reference.

JSON and plain bytes, so that reading it runs nothing. What a recording holds of the model itself, its parameters and
buffers, is not written: whoever reads it has the same model. A module's result of a class of its own comes back as a
list of what it held; a value that is no number, text, tensor or name comes back as its words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from npu_eval.errors import RecordError
from npu_eval.jsonio import loads
from npu_eval.locate.record import RecordedOp, Recording
from npu_eval.locate.scopes import Scope
from npu_eval.locate.values import DiskStore, Ref

SCHEMA = "npu-deliver/operators/1"


@dataclass(frozen=True)
class Words:
    """Stands for a value that was not carried over; equal to it in words."""

    text: str

    def __repr__(self) -> str:
        return self.text


def recording_text(recording: Recording, **facts: str) -> str:
    """Everything of a recording but its values and the model's state.

    Args:
        facts: what else the reader wants to know, by name.
    """
    scopes = {scope: i for i, scope in enumerate(_scopes(recording))}
    content = {
        "schema": SCHEMA,
        "facts": facts,
        "scopes": [[scope.path, scope.call, scope.backward] for scope in scopes],
        "parents": [[scopes[child], scopes[parent]] for child, parent in recording.parents.items()],
        "results": [[scopes[scope], _encoded(result)] for scope, result in recording.results.items()],
        "producers": list(recording.producers.items()),
        "paths": sorted(recording.paths),
        "unstable": sorted(recording.unstable),
        "places": recording.values.places,
        "operators": [
            {
                "name": op.func._schema.name,  # noqa: SLF001  there is no public way to an operator's name
                "overload": op.func._schema.overload_name,  # noqa: SLF001
                "scope": scopes[op.scope],
                "args": _encoded(op.args),
                "kwargs": _encoded(op.kwargs),
                "result": _encoded(op.result),
                "outputs": _encoded(op.outputs),
                "signature": _encoded(op.signature),
            }
            for op in recording.ops
        ],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def recording_of(
    text: str, values: Path, state: Mapping[str, torch.Tensor], where: str
) -> tuple[Recording, dict[str, str]]:
    """A recording that was written elsewhere, and the facts beside it.

    Args:
        text: as `recording_text` wrote it.
        values: the file of its values.
        state: the parameters and buffers of the reference's model.

    Raises:
        RecordError: it is no recording, of another schema, or of an operator that this torch does not know.
    """
    content = loads(text, where)
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise RecordError(f"schema '{schema}' is not '{SCHEMA}'", where=where, fix="make the bundle again")
    try:
        scopes = [Scope(path, call, backward) for path, call, backward in content["scopes"]]
        places = [(offset, size) for offset, size in content["places"]]
        recording = Recording(
            ops=[_operator(i, op, scopes, where) for i, op in enumerate(content["operators"])],
            results={scopes[scope]: _decoded(result) for scope, result in content["results"]},
            parents={scopes[child]: scopes[parent] for child, parent in content["parents"]},
            producers=dict(content["producers"]),
            paths=frozenset(content["paths"]),
            values=DiskStore(values, places),
            state=dict(state),
            unstable=frozenset(content["unstable"]),
        )
        return recording, dict(content["facts"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RecordError(
            f"is no recording of operators ({error!r})", where=where, fix="make the bundle again"
        ) from error


def _scopes(recording: Recording) -> dict[Scope, None]:
    """Every scope that a recording names, each once."""
    named = [op.scope for op in recording.ops]
    named += [*recording.results, *recording.parents, *recording.parents.values()]
    return dict.fromkeys(named)


def _operator(index: int, op: dict[str, Any], scopes: list[Scope], where: str) -> RecordedOp:
    return RecordedOp(
        index=index,
        func=_function(op["name"], op["overload"], where),
        scope=scopes[op["scope"]],
        args=_decoded(op["args"]),
        kwargs=_decoded(op["kwargs"]),
        result=_decoded(op["result"]),
        outputs=_decoded(op["outputs"]),
        signature=_decoded(op["signature"]),
    )


def _function(name: str, overload: str, where: str) -> torch._ops.OpOverload:
    namespace, _, operator = name.partition("::")
    try:
        found = getattr(getattr(getattr(torch.ops, namespace), operator), overload or "default")
    except (AttributeError, RuntimeError) as error:
        raise RecordError(
            f"the operator {name} is not known to torch {torch.__version__}",
            where=where,
            fix="make the bundle with this version of torch",
        ) from error
    if not isinstance(found, torch._ops.OpOverload):  # noqa: SLF001  the class has no public name
        raise ValueError(f"{name} is no operator")
    return found


def _encoded(value: Any) -> Any:
    """JSON of an argument or a result; what JSON has no form of becomes an object with one key, its kind."""
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, Ref):
        return {
            "tensor": [value.kind, value.value, value.name, str(value.dtype), value.shape, value.stride, value.offset]
        }
    if type(value) is list:
        return [_encoded(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item) for item in value]}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"dict": [[key, _encoded(item)] for key, item in value.items()]}
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return {"torch": str(value)}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if type(value) is float:
        return {"float": str(value)}
    leaves = tree_flatten(value)[0]
    return {"words": repr(value)} if leaves and leaves[0] is value else [_encoded(leaf) for leaf in leaves]


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind not in _DECODERS:
        raise ValueError(f"a value of the kind {kind!r}")
    return _DECODERS[kind](content)


def _named(text: str) -> Any:
    """``torch.float32``, ``torch.strided`` … by its name."""
    found = getattr(torch, text.removeprefix("torch."), None)
    if not isinstance(found, (torch.dtype, torch.layout, torch.memory_format)):
        raise ValueError(f"{text!r} is no dtype, layout or memory format")
    return found


def _ref(content: list[Any]) -> Ref:
    kind, value, name, dtype, shape, stride, offset = content
    return Ref(kind, value, name, _named(dtype), tuple(shape), tuple(stride), offset)


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "tensor": _ref,
    "tuple": lambda items: tuple(_decoded(item) for item in items),
    "dict": lambda items: {key: _decoded(item) for key, item in items},
    "torch": _named,
    "device": torch.device,
    "float": float,
    "words": Words,
}
