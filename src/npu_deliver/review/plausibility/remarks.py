"""What a cross check says of a folder: something that cannot be so, or something that is hard to believe.

An honest folder that is accused is worse than a forged one that is missed. So a remark is ``certain`` only where no
machine, clock or network could give the numbers, and every other one is told as a doubt, which fails nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

LEDGER_ITSELF = "ledger"
"""Stands for the ledger where other remarks name an experiment."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One thing that was noticed. ``of`` is the experiment whose record it is about, or `LEDGER_ITSELF`."""

    of: str
    what: str
    certain: bool


def contradiction(of: str, what: str) -> Remark:
    """Something that cannot be so."""
    return Remark(of=of, what=what, certain=True)


def doubt(of: str, what: str) -> Remark:
    """Something that is hard to believe, and can be so."""
    return Remark(of=of, what=what, certain=False)
