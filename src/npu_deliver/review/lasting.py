"""What must hold in a deliverable whatever version made it: nothing here knows the rules of a version.

The checks are those of `verify_deliverable.py`, which reads the files as they are: hashes of hashes, verdicts against
their own values, means of samples. It is our copy of it that runs here, never that of the folder.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npu_deliver.spec.profiles import templates_folder
from npu_eval.asked.layout import NPU_DELIVERABLES

FILE = "verify_deliverable.py"


def check(folder: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """((file, what) for each contradiction, (file, what) for what is not laid out so that this could be checked)."""
    checker, layout = _one_file()
    found = checker(folder, whole=False)
    return [each for each in found if each[0] != layout], [each for each in found if each[0] == layout]


@functools.cache
def _one_file() -> tuple[Callable[..., list[tuple[str, str]]], str]:
    """`check` of the one-file verifier, and the name under which it tells of what it cannot read."""
    spec = importlib.util.spec_from_file_location("verify_deliverable", templates_folder(NPU_DELIVERABLES.name) / FILE)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check, module.LAYOUT
