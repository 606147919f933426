"""One hash for what makes a deliverable's results beside its spec and weights, so that a record tells what made it:
all the Python code, and the configuration of a model that has one.

Standard library only: the host computes it to know whether a record may be kept, the verifier to check it.
"""

from __future__ import annotations

from pathlib import Path

from npu_eval.architectures import MODEL_FOLDER
from npu_eval.jsonio import canonical_sha256, file_sha256


def code_files(root: Path) -> tuple[Path, ...]:
    """Every Python file below a deliverable's folder and every file in `model/`, sorted by its relative path."""
    every = {*root.rglob("*.py"), *(root / MODEL_FOLDER).glob("*")}
    found = [p for p in every if p.is_file() and "__pycache__" not in p.parts]
    return tuple(sorted(found, key=lambda p: p.relative_to(root).as_posix()))


def code_sha256(root: Path) -> str:
    """Hash over the relative paths and contents of :func:`code_files`."""
    return canonical_sha256({p.relative_to(root).as_posix(): file_sha256(p) for p in code_files(root)})
