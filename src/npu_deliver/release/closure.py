"""What a program brings with it: the modules of our packages that it needs, directly or not, found in the source.

A module is needed where an ``import`` names it, in a function too, and where a text constant is its whole name
(``"npu_eval.under_test.worker"``): so a module that is loaded, or started, by name is declared where that happens.
Nothing is imported. Standard library only.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

_NAMED = re.compile(rb"(?<![\w./-])npu_(?:eval|models)(?:\.[A-Za-z_]\w*)+(?![\w/.-])")
"""A module by its whole name in a command line."""

_TEXT = re.compile(rb"""(["'])(npu_(?:eval|models)(?:\.[A-Za-z_]\w*)+)\1""")
"""A text constant that is one."""

_PACKAGE = "__init__.py"
_PROGRAM = "__main__.py"


@functools.cache
def needed(program: bytes) -> frozenset[str]:
    """The dotted names that a program asks for, of modules and of what is in them; of a shell script those it names.

    What is no Python that this interpreter reads asks for nothing: it does not run either.
    """
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(name.decode() for name in _NAMED.findall(program))
    return frozenset((*_imported(tree), *(text.decode() for _, text in _TEXT.findall(program))))


def _imported(tree: ast.Module) -> Iterator[str]:
    """What the import statements name. Statements alone are looked at, since expressions, which are most of a tree,
    hold none.
    """
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        for part in _BLOCKS:
            pending += getattr(node, part, ())


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a node of a syntax tree holds statements."""


def closure(names: Iterable[str], files: Mapping[str, Path]) -> frozenset[str]:
    """The files that some modules need: they themselves, what they import, and the packages that hold any of these.

    A package comes with its data, such as a font, and with its ``__main__``.

    Args:
        names: dotted names; what leads to no file is somebody else's.
        files: path in a deliverable → file, of everything that there is of our packages.
    """
    data = _data(files)
    found: set[str] = set()
    pending = set(names)
    while pending:
        new = {file for name in pending for file in _files_of(name, files, data)} - found
        found |= new
        pending = {name for file in new if file.endswith(".py") for name in needed(files[file].read_bytes())}
    return frozenset(found)


def _files_of(name: str, files: Mapping[str, Path], data: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The file of a module and those of the packages above it; of a name in a module, the module's."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        place = "/".join(parts[:depth])
        own = (f"{place}/{_PACKAGE}", f"{place}/{_PROGRAM}", f"{place}.py")
        yield from (file for file in own if file in files)
        yield from data.get(place, ())


def _data(files: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """Package → what lies in it and is no module; a folder that is no package belongs to the one above it."""
    found: dict[str, tuple[str, ...]] = {}
    for name in files:
        if not name.endswith(".py"):
            above = (str(folder) for folder in PurePosixPath(name).parents)
            package = next((folder for folder in above if f"{folder}/{_PACKAGE}" in files), "")
            found[package] = (*found.get(package, ()), name)
    return found
