"""Tables of speeds that lie on their side: a column for each batch size, a row for each chip or kind of speed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npu_deliver.lint.finding import Span
from npu_deliver.lint.reading.quantities.table import ReadTable
from npu_deliver.lint.reading.speeds.trial import SPEED, Trial
from npu_deliver.lint.reading.speeds.trial_words import (
    CLAIM,
    SPEEDS,
    STEP_TIME,
    batch_in,
    cards_of,
    counts_samples,
    of_one_card,
    speeds,
    words,
)
from npu_deliver.lint.reading.words.headers import divides, without_unit
from npu_deliver.lint.reading.words.label import meaning

_BATCH = re.compile(r"batch|(?<![a-z])bs(?![a-z])|批", re.IGNORECASE)
_COMPARES = re.compile(r"比$|倍|提升|speed-?up", re.IGNORECASE)


def is_sideways(table: ReadTable) -> bool:
    """Whether at least two columns are headed by a batch size each, and the others by nothing that is measured."""
    header = [words(column.header) for column in table.columns]
    sizes = [size for name in header[1:] if (size := _size(name, header[0]))]
    return len(set(sizes)) == len(sizes) > 1 and len(sizes) + sum(map(_is_claim, header[1:])) == len(header) - 1


def sideways(file: str, table: ReadTable) -> Iterator[Trial]:
    """The speeds of such a table, turned: ``row`` counts its columns and ``column`` its rows."""
    header = [words(column.header) for column in table.columns]
    for position, row in enumerate(table.rows):
        cells = [words(cell) for cell in row.cells]
        label = cells[0] if cells else ""
        what = meaning(label) if not re.search(r"\d", label) else None
        if (
            divides(label)
            or _COMPARES.search(without_unit(label))
            or (what and what.kind not in (*SPEEDS, "statistic"))
        ):
            continue
        if what and what.stat not in ("", "mean", "p50"):
            continue
        cards, rest = cards_of(label)
        at = Span(file, row.line, " | ".join(row.cells)[:300])
        for column in range(1, min(len(cells), len(header))):
            for stage, speed, number in speeds(cells[column], label):
                yield Trial(
                    speed=speed,
                    number=number,
                    at=at,
                    table=table.index,
                    row=column,
                    column=position,
                    header=label,
                    label=header[column],
                    claim=header[column] if _is_claim(header[column]) else "",
                    cards=cards,
                    batch=_size(header[column], header[0]),
                    whole_batch=False,
                    settings=((SPEED, f"{rest} {stage}".strip()),),
                    of_step=bool(STEP_TIME.search(f"{label} {cells[column]}")),
                    per_card=not cards and of_one_card(label),
                    of_samples=counts_samples(label),
                )


def _is_claim(name: str) -> bool:
    return bool(CLAIM.fullmatch(name))


def _size(name: str, first: str) -> int | None:
    """The batch size that heads a column: ``bs8``, or ``8`` where the first head says what the numbers are."""
    named, rest = batch_in(name)
    if named and not rest:
        return named
    return int(name) if _BATCH.search(first) and re.fullmatch(r"\d{1,4}", name) else None
