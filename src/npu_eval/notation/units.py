"""How a number is written: the one place that knows units and digits, for logs and reports alike.

Inside the program everything is seconds and bytes. Every function returns text with its unit, so that a number never
stands bare.
"""

from __future__ import annotations

import enum


class Unit(enum.StrEnum):
    """What a number is in, as the metric or the field declares that holds it."""

    SECONDS = "s"
    PER_SECOND = "/s"
    COUNT = "count"
    SHARE = "share"
    """From 0 to 1, as an agreement, an accuracy or an AP is: the threshold beside it is one too."""
    TIMES = "times"
    """One quantity over another of its kind."""
    OVERLAP = "overlap"
    """From 0 to 1, where the last bit matters: only what is exactly 1 may look like it."""
    COSINE = "cosine"
    ERROR = "error"
    """A difference, relative or in the output's own unit, that may be of any order of magnitude."""

    @property
    def timed(self) -> bool:
        """Whether a clock gave it."""
        return self in (Unit.SECONDS, Unit.PER_SECOND)


def ms(seconds: float) -> str:
    """Milliseconds with three decimals: ``21.647 ms``."""
    return f"{seconds * 1e3:.3f} ms"


def seconds(value: float) -> str:
    """Seconds with two decimals: ``12.03 s``."""
    return f"{value:.2f} s"


def rate(per_second: float) -> str:
    """Items per second with two decimals: ``46.20 /s``."""
    return f"{per_second:.2f} /s"


def ratio(value: float) -> str:
    """A plain ratio or score with four decimals: ``0.9876``."""
    return f"{value:.4f}"


def iou(value: float) -> str:
    """An overlap or a share with six decimals; only what is exactly 1 prints as ``1.000000``."""
    return f"{min(value, 0.999999) if value < 1 else value:.6f}"


def cosine(value: float) -> str:
    """A cosine similarity with fifteen decimals: fewer would print 1 for what is not 1."""
    return f"{value:.15f}"


def sci(value: float) -> str:
    """A small quantity in scientific notation with three decimals: ``1.234e-07``; an exact zero is ``0``."""
    return "0" if value == 0 else f"{value:.3e}"


def percent(share: float) -> str:
    """A share in per cent with two decimals, ``98.76 %``; what they cannot show is ``1.16e-04 %``, never 0."""
    if 0 < abs(share) < 5e-5:  # would round to 0.00
        return f"{share * 100:.2e} %"
    return f"{share * 100:.2f} %"


def bound(share: float) -> str:
    """A bound in per cent, no longer than it is exact: ``1 %``."""
    return f"{share * 100:g} %"


def db(value: float | None) -> str:
    """Decibels with one decimal; None is infinite (no error at all): ``134.2 dB``."""
    return "∞ dB" if value is None else f"{value:.1f} dB"


def mib(size_bytes: int) -> str:
    """Mebibytes with one decimal: ``17.9 MiB``."""
    return f"{size_bytes / 2**20:.1f} MiB"


def gib(size_bytes: int) -> str:
    """Gibibytes with one decimal: ``23.4 GiB``."""
    return f"{size_bytes / 2**30:.1f} GiB"


def millions(count: int) -> str:
    """A count in millions with two decimals: ``4.65 M``."""
    return f"{count / 1e6:.2f} M"


def count(value: int) -> str:
    """A whole number."""
    return f"{value:d}"


def short_hash(sha256: str) -> str:
    """The first twelve hexadecimal digits of a sha256."""
    return sha256[:12]


_WRITTEN = {
    Unit.SECONDS: ms,
    Unit.PER_SECOND: rate,
    Unit.COUNT: lambda value: count(round(value)),
    Unit.SHARE: ratio,
    Unit.TIMES: ratio,
    Unit.OVERLAP: iou,
    Unit.COSINE: cosine,
    Unit.ERROR: sci,
}


def written(value: float, unit: Unit) -> str:
    """A number in the unit that it was declared to be in."""
    return _WRITTEN[unit](value)
