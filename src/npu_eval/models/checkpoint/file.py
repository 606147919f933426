"""A checkpoint's bytes as Python values, read as data: no code in the file is run, no class of its makers is imported.

``.safetensors``, what ``torch.save`` writes (both its formats), and pickles of NumPy arrays as detectron2 publishes.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import shlex
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from npu_eval.errors import WeightsError
from npu_eval.models.checkpoint import inert
from npu_eval.weights import shards
from npu_eval.weights.fetch import refuse_non_weights

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".tar", ".ckpt", ".pkl", ".pickle")

_LEGACY = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)
"""How a file of torch.save begins that is no zip archive: with a pickle of this number."""

_MOST_PICKLE_BYTES = 2**30
"""Of what torch.save writes beside the tensors; the largest that were seen have a few MiB."""

_SHOWN = 3

_TORCHS = ("torch", "torch._utils", "torch.storage", "torch.nn.parameter", "torch._tensor", "torch.serialization")
_HARMLESS = (
    "collections.OrderedDict",
    "collections.Counter",
    "_codecs.encode",
    *(f"builtins.{name}" for name in ("set", "complex", "bytearray")),
)

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
    NotImplementedError,
    zipfile.BadZipFile,
    struct.error,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class Content:
    """What a file holds. ``unbuilt`` names the classes of objects in it that were not built, ``shards`` counts
    the files that an index stood for."""

    value: Any
    unbuilt: tuple[str, ...] = ()
    shards: int = 0


def read(path: Path) -> Content:
    """A file's content on the CPU, with NumPy arrays as tensors, in the file's order.

    Raises:
        WeightsError: the file is of another kind, damaged, asks to run something, or holds a whole network.
    """
    if shards.is_index(path):
        return _read_shards(path)
    suffix = path.suffix.lower()
    if suffix not in ("", ".safetensors", *TORCH_SUFFIXES):  # a download link often ends without one
        known = ", ".join((".safetensors", *TORCH_SUFFIXES))
        raise WeightsError(f"'{path.suffix}' is no checkpoint that can be read", where=path.name, fix=f"known: {known}")
    try:
        refuse_non_weights(path)
        content = Content(_read_safetensors(path)) if suffix == ".safetensors" else _read_pickled(path)
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    refuse_networks(content, path)
    return content


def _read_shards(path: Path) -> Content:
    """The tensors of several files, each from the file that the index names, in the index's order."""
    try:
        index = shards.read_index(path)
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    contents = {file: read(file) for file in index.files}
    tensors: dict[str, Any] = {}
    for name, file in index.places.items():
        value = contents[file].value
        if not isinstance(value, Mapping) or not isinstance(value.get(name), torch.Tensor):
            raise WeightsError(
                f"it says that {name} lies in {file.name}, which has no such tensor",
                where=path.name,
                fix="index and files are of different versions: fetch them together",
            )
        tensors[name] = value[name]
    more = sum(len(content.value) for content in contents.values()) - len(tensors)
    if more:
        raise WeightsError(
            f"its files hold {more} entries that it does not name",
            where=path.name,
            fix="index and files are of different versions: fetch them together",
        )
    unbuilt = sorted({name for content in contents.values() for name in content.unbuilt})
    return Content(tensors, tuple(unbuilt), len(index.files))


def refuse_networks(content: Content, path: Path) -> None:
    """Refuse a file whose weights are inside of whole pickled networks: reading those takes their code.

    Raises:
        WeightsError: with the line that converts it.
    """
    values = content.value.values() if isinstance(content.value, Mapping) else [content.value]
    found = sorted({value.name() for value in values if isinstance(value, inert.Inert) and _is_network(value)})
    states = [v for v in values if isinstance(v, Mapping) and any(isinstance(t, torch.Tensor) for t in v.values())]
    if found and not states:
        raise _whole_network(path, found)


def _whole_network(path: Path, classes: Sequence[str]) -> WeightsError:
    """With the line that keeps the state dictionaries of whole networks, under the keys that they have."""
    what = f"it holds a whole pickled network ({', '.join(classes[:_SHOWN])}), and building that would run its code"
    fix = _if_trusted(
        f"import torch; m = torch.load({path.name!r}, map_location='cpu', weights_only=False); "
        "m = m if isinstance(m, dict) else {'model': m}; "
        "torch.save({k: v.state_dict() for k, v in m.items() if hasattr(v, 'state_dict')}, 'weights.pth')"
    )
    return WeightsError(what, where=path.name, fix=fix)


def how_to_convert(path: Path) -> str:
    """The line that keeps the tensors of a file whose other content takes its own code to be read."""
    return _if_trusted(
        f"import torch; m = torch.load({path.name!r}, map_location='cpu', weights_only=False); "
        "s = lambda v: v.state_dict() if hasattr(v, 'state_dict') else v; m = s(m); "
        "t = lambda v: {k: torch.as_tensor(x) for k, x in v.items() if hasattr(x, 'shape')}; "
        "torch.save({**t(m), **{k: t(s(v)) for k, v in m.items() if hasattr(s(v), 'items')}}, 'weights.pth')"
    )


def _if_trusted(code: str) -> str:
    return f"if you trust its origin, convert it once where its own code is installed: {python_line(code)}"


def python_line(code: str) -> str:
    """The command line that runs some Python, for a shell to take."""
    quoted = shlex.quote(code) if re.search(r'["$`\\!]', code) else f'"{code}"'
    return f"python -c {quoted}"


def _is_network(value: inert.Inert) -> bool:
    state = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
    return isinstance(state, Mapping) and {"_modules", "_parameters"} <= state.keys()


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


def _read_pickled(path: Path) -> Content:
    with path.open("rb") as stream:
        begins = stream.read(max(len(_LEGACY), 262))
    if begins.startswith(b"PK"):
        return _read_torch(path, legacy=False)
    if begins.startswith(_LEGACY):
        return _read_torch(path, legacy=True)
    if begins[257:262] == b"ustar":
        what = "a tar archive, as PyTorch before 0.4 wrote them, or one that only holds a checkpoint"
        raise WeightsError(what, where=path.name, fix="unpack it, or save the state dictionary anew")
    return _read_numpy(path)


def _read_numpy(path: Path) -> Content:
    """A plain pickle."""
    try:
        value, unbuilt = inert.read_pickle(path.read_bytes(), path.name)
    except _READ_ERRORS as error:
        raise _damaged(path, error) from error
    return Content(inert.as_tensors(value), unbuilt)


def _read_torch(path: Path, *, legacy: bool) -> Content:
    """What torch.save wrote, with stand-ins for everything that torch itself does not take for harmless."""
    try:
        if not legacy and _is_torchscript(path):
            loaded = f"torch.jit.load({path.name!r}, map_location='cpu')"
            code = f"import torch; torch.save({loaded}.state_dict(), 'weights.pth')"
            raise WeightsError("a TorchScript program, not a state dictionary", where=path.name, fix=_if_trusted(code))
        every = _named_in(path, legacy=legacy)
    except _READ_ERRORS as error:
        raise _damaged(path, error) from error
    for name in sorted(every):
        if inert.asks_to_run(name):
            raise inert.refused(name, path.name)
    named = frozenset(name for name in every if not _is_torchs(name))
    kinds: dict[str, str] = {}
    for _ in range(len(named) + 1):
        try:
            value = _load(path, named, kinds)
        except _READ_ERRORS as error:
            if not _learns(str(error), kinds):
                raise _unreadable(path, error, named) from error
        else:
            return Content(inert.as_tensors(value), tuple(sorted(n for n in named if inert.is_object(n))))
    raise WeightsError("it holds more than tensors", where=path.name, fix=how_to_convert(path))


def _load(path: Path, named: frozenset[str], kinds: Mapping[str, str]) -> Any:
    stand_ins: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        inert.stand_in(name, kind=kinds.get(name, "")) for name in sorted(named)
    ]
    with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
        # torch warns of a pickle protocol that is not its own; then it reads the file all the same, or raises.
        warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
        return torch.load(path, weights_only=True, map_location="cpu")


def _learns(said: str, kinds: dict[str, str]) -> bool:
    """Note that a class is one of dictionaries or of lists, which torch only fills where they are its own."""
    found = re.search(r"(SETITEMS?|append)\b.*got <class '([\w.]+)'>", said, re.S)
    if found is None or found[2] in kinds:
        return False
    kinds[found[2]] = "list" if found[1] == "append" else "dictionary"
    return True


def _unreadable(path: Path, error: BaseException, named: frozenset[str]) -> WeightsError:
    if "persistent_load" in str(error) and named:  # a legacy file names the source of each of its networks so
        return _whole_network(path, sorted(filter(inert.is_object, named)))
    foreign = re.search(
        r"GLOBAL ([\w.]+)|[Uu]nsupported class ([\w.]+)|got <class '([\w.]+)'>|(pickle protocol|operand) \d+",
        str(error),
    )
    if foreign is None:
        return _damaged(path, error)
    if foreign[4]:
        what = "it was saved with a pickle protocol that is not read as data"
        return WeightsError(what, where=path.name, fix=how_to_convert(path))
    what = f"it holds more than tensors ({next(filter(None, foreign.groups()))}), and reading that would run its code"
    return WeightsError(what, where=path.name, fix=how_to_convert(path))


def _named_in(path: Path, *, legacy: bool) -> frozenset[str]:
    """Every class and function that the pickles of a file name."""
    found: set[str] = set()
    with path.open("rb") as stream:
        if legacy:
            # the magic number, the version, the machine, the object; what follows are the storages
            found = {name for _ in range(4) for name in _globals_in(stream)}
        else:
            with zipfile.ZipFile(stream) as archive:
                for info in archive.infolist():
                    if info.filename.endswith("/data.pkl") and info.file_size <= _MOST_PICKLE_BYTES:
                        with archive.open(info) as member:
                            found.update(_globals_in(member))
    return frozenset(found)


def _is_torchs(name: str) -> bool:
    """Whether torch takes it, or refuses it with its own reason: its tensors, storages, dtypes and their rebuilding."""
    return name.rpartition(".")[0] in _TORCHS or name in _HARMLESS


def _globals_in(stream: Any) -> Iterator[str]:
    """The names after the operations that look one up, in one pickle, as Python 3 calls them."""
    memo: dict[int, str] = {}
    texts: list[str] = []  # pushed last, as STACK_GLOBAL takes its two
    try:
        for operation, argument, _ in pickletools.genops(stream):
            if operation.name in ("GLOBAL", "INST") and isinstance(argument, str):
                yield inert.modern_name(*argument.split(" ", 1))
            elif operation.name == "STACK_GLOBAL":
                yield inert.modern_name(*texts[-2:])
            elif operation.name == "MEMOIZE" or "PUT" in operation.name:
                memo[len(memo) if argument is None else int(str(argument))] = texts[-1] if texts else ""
            elif "GET" in operation.name:
                texts.append(memo.get(int(str(argument)), ""))
            elif "UNICODE" in operation.name or "STRING" in operation.name:
                texts.append(str(argument))
    except (ValueError, EOFError, UnicodeError):  # torch.load says better what is wrong
        return


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _damaged(path: Path, error: BaseException) -> WeightsError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    what = f"truncated, damaged or no checkpoint at all ({type(error).__name__}: {reason})"
    return WeightsError(what, where=path.name, fix="fetch the file again and compare its sha256")
