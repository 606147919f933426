"""Objects of a pickle that are no tensors, read without the code that made them.

A checkpoint holds more than weights: the arguments of its training, a path, a best score. To get at the weights beside
them, whatever a pickle names is replaced by a class made here, which takes everything and does nothing; no module is
imported and no function of another is called. NumPy's arrays are read from their bytes, so that they become tensors.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from npu_eval.errors import WeightsError

_RUNNING = re.compile(
    r"(?:os|posix|nt|subprocess|sys|shutil|socket|importlib|runpy|pty|ctypes|codeop|webbrowser|_?pickle|marshal|popen2"
    r"|timeit|cProfile|pdb|bdb|urllib|ftplib|smtplib)\..*",
    re.S,
)
"""Modules by which a pickle runs commands, reads files or talks to others: no checkpoint needs one."""

_RUNNING_NAMES = frozenset(
    f"builtins.{name}" for name in ("eval", "exec", "compile", "__import__", "open", "input", "breakpoint", "globals")
) | {"io.open", "_io.open", "_io.FileIO", "torch.load", "torch.serialization.load", "torch.jit.load", "torch.hub.load"}

_LONGEST_CODE = 4  # of a plain number: <c16
_ARRAY_KINDS = "biufc"
"""NumPy's kinds of numbers: truth values, whole numbers, floats, complex ones."""


def modern_name(module: str = "", name: str = "") -> str:
    """A name in a pickle with its module, as Python 3 calls them."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def asks_to_run(name: str) -> bool:
    """Whether a name in a pickle is one that only a pickle made to run something holds."""
    return name in _RUNNING_NAMES or _RUNNING.fullmatch(name) is not None


class Inert:
    """What stands where an object of a class that is never imported would be. ``state`` is what it was given."""

    state: Any = None

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """An empty one, whatever the arguments."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes everything."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """A dictionary of another class: its entries are not kept."""

    def append(self, value: Any) -> None:
        """A list of another class: its items are not kept."""

    def extend(self, values: Any) -> None:
        """As `append`."""

    @classmethod
    def name(cls) -> str:
        """The class that it stands for."""
        return f"{cls.__module__}.{cls.__qualname__}"


class _Array(Inert):
    """numpy.ndarray: its state is (version, shape, dtype, Fortran's order, bytes)."""

    def tensor(self) -> torch.Tensor | None:
        """The array as a tensor; None where it is none of numbers, or its bytes are not those of its shape."""
        state = self.state
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _Dtype)):
            return None
        return _from_bytes(state[4], state[2], state[1], fortran=bool(state[3]))


class _Dtype(Inert):
    """numpy.dtype: made from a code such as ``f4``; its state begins with (version, byte order)."""

    code: Any = ""

    def __init__(self, code: Any = "", *_: Any) -> None:
        super().__init__()
        self.code = code

    def numpy(self) -> np.dtype[Any] | None:
        """The same, where it is one of plain numbers."""
        order: Any = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "="
        if not isinstance(self.code, str) or len(self.code) > _LONGEST_CODE or order not in ("<", ">", "=", "|"):
            return None
        try:
            found = np.dtype(self.code)
        except (TypeError, ValueError):
            return None
        return found.newbyteorder(order) if found.kind in _ARRAY_KINDS else None


class _Reconstruct(Inert):
    """numpy's ``_reconstruct``: an empty array, whose state follows."""

    def __new__(cls, kind: Any = None, *_: Any) -> Any:
        """An array of the class that stands for numpy's."""
        return object.__new__(kind if isinstance(kind, type) and issubclass(kind, _Array) else _Array)


class _Scalar(Inert):
    """numpy's ``scalar``: one number by its dtype and bytes."""

    _made: torch.Tensor | None = None

    def __init__(self, kind: Any = None, data: Any = b"", *_: Any) -> None:
        super().__init__()
        self._made = _from_bytes(data, kind, (), fortran=False) if isinstance(kind, _Dtype) else None

    def number(self) -> Any:
        """The number as Python's own; None where it is none."""
        return None if self._made is None else self._made.item()


class _FromBuffer(Inert):
    """numpy's ``_frombuffer`` of protocol 5: an array by its bytes, dtype, shape and order."""

    _made: torch.Tensor | None = None

    def __init__(self, data: Any = b"", kind: Any = None, shape: Any = (), order: Any = "C", *_: Any) -> None:
        super().__init__()
        self._made = _from_bytes(data, kind, shape, fortran=order == "F") if isinstance(kind, _Dtype) else None

    def tensor(self) -> torch.Tensor | None:
        """The array as a tensor."""
        return self._made


class _Object(Inert):
    """copyreg's ``_reconstructor`` and ``__newobj__``: an object of the class that is its first argument."""

    def __new__(cls, kind: Any = None, *_: Any) -> Any:
        """One of the class that stands for it."""
        return object.__new__(kind if isinstance(kind, type) and issubclass(kind, Inert) else cls)


class _Dictionary(Inert):
    """A dictionary of another class, whose entries are wanted."""

    def __new__(cls, *given: Any) -> Any:
        """One that torch fills and takes attributes on: of the first argument, where that is a dictionary."""
        return OrderedDict(next((value for value in given if isinstance(value, dict)), {}))


class _List(Inert):
    """A list of another class."""

    def __new__(cls, *_: Any) -> Any:
        """A plain one."""
        return []


_MADE: Mapping[str, type[Inert]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _Reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _FromBuffer for core in ("core", "_core")},
    "copyreg._reconstructor": _Object,
    "copyreg.__newobj__": _Object,
    "collections.defaultdict": _Dictionary,
    "collections.deque": _List,
}


def is_object(name: str) -> bool:
    """Whether a name is of a class whose objects are not built: none of Python's own containers or NumPy's arrays."""
    return name.partition(".")[0] not in ("builtins", "collections", "copyreg", "numpy", "_codecs")


def stand_in(name: str, *, kind: str = "") -> type[Inert]:
    """A new class that stands for what a pickle names; new each time, so that no file alters what another reads.

    Args:
        name: with its module, ``argparse.Namespace``.
        kind: ``dictionary`` or ``list``, where it is known to be one of another class.
    """
    module, _, own = name.rpartition(".")
    base = {"dictionary": _Dictionary, "list": _List}.get(kind) or _MADE.get(name, Inert)
    return type(own, (base,), {"__module__": module, "__qualname__": own})


def read_pickle(data: bytes, where: str) -> tuple[Any, tuple[str, ...]]:
    """A plain pickle and the names of the classes that were not built.

    Raises:
        WeightsError: it asks to run something.
        pickle.UnpicklingError and others: it is damaged.
    """
    reader = _Reader(data, where)
    return reader.load(), tuple(sorted(filter(is_object, reader.named)))


class _Reader(pickle.Unpickler):
    """Finds no class but stand-ins. Texts of Python 2 are read as bytes are, which NumPy's data needs."""

    def __init__(self, data: bytes, where: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._where = where
        self.named: dict[str, type] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        """A stand-in, the same for the same name."""
        wanted = modern_name(module, name)
        if asks_to_run(wanted):
            raise refused(wanted, self._where)
        if wanted == "_codecs.encode":
            return _encoded
        if wanted == "collections.OrderedDict":
            return stand_in(wanted, kind="dictionary")
        return self.named.setdefault(wanted, stand_in(wanted))


def refused(name: str, where: str) -> WeightsError:
    """The error for a pickle that asks to run something."""
    what = f"it asks to run {name}, as no weights do; nothing in it was run"
    return WeightsError(what, where=where, fix="do not open it by other means; take a .safetensors file of the model")


def as_tensors(value: Any, depth: int = 4) -> Any:
    """The same with NumPy's arrays as tensors, down to a depth at which checkpoints keep their weights."""
    if isinstance(value, (_Array, _FromBuffer)):
        made = value.tensor()
        return value if made is None else made
    if isinstance(value, _Scalar):
        return value.number()
    if isinstance(value, dict) and depth:
        return {key: as_tensors(inner, depth - 1) for key, inner in value.items()}
    return value


class _Encoded:
    """``_codecs.encode`` of a pickle: Latin-1 text as the bytes that it stands for. Without a place to write to."""

    __slots__ = ()

    def __call__(self, text: Any = "", *_: Any) -> bytes:
        return text.encode("latin1") if isinstance(text, str) else b""


_encoded = _Encoded()


def _from_bytes(data: Any, kind: _Dtype, shape: Any, *, fortran: bool) -> torch.Tensor | None:
    if isinstance(data, str):
        data = data.encode("latin1", "replace")
    dtype = kind.numpy()
    sizes = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
    if dtype is None or not sizes or not isinstance(data, (bytes, bytearray)):
        return None
    if len(data) != math.prod(shape) * dtype.itemsize:
        return None
    array = np.frombuffer(bytes(data), dtype=dtype).reshape(shape, order="F" if fortran else "C")
    try:
        return torch.from_numpy(np.ascontiguousarray(array.astype(dtype.newbyteorder("="))).reshape(shape).copy())
    except TypeError:  # a kind of number that torch has not
        return None
