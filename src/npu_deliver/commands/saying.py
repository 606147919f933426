"""What the commands print: here, and nowhere else, text goes to standard output.

A folder's names, labels and titles are a stranger's. A line that is said holds no control character of theirs, whatever
it was put together from, and ends where it ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from npu_eval.process.streams import spells_all
from npu_eval.process.visible import visible_json, visible_line

_LONGEST = 4000
"""Characters of a line; a longer one is a stranger's."""


def say(line: str = "") -> None:
    """Print one line."""
    _write(visible_line(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"))


def say_all(lines: Iterable[str]) -> None:
    """Print some lines."""
    for line in lines:
        say(line)


def say_json(value: Any) -> None:
    """Print one JSON document."""
    say_document(json.dumps(value, ensure_ascii=False, indent=2))


def say_document(document: str) -> None:
    """Print a JSON document that is text already; where the terminal's alphabet is too small, in ASCII alone."""
    if not spells_all(sys.stdout):
        document = json.dumps(json.loads(document), indent=2)
    _write(visible_json(document))


def say_painted(lines: Iterable[str]) -> None:
    """Print lines with colours of our own; whoever painted them made the strangers' words in them visible."""
    _write("\n".join(lines))


def _write(text: str) -> None:
    """Directly: what typer prints goes round the stream that `process.streams` keeps, where its alphabet is ASCII."""
    sys.stdout.write(f"{text}\n")
