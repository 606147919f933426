"""Which lines of two texts are the same ones, in a time that grows with their length and no faster.

Lines that stand once in each text are held against each other first (patience, as version control calls it), the most
of them that come in one order; between them, equal lines that follow or precede such a pair belong together. Comparing
every line with every other one would let a page of a million empty lines keep its reader for hours.

Standard library only.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Sequence


def matched(first: Sequence[str], second: Sequence[str]) -> dict[int, int]:
    """Index of a line in the first text → the index of the same line in the second; both in one order."""
    anchors = [(-1, -1), *_in_order(_unique_in_both(first, second)), (len(first), len(second))]
    found: dict[int, int] = {}
    for (i, j), (next_i, next_j) in itertools.pairwise(anchors):
        if i >= 0:
            found[i] = j
        i, j = i + 1, j + 1
        while i < next_i and j < next_j and first[i] == second[j]:
            found[i] = j
            i, j = i + 1, j + 1
        while i < next_i and j < next_j and first[next_i - 1] == second[next_j - 1]:
            next_i, next_j = next_i - 1, next_j - 1
            found[next_i] = next_j
    return found


def _unique_in_both(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    once = {line for line, count in Counter(first).items() if count == 1}
    once &= {line for line, count in Counter(second).items() if count == 1}
    place = {line: j for j, line in enumerate(second) if line in once}
    return [(i, place[line]) for i, line in enumerate(first) if line in once]


def _in_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of some pairs, whose first numbers rise, in which the second ones rise, too."""
    ends: list[int] = []  # the smallest second number with which a part of each length ends
    at: list[int] = []  # its place among the pairs
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect.bisect_left(ends, j)
        if length == len(ends):
            ends.append(j)
            at.append(index)
        else:
            ends[length], at[length] = j, index
        before.append(at[length - 1] if length else -1)
    chosen: list[tuple[int, int]] = []
    index = at[-1] if at else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]
