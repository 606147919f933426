"""Named tensors in one file, in the safetensors format, with torch alone.

A deliverable may import no package beyond torch and numpy, and the format is small: eight bytes with the length of a
JSON header, the header (name -> dtype, shape and byte range), the bytes
(https://huggingface.co/docs/safetensors, "Format"). Whoever has the package `safetensors` reads these files too.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from npu_eval.errors import RecordError

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The format's names of the dtypes that outputs and inputs of networks have."""

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit; a longer header is no header."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_FIX = "copy the file again from where it was made"


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors of any device to a file that must not be there yet; nothing is flushed or renamed.

    Raises:
        RecordError: a tensor has a dtype that the format does not know.
    """
    header: dict[str, Any] = {}
    end = 0
    ordered = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # each stays aligned
    for name in ordered:
        tensor = tensors[name]
        if tensor.dtype not in _NAMES:
            raise RecordError(f"tensor '{name}' is {tensor.dtype}, which cannot be stored", where=path.name)
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with path.open("xb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in ordered:
            stream.write(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a file, on the CPU, by name.

    Raises:
        RecordError: it cannot be read, is cut short, or is no such file.
    """
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(stream.read(length))
            header.pop("__metadata__", None)
            return {name: _read(stream.read, entry) for name, entry in _in_order(header, size - 8 - length)}
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror})", where=path.name, fix=_FIX) from error
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise RecordError(f"is cut short or no safetensors file ({reason})", where=path.name, fix=_FIX) from error


def _in_order(header: dict[str, Any], size: int) -> list[tuple[str, dict[str, Any]]]:
    """The entries by their place in the file, which they must cover without holes."""
    entries = sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"]))
    end = 0
    for name, entry in entries:
        begin, stop = entry["data_offsets"]
        if begin != end or stop - begin != math.prod(entry["shape"]) * DTYPES[entry["dtype"]].itemsize:
            raise ValueError(f"tensor '{name}' lies at {begin} to {stop}")
        end = stop
    if end != size:
        raise ValueError(f"{size} bytes of data, not {end}")
    return entries


def _read(read: Any, entry: dict[str, Any]) -> torch.Tensor:
    begin, end = entry["data_offsets"]
    dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
    if begin == end:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(read(end - begin)), dtype=dtype).reshape(shape)
