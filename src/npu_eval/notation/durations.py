"""Lengths of time as people write them."""

from __future__ import annotations

import re

_IN_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """``90``, ``90s``, ``10m`` or ``1.5h`` as seconds.

    Raises:
        ValueError: it is no length of time above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"'{text}' is no length of time; write 90s, 10m or 1.5h")
    return float(match[1]) * _IN_SECONDS[match[2]]
