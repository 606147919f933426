"""A sample of the forgeries that `benchmarks/forgeries.py` counts: each that a reader would believe is found."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[4] / "benchmarks"


@pytest.fixture
def forgeries(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import forgeries

    yield forgeries
    for name in ("forgeries", "forgery_kinds", "forgery_records"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("part", range(3))
def test_what_a_reader_would_believe_is_found(forgeries, original, original_on_cpu, part):
    kinds = [kind for kind in forgeries.KINDS if not kind.pictures]
    random.Random(7).shuffle(kinds)
    outcomes = list(forgeries.try_out([original.output, original_on_cpu.output], 9, part, kinds=kinds[part::3]))
    assert len(outcomes) == 9
    assert not [f"{each.kind.name} was missed" for each in forgeries.missed(outcomes)]
    assert "9 forgeries of " in list(forgeries.table(outcomes))[-1]


def test_every_part_of_a_folder_is_forged(forgeries):
    parts = {kind.name.partition(":")[0] for kind in forgeries.KINDS}
    assert parts >= {
        "page",
        "summary",
        "record",
        "log",
        "ledger",
        "spec",
        "statement",
        "requirements",
        "code",
        "file",
        "picture",
    }
    assert len({kind.name for kind in forgeries.KINDS}) == len(forgeries.KINDS) >= 80


def test_a_forgery_that_is_not_found_counts_as_missed(forgeries):
    nothing = forgeries.Kind("none", lambda copy, rng: True)
    consistent = forgeries.Kind("consistent", lambda copy, rng: True, consistent=True)
    outcomes = [forgeries.Outcome(nothing, ""), forgeries.Outcome(consistent, ""), forgeries.Outcome(nothing, "x")]
    assert forgeries.missed(outcomes) == [outcomes[0]]
