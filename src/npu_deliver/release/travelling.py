"""The code that travels in a deliverable as this release has it: laid out when one is staged, run in its stead when
somebody else's is run again, and compared with what a folder holds. Read as files, never imported.

What an author adds is not here: the adapter and the files of a model of transformers are his.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from npu_deliver.spec.profiles import templates
from npu_eval import limits
from npu_eval.asked.architectures import MODEL_FOLDER
from npu_eval.asked.layout import Layout
from npu_eval.isolation import PACKAGES
from npu_eval.jsonio import file_sha256

SOURCES = frozenset({".py", ".pyw", ".sh"})
"""Endings of the scripts and modules that are looked at wherever they lie; of the packages every file is."""

_SYSTEMS = ("sam3",)
"""Folders of `npu_eval` that serve one system alone, and travel with an adapter that names them."""

MOST_COMPARED_BYTES = 4 * 2**20
"""A script that is longer is told as changed, without the line: ours have some tens of kilobytes."""


@dataclass(frozen=True, kw_only=True)
class CodeDifference:
    """One file in which a folder's code is not the release's. ``how``: ``changed``, ``added`` or ``missing``.

    ``line`` is the first line that differs, counted from 1, with what stands there and what the release has; 0 where
    there are no lines to compare.
    """

    file: str
    how: str
    line: int = 0
    found: str = ""
    release: str = ""

    def __str__(self) -> str:
        if self.how == "added":
            return f"{self.file}: is code that is not the release's"
        if self.how == "missing":
            return f"{self.file}: is missing; the release has it"
        where = f"line {self.line} is {self.found!r}, the release has {self.release!r}" if self.line else "other bytes"
        return f"{self.file}: is not the release's: {where}"


def code(adapter: str, own: Path | None, layout: Layout) -> dict[str, Path]:
    """Path in a deliverable → file of this release, for all code but the author's.

    Args:
        adapter: the adapter's reference, such as ``timm:resnet50`` or ``adapter.py``.
        own: the author's own adapter file, whose text says whether it needs `npu_models`; None where he has none.
    """
    found = {name: path for name, path in templates(layout).items() if path.suffix != ".j2"}
    library, colon, name = adapter.partition(":")
    text = _text(own)
    wanted = [system for system in _SYSTEMS if f"npu_eval.{system}".encode() in text]
    found |= _package("npu_eval", adapters=library if colon else "", systems=wanted)
    if library == "npu_models" and colon:
        found |= _network(name.partition("/")[0])
    elif b"npu_models" in text:
        found |= _package("npu_models")
    return found


def _text(adapter: Path | None) -> bytes:
    """An author's own adapter; nothing where he has none."""
    if adapter is None or not limits.is_file(adapter.parent, adapter.name):
        return b""
    with adapter.open("rb") as stream:
        return stream.read(MOST_COMPARED_BYTES)


def source(package: str) -> Path:
    """Where one of our packages lies, found without importing it."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def differences(folder: Path, adapter: str, layout: Layout) -> tuple[CodeDifference, ...]:
    """Where a folder's code is not this release's, file by file; the author's own adapter and model files are let be.

    A script of an experiment that a folder does not hold is no difference: not every deliverable has all of them.
    """
    own = None if ":" in adapter else folder / PurePosixPath(adapter).name
    release = code(adapter, own, layout)
    found = {name: path for name, path in _code_of(folder) if own is None or path != own}
    changed = [_compared(name, path, release[name]) for name, path in found.items() if name in release]
    needed = [name for name in release if name.partition("/")[0] in PACKAGES]
    return (
        *(each for each in changed if each is not None),
        *(CodeDifference(file=name, how="added") for name in found if name not in release),
        *(CodeDifference(file=name, how="missing") for name in needed if name not in found),
    )


def _code_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """What a folder holds of our packages, and every other script, but for the model's own files.

    Compiled code and Python's caches are the manifest's concern.
    """
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (path.is_dir() and not path.is_symlink()) or "__pycache__" in relative.parts:
            continue
        ours = relative.parts[0] in PACKAGES and len(relative.parts) > 1
        if ours or (path.suffix.lower() in SOURCES and relative.parts[0] != MODEL_FOLDER):
            yield relative.as_posix(), path


def _compared(name: str, found: Path, release: Path) -> CodeDifference | None:
    if found.is_symlink() or not found.is_file():
        return CodeDifference(file=name, how="changed")
    if found.stat().st_size == release.stat().st_size and file_sha256(found) == file_sha256(release):
        return None
    if release.suffix in (".py", ".sh") and found.stat().st_size <= MOST_COMPARED_BYTES:
        ours, theirs = (path.read_bytes().decode("utf-8", "replace").split("\n") for path in (release, found))
        pairs = enumerate(zip([*ours, _END], [*theirs, _END], strict=False), start=1)
        line, (here, there) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
        return CodeDifference(file=name, how="changed", line=line, found=there.strip()[:80], release=here.strip()[:80])
    return CodeDifference(file=name, how="changed")


_END = "(end of the file)"


def _package(name: str, *, adapters: str = "", systems: Collection[str] = ()) -> dict[str, Path]:
    """The files of one of our packages. Of the adapters only the one of a library, or none; of the folders that serve
    one system alone only the named ones.
    """
    folder = source(name)
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            not path.is_file() or "__pycache__" in relative.parts or path.name.startswith(".")
        ):  # an editor's, a desktop's
            continue
        if path.parent.name == "adapters" and path.name not in ("__init__.py", f"{adapters}_models.py"):
            continue
        if relative.parts[0] in _SYSTEMS and relative.parts[0] not in systems:
            continue
        found[f"{name}/{relative.as_posix()}"] = path
    return found


def _network(family: str) -> dict[str, Path]:
    """The modules of `npu_models` that one family of networks imports, directly or not; all where there is no such."""
    every = _package("npu_models")
    wanted = {"npu_models/__init__.py", "npu_models/random_weights.py", f"npu_models/{family}.py"}
    if not wanted <= every.keys():
        return every
    pending = list(wanted)
    while pending:
        text = every[pending.pop()].read_text(encoding="utf-8")
        named = re.findall(r"^\s*(?:from|import) npu_models\.([\w.]+)", text, re.M)
        found = {f"npu_models/{name.replace('.', '/')}.py" for name in named}
        found |= {f"npu_models/{name.partition('.')[0]}/__init__.py" for name in named if "." in name}
        pending += sorted(found - wanted)
        wanted |= found
    return {name: every[name] for name in sorted(wanted)}
