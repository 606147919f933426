"""A module that is found before the library of its name: a `random.py` beside a script, or in a folder of PYTHONPATH.

Python imports it in the library's place, and what fails then speaks of the library. Standard library only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = frozenset(
    (
        "cv2",
        "docker",
        "fcntl",
        "jinja2",
        "matplotlib",
        "numpy",
        "PIL",
        "pycocotools",
        "pydantic",
        "rich",
        "safetensors",
        "scipy",
        "timm",
        "torch",
        "torch_npu",
        "torchvision",
        "transformers",
        "typer",
        "yaml",
    )
)
"""What this project and adapters import beside Python's own library."""

_NAMED = (
    re.compile(r"No module named '(?P<name>\w+)(?:\.[\w.]+)?'"),
    re.compile(r"module '(?P<name>\w+)[\w.]*' has no attribute"),
    re.compile(r"cannot import name '\w+' from (?:partially initialized module )?'(?P<name>\w+)[\w.]*'"),
    re.compile(r"partially initialized module '(?P<name>\w+)"),
)
_FILES = (
    # a frame of the file that the line before imports; Python 3.11 underlines that line
    re.compile(
        r'\n +(?:import|from) [^\n]*\b(?P<name>\w+)\b[^\n]*\n(?: +[~^]+ *\n)? +File "(?P<path>[^"\n]*/(?P=name)'
        r'(?:/__init__)?\.py)"'
    ),
    re.compile(r'File "<string>", line \d+, in <module>\n +File "(?P<path>[^"\n]*/(?P<name>\w+)(?:/__init__)?\.py)"'),
    re.compile(r"from (?:partially initialized module )?'(?P<name>\w+)[\w.]*' \((?P<path>[^()\n]+\.py)\)"),
    re.compile(r"'(?P<name>\w+)' has no attribute .*\(consider renaming '(?P<path>[^'\n]+\.py)'"),
)
_INSTALLED = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python\d|/python\d[\d.]*/|/cpython-|<frozen")


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """``path`` is imported where the library ``name`` is meant."""

    name: str
    path: str

    @property
    def what(self) -> str:
        """The fault in words."""
        return f"'import {self.name}' finds {self.path}, which hides the library of that name"

    @property
    def fix(self) -> str:
        """What to do."""
        return "rename that file, or take its folder out of PYTHONPATH"


def shadow_in(said: str, places: Iterable[Path | str] = ()) -> Shadow | None:
    """The shadow that an error's text with its traceback tells of.

    Args:
        said: lines as Python prints them.
        places: the folders in which modules were looked for, where they can be looked into.
    """
    for found in (each for pattern in _FILES for each in pattern.finditer(said)):
        if _is_library(found["name"]) and not _INSTALLED.search(found["path"]) and not _in_package(Path(found["path"])):
            return Shadow(name=found["name"], path=found["path"])
    names = dict.fromkeys(found["name"] for pattern in _NAMED for found in pattern.finditer(said))
    for name in filter(_is_library, names):
        for place in map(Path, places):
            for path in (place / f"{name}.py", place / name / "__init__.py", place / name):
                if path.exists() and not _INSTALLED.search(f"{path}"):
                    return Shadow(name=name, path=str(path))
    return None


def _in_package(path: Path) -> bool:
    return path.name != "__init__.py" and (path.parent / "__init__.py").exists()


def _is_library(name: str) -> bool:
    return name in LIBRARIES or name in sys.stdlib_module_names
