"""Text of strangers (a file's name, a label, a title) fit for a terminal, a log and a page. Standard library only."""

from __future__ import annotations

import re

_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but tab and line feed, line and paragraph separators, marks that turn the direction of writing,
the byte order mark and lone surrogates. Joiners, of which some emoji are made, stay."""


def visible(text: str) -> str:
    """The text with each hidden character spelled out: ``\\x1b``, ``\\u202e``."""
    return _HIDDEN.sub(lambda found: _spelled(ord(found[0])), text)


def _spelled(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
