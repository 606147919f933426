"""Words as the numbers that SAM 3's text encoder takes: CLIP's byte-pair encoding, without a hub and without a library.

The merges travel with this folder (`vocabulary/`, OpenAI's CLIP, MIT): a checkpoint alone is enough for any word.
Source of the method: Sennrich et al., arXiv:1508.07909, on bytes as in GPT-2; CLIP marks the end of a word.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from npu_eval.errors import AdapterError

START, END, LENGTH = 49406, 49407, 32
"""CLIP's marks around a text, and the tokens of a text with its padding."""

MOST_TOKENS = LENGTH - 2
"""Of one word, between the marks."""

_MERGES = Path(__file__).parent / "vocabulary" / "merges.txt.gz"
_END_OF_WORD = "</w>"
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")


def padded(words: Sequence[str], encode: Callable[[str], Sequence[int]] | None = None) -> tuple[Tensor, Tensor]:
    """(words, 32) numbers, and 1 where they count. What stands in the padding is never looked at.

    Args:
        encode: another tokenizer, which gives a word's numbers without the marks around it; CLIP's own otherwise.

    Raises:
        AdapterError: a word is empty or has more than 30 tokens.
    """
    rows = [(START, *_counted(word, (encode or encoded)(word)), END) for word in words]
    ids = torch.tensor([(*row, *[END] * (LENGTH - len(row))) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (LENGTH - len(row)) for row in rows])


def encoded(word: str) -> tuple[int, ...]:
    """The numbers of a word or a phrase, without the marks around it. Case and the kind of blanks do not count."""
    numbers, alphabet = _numbers(), _alphabet()
    found: list[int] = []
    for piece in _pieces(unicodedata.normalize("NFC", word).lower()):
        found += [numbers[part] for part in _merged("".join(alphabet[byte] for byte in piece.encode("utf-8")))]
    return tuple(found)


def _counted(word: str, numbers: Sequence[int]) -> Sequence[int]:
    if not numbers:
        raise AdapterError("a word to look for is empty", where="words", fix="name what the photos may show")
    if len(numbers) > MOST_TOKENS:
        what = f"'{word}' has {len(numbers)} tokens, and the network takes {MOST_TOKENS}"
        raise AdapterError(what, where="words", fix="say it in fewer words")
    return numbers


def _pieces(text: str) -> Iterator[str]:
    """Runs of letters, single digits, runs of other signs, and English contractions; nothing is merged across them."""
    for chunk in text.split():
        place = 0
        while place < len(chunk):
            piece = _piece(chunk, place)
            yield piece
            place += len(piece)


def _piece(chunk: str, place: int) -> str:
    if (contraction := _CONTRACTION.match(chunk, place)) is not None:
        return contraction[0]
    kind = _kind(chunk[place])
    return chunk[place] if kind == "N" else "".join(itertools.takewhile(lambda c: _kind(c) == kind, chunk[place:]))


def _kind(character: str) -> str:
    category = unicodedata.category(character)[0]
    return category if category in "LN" else ""


@functools.cache
def _merged(characters: str) -> tuple[str, ...]:
    """A piece after all merges: again and again the pair that was learned first, at every place where it stands."""
    ranks = _ranks()
    parts = [*characters[:-1], characters[-1] + _END_OF_WORD]
    while len(parts) > 1:
        best = min(itertools.pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for part in parts:
            # a part that was just joined is longer than the first of the pair, so it is not joined again
            if joined and (joined[-1], part) == best:
                joined[-1] += part
            else:
                joined.append(part)
        parts = joined
    return tuple(parts)


@functools.cache
def _ranks() -> dict[tuple[str, ...], int]:
    lines = gzip.decompress(_MERGES.read_bytes()).decode("utf-8").splitlines()
    return {tuple(line.split()): rank for rank, line in enumerate(lines)}


@functools.cache
def _numbers() -> dict[str, int]:
    """Each token's number: the bytes, the bytes at the end of a word, then every merge in the order of its learning."""
    letters = list(_alphabet().values())
    tokens = [*letters, *(letter + _END_OF_WORD for letter in letters), *("".join(pair) for pair in _ranks())]
    return {token: number for number, token in enumerate(tokens)}


@functools.cache
def _alphabet() -> dict[int, str]:
    """A visible character for each byte: itself where it is one in Latin-1, else one from U+0100 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}
