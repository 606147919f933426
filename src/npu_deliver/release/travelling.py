"""The code that travels in a deliverable as this release has it: laid out when one is staged, run in its stead when
somebody else's is run again, and compared with what a folder holds. Read as files, never imported.

Of our packages those modules travel that a script of the folder needs, see `closure`. What an author adds is not here:
the adapter and the files of a model of transformers are his.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from npu_deliver.release.closure import closure, needed
from npu_deliver.spec.profiles import templates
from npu_eval import limits
from npu_eval.asked.architectures import MODEL_FOLDER
from npu_eval.asked.layout import Layout
from npu_eval.isolation import PACKAGES
from npu_eval.jsonio import file_sha256

SOURCES = frozenset({".py", ".pyw", ".sh"})
"""Endings of the scripts and modules that are looked at wherever they lie; of the packages every file is."""

_ALWAYS = ("npu_eval.isolation", "npu_eval.serving")
"""What every deliverable holds beside what its scripts import. They run the first by its path. The server needs
`deploy.sh` alone, but a record names the hash of all code, and adding a server later must void none.
"""

MOST_COMPARED_BYTES = 4 * 2**20
"""A script that is longer is told as changed, without the line: ours have some tens of kilobytes."""


@dataclass(frozen=True, kw_only=True)
class CodeDifference:
    """One file in which a folder's code is not the release's. ``how``: ``changed``, ``added``, ``missing``, or
    ``unused`` where it is the release's and no script of the folder needs it.

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
        if self.how == "unused":
            return f"{self.file}: is left over: the scripts of this folder run without it"
        where = f"line {self.line} is {self.found!r}, the release has {self.release!r}" if self.line else "other bytes"
        return f"{self.file}: is not the release's: {where}"


def scripts(layout: Layout) -> dict[str, Path]:
    """Path in a deliverable → file, of every script that one can hold."""
    return {name: path for name, path in templates(layout).items() if path.suffix != ".j2"}


def code(adapter: str, own: Path | None, layout: Layout, *, without: Collection[str] = ()) -> dict[str, Path]:
    """Path in a deliverable → file of this release, for all code but the author's.

    Args:
        adapter: the adapter's reference, such as ``timm:resnet50`` or ``adapter.py``.
        own: the author's own adapter file, whose text says what it needs; None where he has none.
        without: scripts that the folder does not hold.
    """
    laid_out = {name: path for name, path in scripts(layout).items() if name not in without}
    every = _packages()
    programs = (_text(own), *(path.read_bytes() for path in laid_out.values()))
    names = {*_ALWAYS, *_by_reference(adapter, _text(own), every), *(n for text in programs for n in needed(text))}
    return laid_out | {name: every[name] for name in sorted(closure(names, every))}


def brought_by(program: str) -> dict[str, Path]:
    """Path in a deliverable → file of this release, for the modules that a program of ours needs."""
    every = _packages()
    return {name: every[name] for name in sorted(closure(needed(program.encode()), every))}


def copy_code(files: Mapping[str, Path], target: Path) -> None:
    """Copy files to their paths in a folder."""
    for name, path in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)


def _by_reference(adapter: str, text: bytes, every: Collection[str]) -> Iterator[str]:
    """The modules that are loaded by what a spec says: a library's adapter, and a network of ours by its family. Which
    networks an author's own adapter builds only its run tells, so all of them come with one that names them.
    """
    library, colon, name = adapter.partition(":")
    if colon:
        yield f"npu_eval.models.adapters.{library}_models"
    family = f"npu_models.{name.partition('/')[0]}"
    built_in = bool(colon) and library == "npu_models"
    if built_in and f"{family.replace('.', '/')}.py" in every:
        yield family
    elif built_in or b"npu_models" in text:
        yield from (file.removesuffix(".py").replace("/", ".") for file in every if file.startswith("npu_models/"))


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

    A script of an experiment that a folder does not hold is no difference: not every deliverable has all of them, and
    one without it is without the modules that it alone needs.
    """
    own = None if ":" in adapter else folder / PurePosixPath(adapter).name
    found = {name: path for name, path in _code_of(folder) if own is None or path != own}
    release = code(adapter, own, layout, without=scripts(layout).keys() - found.keys())
    every = release | _packages()
    changed = {name: _compared(name, path, every[name]) for name, path in found.items() if name in every}
    unused = [name for name, other in changed.items() if other is None and name not in release]
    return (
        *(each for each in changed.values() if each is not None),
        *(CodeDifference(file=name, how="added") for name in found if name not in every),
        *(CodeDifference(file=name, how="unused") for name in unused),
        *(CodeDifference(file=n, how="missing") for n in release if n.partition("/")[0] in PACKAGES and n not in found),
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


def _packages() -> dict[str, Path]:
    """Every file of our packages."""
    return {name: path for package in PACKAGES for name, path in _package(package).items()}


def _package(name: str) -> dict[str, Path]:
    """The files of one of our packages, without caches and without what an editor or a desktop leaves."""
    folder = source(name)
    files = ((path.relative_to(folder), path) for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        f"{name}/{relative.as_posix()}": path
        for relative, path in files
        if "__pycache__" not in relative.parts and not path.name.startswith(".")
    }
