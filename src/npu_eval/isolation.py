"""What a deliverable's scripts may import: its own two packages, from their sources; everything else from the Python
that runs them.

Each script runs this file before it imports anything. Then nothing that lies in the folder or in the working directory
(`torch.py`, `evaluation/json.py`, a compiled copy in `__pycache__`, a shared library) is imported in the place of what
a script asks for, and what `verify` hashes is what runs. Directories of PYTHONPATH come after the installed packages:
CANN's `set_env.sh` names its operator compiler there, which must be found and shadows nothing.

As a program, ``python isolation.py MODULE …`` runs a module so. Standard library only, and none of it until the search
path is in order.
"""

from __future__ import annotations

import os
import sys

PACKAGES = ("npu_eval", "npu_models")
"""Those that travel: the first in every deliverable, of the second the part that a model needs."""


def enter(root: str) -> None:
    """Put the search path in order, and let the packages of ``root`` be found in it alone, by their ``.py`` files."""
    root = os.path.realpath(root)
    sys.dont_write_bytecode = True  # a deliverable stays as it was sealed
    sys.path[:] = in_order(sys.path, root)
    from importlib.abc import MetaPathFinder
    from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader

    class Source(SourceFileLoader):
        """Compiles the source each time: a compiled copy can say anything."""

        def get_code(self, fullname: str) -> object:  # type: ignore[override]
            path = self.get_filename(fullname)
            return self.source_to_code(self.get_data(path), path)

    def finder(path: str) -> FileFinder:
        if not any(_inside(path, os.path.join(root, package)) for package in PACKAGES):
            raise ImportError
        return FileFinder(path, (Source, [".py"]))

    class Packages(MetaPathFinder):
        """Finds the packages of the folder before anybody else is asked."""

        def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
            if fullname not in PACKAGES or not os.path.isdir(os.path.join(root, fullname)):
                return None
            return FileFinder(root, (Source, [".py"])).find_spec(fullname)

    sys.path_hooks.insert(0, finder)
    sys.meta_path.insert(0, Packages())
    sys.path_importer_cache.clear()


def in_order(entries: list[str], root: str) -> list[str]:
    """A search path with the standard library and the installed packages first, and then what stood before them, which
    is PYTHONPATH, without places in ``root`` and relative ones.
    """
    library = os.path.dirname(os.__file__)
    start = entries.index(library) if library in entries else 0
    before = [entry for entry in entries[:start] if os.path.isabs(entry) and not _inside(entry, root)]
    return [*entries[start:], *before]


def _inside(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(folder, ""))


if __name__ == "__main__":
    enter(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
