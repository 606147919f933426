"""The reference's values on disk: every storage as it was after each operator that wrote it.

A tensor is named by the storage state it shows and its place in it, so views and repeated inputs cost nothing.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from npu_eval.errors import ConfigError

ALIGNMENT = 64
"""Bytes; every value starts at a multiple, so that any dtype can be read in place."""


@dataclass(frozen=True)
class Ref:
    """A tensor of the reference.

    ``kind`` is ``value`` (computed by an operator), ``input`` (of the model), ``constant`` (made outside of any
    operator), ``state`` (a parameter or buffer, ``name``) or ``unfilled``. ``value`` numbers the stored value, -1 for
    none.
    """

    kind: str
    value: int
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


What = TypeVar("What")


@dataclass
class Storages(Generic[What]):
    """What is known of each storage that is alive, by its identity; a freed one is never mistaken for a new one."""

    _known: dict[int, tuple[StorageWeakRef, What]] = field(default_factory=dict)

    def note(self, tensor: torch.Tensor, what: What) -> None:
        """Remember ``what`` of the tensor's storage."""
        storage = tensor.untyped_storage()
        self._known[storage._cdata] = (StorageWeakRef(storage), what)  # noqa: SLF001  the storage's identity

    def of(self, tensor: torch.Tensor) -> What | None:
        """What was noted of the tensor's storage."""
        entry = self._known.get(tensor.untyped_storage()._cdata)  # noqa: SLF001
        return None if entry is None else entry[1]

    def forget(self, tensor: torch.Tensor) -> None:
        """Note that nothing is known any more."""
        self._known.pop(tensor.untyped_storage()._cdata, None)  # noqa: SLF001


def has_storage(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a plain array of numbers: not sparse, quantised, complex or nested."""
    return tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_complex() or tensor.is_nested)


class Store(Protocol):
    """Takes the bytes of storages; numbers them from 0."""

    def add(self, tensor: torch.Tensor) -> int:
        """Take the whole storage of a tensor."""
        ...


def _storage_bytes(tensor: torch.Tensor) -> torch.Tensor:
    storage = tensor.untyped_storage()
    flat = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage, 0, (storage.nbytes(),), (1,))
    return flat.cpu()


@dataclass
class CountingStore:
    """Keeps only sizes and checksums: how much a recording needs, and whether two runs agree."""

    sizes: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)

    def add(self, tensor: torch.Tensor) -> int:
        """Count the bytes of the tensor's storage."""
        content = _storage_bytes(tensor).numpy()
        self.sizes.append(-(-content.size // ALIGNMENT) * ALIGNMENT)
        self.checksums.append(zlib.crc32(memoryview(content)))
        return len(self.sizes) - 1

    @property
    def nbytes(self) -> int:
        """Bytes on disk that a recording of the same run needs."""
        return sum(self.sizes)


class DiskStore:
    """Values one after another in one file, read back as copy-on-write maps that cost no memory until looked at.

    Args:
        path: the file.
        places: where each value starts and how many bytes it has, of a file that is there already; else it is made.
    """

    def __init__(self, path: Path, places: Sequence[tuple[int, int]] | None = None) -> None:
        self.path = path
        self.checksums: list[int] = []
        self._places = list(places or ())
        self._end = max((offset + size for offset, size in self._places), default=0)
        self._file = path.open("wb") if places is None else None

    def add(self, tensor: torch.Tensor) -> int:
        """Append the tensor's storage.

        Raises:
            ConfigError: the disk is full.
        """
        assert self._file is not None, "a file that was there is only read"
        content = _storage_bytes(tensor).numpy()
        try:
            self._file.write(memoryview(content))
            self._file.write(bytes(-content.size % ALIGNMENT))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ConfigError(
                f"the disk is full after {self._end >> 20} MiB of the recording",
                where=str(self.path.parent),
                fix="free some space or set TMPDIR to a larger disk",
            ) from error
        self._places.append((self._end, content.size))
        self.checksums.append(zlib.crc32(memoryview(content)))
        self._end += -(-content.size // ALIGNMENT) * ALIGNMENT
        return len(self._places) - 1

    def finish(self) -> None:
        """Make everything readable."""
        if self._file is not None:
            self._file.close()

    def tensor(self, ref: Ref) -> torch.Tensor:
        """The tensor that ``ref`` names, on the CPU; changes to it never reach the disk."""
        offset, size = self._places[ref.value]
        if size == 0:
            return torch.empty(ref.shape, dtype=ref.dtype)
        content = np.memmap(self.path, dtype=np.uint8, mode="c", offset=offset, shape=(size,))
        whole = size // ref.dtype.itemsize * ref.dtype.itemsize
        flat = torch.from_numpy(content[:whole]).view(ref.dtype)
        return flat.as_strided(ref.shape, ref.stride, ref.offset)

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return self._end

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Offset and bytes of each value."""
        return tuple(self._places)
