"""Which files of a tree belong to one submission: pure, on names alone, in time linear in their number."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

_README = re.compile(r"readme(?:[._-][\w.-]*)?$")
_WHOLE = frozenset({"manifest.json", "summary.json", "inference.py"})
"""A folder with one of these is a deliverable: what lies below it, further READMEs too, is part of it."""
_PAGES = (".md", ".markdown")


@dataclass(frozen=True, slots=True)
class Lot:
    """One submission. ``root`` is its folder relative to the tree, empty for the tree itself; ``files`` are its own,
    ``names`` all that lie below the root, those of nested submissions too, relative to it. ``alone``: a report without
    a README beside it, which nothing else belongs to.
    """

    root: str
    files: tuple[str, ...]
    names: frozenset[str]
    alone: bool = False


def lots(names: Iterable[str]) -> list[Lot]:
    """The submissions of a tree, in the order of their roots; ``names`` are its files, relative, with slashes.

    A folder with a README is a submission, and so is each nested one, unless it lies inside a deliverable
    (``summary.json``, ``MANIFEST.json``, ``inference.py`` or a folder ``npu_deliverables`` tell). Other files belong to
    the nearest such folder above them. Without any, a tree with one report is a submission, and of a tree with many
    each report stands alone.
    """
    everything = list(names)
    folders: dict[str, list[str]] = defaultdict(list)
    for name in everything:
        folder, _, file = name.rpartition("/")
        folders[folder].append(file)
    roots = _roots(folders)
    own: dict[str, list[str]] = {root: [] for root in roots}
    loose: list[str] = []
    below: dict[str, list[str]] = {root: [] for root in roots}
    for name in everything:
        above = [folder for folder in _ancestors(name) if folder in own]
        for root in above:
            below[root].append(name[len(root) + 1 :] if root else name)
        (own[above[0]] if above else loose).append(name)
    found = [Lot(root, tuple(own[root]), frozenset(below[root])) for root in sorted(roots)]
    return [*_without_readme(loose, nested=bool(roots)), *found]


def _roots(folders: dict[str, list[str]]) -> set[str]:
    """The folders at which a submission begins."""
    marked = {folder for folder, files in folders.items() if _is_deliverable(files)}
    marked |= {str(PurePosixPath(folder).parent) for folder in folders if folder.endswith("/npu_deliverables")}
    marked |= {""} if "npu_deliverables" in folders else set()
    with_readme = {folder for folder, files in folders.items() if any(map(_is_readme, files))}
    starts = marked | with_readme
    return {folder for folder in starts if not any(above in marked for above in _ancestors(folder))}


def _is_deliverable(files: list[str]) -> bool:
    lower = {file.lower() for file in files}
    return (bool(lower & _WHOLE) and any(map(_is_readme, files))) or "summary.json" in lower


def is_deliverable(names: Iterable[str]) -> bool:
    """Whether a folder with these files, relative to it, is a deliverable."""
    top = [name for name in names if "/" not in name]
    return _is_deliverable(top) or any(name.startswith("npu_deliverables/") for name in names)


def _is_readme(file: str) -> bool:
    return bool(_README.match(file.lower()))


def _ancestors(name: str) -> list[str]:
    """The folders above a file or folder, the nearest first, the tree itself last."""
    out = []
    while name:
        name = name.rpartition("/")[0]
        out.append(name)
    return out


def _without_readme(loose: list[str], *, nested: bool) -> list[Lot]:
    """Files below no README: one submission where they are one report with its files, else each report alone."""
    pages = [name for name in loose if name.lower().endswith(_PAGES)]
    if not nested and len(pages) <= 1:
        return [Lot("", tuple(loose), frozenset(loose))] if loose else []
    return [Lot("", (page,), frozenset(), alone=True) for page in pages]
