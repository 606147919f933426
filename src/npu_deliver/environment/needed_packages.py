"""Which packages a deliverable's scripts import, by what loads the model. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BASE = ("torch", "numpy", "pillow")
_LIBRARY = {
    "timm": ("torchvision", "timm", "safetensors"),
    "torchvision": ("torchvision",),
    "transformers": ("torchvision", "transformers", "safetensors"),
    "npu_models": ("torchvision",),
}
_EVALUATORS = ("pycocotools", "hotcoco")
"""What the evaluation of a detector on a data set imports."""

SERVER = "uvicorn==0.54.0"
"""What `deploy.sh` needs beside the rest, in the version with which this project is tested. The image in which is
measured does not have it, so that a server can be added to what was measured."""


def package_key(name: str) -> str:
    """A project's name as the tables write it: small letters, and one underscore between its parts."""
    return re.sub(r"[-_.]+", "_", name).lower()


def needed(adapter: str, required: Sequence[str], *, evaluators: bool) -> tuple[str, ...]:
    """The names in the order in which requirements.txt lists them.

    Args:
        required: what the spec requires beside them.
        evaluators: a detector is evaluated on a data set.
    """
    library = adapter.partition(":")[0] if ":" in adapter else ""
    more = _EVALUATORS if evaluators else ()
    return tuple(dict.fromkeys([*_BASE, *_LIBRARY.get(library, ()), *more, *required]))
