"""Which operator of the candidate answers to which operator of the reference, within one module call. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from npu_eval.locate.record import Signature

SAME, SAME_SHAPES, SAME_NAME = 8, 5, 3
"""Worth of a pair that agrees in everything, in name and shapes, and in the name alone.

A perfect pair outweighs two that share nothing but a name; apart from that, the more pairs the better.
"""

LIMIT = 4_000_000
"""Cells of the table at most; beyond, operators are paired from the front."""


def align(reference: Sequence[Signature], candidate: Sequence[Signature]) -> list[int | None]:
    """For each candidate operator the position of its partner in ``reference``, in increasing order, or None."""
    if list(reference) == list(candidate):
        return list(range(len(candidate)))
    start = 0
    while start < min(len(reference), len(candidate)) and reference[start] == candidate[start]:
        start += 1
    end = 0
    while end < min(len(reference), len(candidate)) - start and reference[-1 - end] == candidate[-1 - end]:
        end += 1
    middle = _best(reference[start : len(reference) - end], candidate[start : len(candidate) - end])
    found: list[int | None] = list(range(start))
    found += [None if m is None else m + start for m in middle]
    found += list(range(len(reference) - end, len(reference)))
    return found


def _worth(a: Signature, b: Signature) -> int:
    if a[0] != b[0]:
        return 0
    if a == b:
        return SAME
    return SAME_SHAPES if a[1] == b[1] else SAME_NAME


def _best(reference: Sequence[Signature], candidate: Sequence[Signature]) -> list[int | None]:
    """Needleman and Wunsch's alignment without a price for gaps."""
    rows, columns = len(candidate), len(reference)
    if rows * columns > LIMIT:
        return _from_the_front(reference, candidate)
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            worth = _worth(candidate[i], reference[j])
            paired = table[i + 1][j + 1] + worth if worth else 0
            table[i][j] = max(paired, table[i + 1][j], table[i][j + 1])
    found: list[int | None] = []
    i = j = 0
    while i < rows:
        worth = _worth(candidate[i], reference[j]) if j < columns else 0
        if worth and table[i][j] == table[i + 1][j + 1] + worth:
            found.append(j)
            i, j = i + 1, j + 1
        elif j < columns and table[i][j] == table[i][j + 1]:
            j += 1
        else:
            found.append(None)
            i += 1
    return found


def _from_the_front(reference: Sequence[Signature], candidate: Sequence[Signature]) -> list[int | None]:
    found: list[int | None] = []
    position = 0
    for signature in candidate:
        partner = next_partner(reference, position, signature)
        found.append(partner)
        position = position if partner is None else partner + 1
    return found


LOOKAHEAD = 64
"""Operators of the reference that may be passed over to find a partner."""


def next_partner(reference: Sequence[Signature], position: int, signature: Signature) -> int | None:
    """The partner of the next candidate operator when nothing is known of those after it.

    The operator at ``position`` if it has the same name; else the next one that agrees in everything.
    """
    if position < len(reference) and reference[position][0] == signature[0]:
        return position
    for later in range(position, min(len(reference), position + LOOKAHEAD)):
        if reference[later] == signature:
            return later
    return None
