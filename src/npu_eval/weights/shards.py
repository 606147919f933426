"""Weights in several files: an index (`model.safetensors.index.json`) says which tensor lies in which of them.

The index stands for all of them. Their hash is that of the lines that ``sha256sum`` prints for the index and then for
its files in the order of their names, so that a person can compute it. Standard library only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from npu_eval.errors import RecordError, WeightsError
from npu_eval.jsonio import file_sha256, loads

SUFFIX = ".index.json"

IN_FOLDERS = (
    "model.safetensors",
    "pytorch_model.bin",
    f"model.safetensors{SUFFIX}",
    f"pytorch_model.bin{SUFFIX}",
    "sam3.pt",
)
"""The file that holds a folder's weights, as libraries and authors write them; the first that is there counts."""

_MOST_BYTES = 64 * 2**20
"""Of an index; the largest models have about 1 MiB."""


@dataclass(frozen=True)
class Index:
    """An index and where each tensor lies: its name → the file. Files lie beside the index."""

    path: Path
    places: dict[str, Path]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, sorted by name."""
        return tuple(sorted(set(self.places.values())))

    @property
    def size_bytes(self) -> int:
        """Of the index and its files together."""
        return sum(path.stat().st_size for path in (self.path, *self.files))

    @property
    def sha256(self) -> str:
        """Hash of the list of hashes: ``sha256sum INDEX FILES… | sha256sum`` in the folder."""
        lines = [f"{file_sha256(path)}  {path.name}\n" for path in (self.path, *self.files)]
        return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def is_index(path: Path) -> bool:
    """Whether a file is an index by its name."""
    return path.name.lower().endswith(SUFFIX)


def weights_of(folder: Path) -> Path | None:
    """The file or the index that holds a folder's weights: of the usual names, else the only index there."""
    usual = next((folder / name for name in IN_FOLDERS if (folder / name).is_file()), None)
    others = sorted(folder.glob(f"*{SUFFIX}")) if usual is None else []
    return others[0] if len(others) == 1 else usual


def read_index(path: Path) -> Index:
    """An index whose files are there.

    Raises:
        WeightsError: it is no index, names files elsewhere, or some are not beside it.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise WeightsError("too large for an index of weights", where=path.name, fix="fetch it again")
    try:
        value = loads(path.read_text(encoding="utf-8"), path.name)
    except (UnicodeDecodeError, RecordError) as error:
        raise WeightsError(f"no index of weights ({error})", where=path.name, fix="fetch it again") from error
    places = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(file, str) for file in places.values()):
        raise WeightsError("no index of weights: it has no weight_map", where=path.name, fix="fetch it again")
    outside = sorted({file for file in places.values() if not file or Path(file).name != file or file in (".", "..")})
    if outside:
        what = f"it names the file {outside[0]!r}, which is not beside it"
        raise WeightsError(what, where=path.name, fix="an index names files of its own folder")
    index = Index(path, {tensor: path.parent / file for tensor, file in places.items()})
    absent = [file.name for file in index.files if not file.is_file()]
    if absent:
        what = f"{len(absent)} of its {len(index.files)} files are not beside it: {', '.join(absent[:3])}"
        raise WeightsError(
            what, where=path.name, fix="fetch every file of the repository into one folder and name that"
        )
    return index
