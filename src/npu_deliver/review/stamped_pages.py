"""What a page of a simulated NPU may not show: the verifier's own reading of it. Standard library only.

Such a page says what it is in its title; each of its verdicts says so again, because rows are quoted without their
page; and a time, a rate or a memory of the device has no place on it, whether it is that of the records or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TITLE = re.compile(r"^# (?!\[SIMULATED\] )")
_BARE_VERDICT = re.compile(r"\*\*(PASS|FAIL|NOT_MEASURED)\b(?! \(simulated\)\*\*)")
_TIME = re.compile(r"\d (?:ms|/s)(?![\w/])")
_BATCH_MEMORY = re.compile(r"^\| \d+ \|.*\d MiB\b")


def unstamped(text: str) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for everything on a simulated NPU's page that could be taken for a real one's."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _TITLE.search(line):
            yield number, "the title does not begin with [SIMULATED]"
        if found := _BARE_VERDICT.search(line):
            yield number, f"the verdict {found[1]} does not say that it is simulated"
        if _TIME.search(line) or _BATCH_MEMORY.search(line):
            yield number, "shows a time or a memory of a simulated NPU"
