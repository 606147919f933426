"""One hash for what makes a deliverable's results beside its spec and weights, so that a record tells what made it:
all the Python code, and the configuration of a model that has one.

Standard library only: the host computes it to know whether a record may be kept, the verifier to check it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from npu_eval.asked.architectures import MODEL_FOLDER
from npu_eval.jsonio import canonical_sha256, file_sha256

CACHE = "__pycache__"
"""Python's folders of compiled copies. A copy can run without a look at its source (PEP 552, unchecked hashes)."""

_SOURCE = re.compile(r".+\.pyw?")
_COMPILED = re.compile(r".+\.(py[cod]|so([.]\d+)*|dll|dylib|pth|egg(-link)?|whl|pyz|zip)", re.IGNORECASE)


def is_compiled(name: str) -> bool:
    """Whether a file of this name is code that cannot be read, or leads Python to some: no deliverable holds any."""
    return _COMPILED.fullmatch(name) is not None


def is_code(name: str) -> bool:
    """Whether a file of this name is one that Python imports or runs, from its source or compiled."""
    return _SOURCE.fullmatch(name) is not None or is_compiled(name)


def code_files(root: Path) -> tuple[Path, ...]:
    """Every file in `model/` and every file below a deliverable's folder that Python could import, sorted by its
    relative path. Compiled copies in `__pycache__` are left out: the scripts never read them (see `isolation`), and a
    folder that holds any does not pass for one.
    """
    found = {path for path in (root / MODEL_FOLDER).glob("*") if path.is_file() and path.name != CACHE}
    for folder, _, names in os.walk(root):
        cache = Path(folder).name == CACHE
        found |= {Path(folder, n) for n in names if _SOURCE.fullmatch(n) or (is_compiled(n) and not cache)}
    return tuple(sorted(filter(Path.is_file, found), key=lambda p: p.relative_to(root).as_posix()))


def code_sha256(root: Path) -> str:
    """Hash over the relative paths and contents of :func:`code_files`."""
    return canonical_sha256({p.relative_to(root).as_posix(): file_sha256(p) for p in code_files(root)})
