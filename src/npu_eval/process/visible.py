"""Text of strangers (a file's name, a label, a title) fit for a terminal, a log and a page. Standard library only.

This is the one definition of what a reader cannot see or must not be sent: a control character moves the cursor or
paints the screen, a mark of direction shows a name back to front, a character without width hides in a word.
"""

from __future__ import annotations

import html
import re

_RANGES = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, and C1
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, fillers, Arabic letter mark
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # no width, separators of lines and paragraphs, directions
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff"  # byte order mark, annotations, half characters, private use
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff"  # tags, further selectors, private use
)
_JOINED = r"\u0600-\u0dff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
"""What a joiner may stand behind: Arabic and Indic letters, and the signs of which emoji are made."""

_HIDDEN = re.compile(rf"[{_RANGES}]|(?<![{_JOINED}])[\u200c\u200d]")
_HIDDEN_OR_BREAK = re.compile(rf"[\t\n{_RANGES}]|(?<![{_JOINED}])[\u200c\u200d]")


def visible(text: str) -> str:
    """The text with each hidden character spelled out: ``\\x1b``, ``\\u202e``; line feeds and tabs stay."""
    return _HIDDEN.sub(lambda found: _spelled(ord(found[0])), text)


def visible_line(text: str) -> str:
    """The same in one line: line feeds and tabs are spelled out, too."""
    return _HIDDEN_OR_BREAK.sub(lambda found: _spelled(ord(found[0])), text)


def visible_json(document: str) -> str:
    """A JSON document that means the same and holds no hidden character: they stand in strings only, as escapes."""
    return _HIDDEN.sub(lambda found: _escaped(ord(found[0])), document)


def without_hidden(text: str, by: str) -> str:
    """The text with something else for each hidden character; line feeds and tabs stay."""
    return _HIDDEN.sub(by, text)


_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9A-Fa-f]{7,});?")


def without_large_references(text: str) -> str:
    """HTML without references to numbers beyond every character, over which the standard library raises an error."""
    return _NO_CHARACTER.sub("\ufffd", text)


def unescaped(text: str) -> str:
    """The text with HTML's references as the characters that they mean."""
    return html.unescape(without_large_references(text))


def _spelled(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)  # JSON writes such a character as two halves (RFC 8259, 7)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
