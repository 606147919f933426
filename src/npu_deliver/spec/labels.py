"""Names that a user gives: a file of class names as people have them (a name a line, a JSON list, a JSON object from
index to name), and the words that a model is to look for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npu_deliver.errors import SpecError
from npu_eval.models.coco_classes import COCO_NAMES

COCO80 = "coco80"
"""The word that stands for the 80 names of COCO's classes."""

_MOST_BYTES = 16 * 2**20
"""ImageNet-21k's names have about 1 MiB."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in the order of the classes.

    An object's keys are the indices (``id2label``), and its values names or lists that end with one, as in
    ``{"0": ["n01440764", "tench"]}``.

    Raises:
        SpecError: the file is absent, too large, no text, or leaves a class without a name.
    """
    where = str(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SpecError("is too large for a list of labels", where=where, fix="name a file with a label a line")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read ({error})", where=where, fix="name a UTF-8 file with --labels") from error
    names = _of_json(text, where) if text.lstrip().startswith(("[", "{")) else [line.strip() for line in _lines(text)]
    for place, name in enumerate(names):
        if not name:
            raise SpecError(
                f"class {place} has no name", where=where, fix="write one name a line, in the model's order"
            )
    if not names:
        raise SpecError("holds no label", where=where, fix="write one name a line, in the model's order")
    return tuple(names)


def words_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """The words to look for: of a list, or of a text with commas between them; ``coco80`` for COCO's names.

    Raises:
        ValueError: a word is empty, or there twice; case and blanks make no other word.
    """
    if isinstance(given, str) and given.strip().lower() == COCO80:
        return COCO_NAMES
    words = [" ".join(word.split()) for word in (given.split(",") if isinstance(given, str) else given)]
    seen: dict[str, str] = {}
    for place, word in enumerate(words, start=1):
        if not word:
            raise ValueError(f"word {place} is empty")
        if word.casefold() in seen:
            raise ValueError(f"'{word}' is there twice; case and blanks make no other word")
        seen[word.casefold()] = word
    if not words:
        raise ValueError("there is no word")
    return tuple(words)


def _lines(text: str) -> list[str]:
    return text.rstrip().splitlines()


def _of_json(text: str, where: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"is not readable as JSON ({error})", where=where, fix="write one name a line") from error
    if isinstance(value, dict):
        if set(value) != {str(index) for index in range(len(value))}:
            raise SpecError("its keys are not the indices from 0 on", where=where, fix='e.g. {"0": "cat", "1": "dog"}')
        value = [value[str(index)] for index in range(len(value))]
    return [_name(entry, where) for entry in value]


def _name(entry: Any, where: str) -> str:
    name = entry[-1] if isinstance(entry, list) and entry else entry
    if not isinstance(name, str):
        raise SpecError(f"a label is {json.dumps(entry)[:60]}", where=where, fix="labels are texts")
    return " ".join(name.split())
