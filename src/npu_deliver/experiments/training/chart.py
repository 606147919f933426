"""The chart of training: each loss of each step on both sides, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from npu_deliver.drawing.labels import ChartLabels, Frame
from npu_deliver.drawing.page import (
    BLUE,
    BODY,
    GRID,
    INK,
    MARGIN,
    SMALL,
    VERMILLION,
    WIDTH,
    Page,
    inches,
    look,
    require,
    shorten,
)
from npu_eval.notation import units

COLUMNS = 3  # small charts side by side
ROW = 1.75  # inches of one of them, with its heading and its axis


@dataclass(frozen=True, kw_only=True)
class LossSeries:
    """One loss before each step on both sides; None where it was not finite. ``worst`` is the largest error."""

    name: str
    reference: tuple[float | None, ...]
    candidate: tuple[float | None, ...]
    worst: float | None


def training_chart(series: Sequence[LossSeries], frame: Frame) -> bytes:
    """One small chart for each loss. Other arguments as for ``precision_chart``.

    Raises:
        ValueError: there is no loss, or a number is not finite.
    """
    numbers = [abs(v) for one in series for v in (*one.reference, *one.candidate, one.worst) if v is not None]
    require(len(series), numbers)
    with look():
        return _page(series, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


def _page(series: Sequence[LossSeries], labels: ChartLabels, stamp: str | None, footer: str) -> Page:
    rows = -(-len(series) // COLUMNS)
    page = Page(labels.training_title, stamp, footer, body=0.5 + ROW * rows)
    room = page.top - page.bottom - 0.35
    left, gap = MARGIN + 0.45, 0.6
    width = (WIDTH - left - MARGIN - gap * (COLUMNS - 1)) / COLUMNS
    height = room / rows
    for number, one in enumerate(series):
        row, column = divmod(number, COLUMNS)
        bottom = page.top - (row + 1) * height + 0.38
        axes = page.axes(left + column * (width + gap), bottom, width, height - 0.78)
        _curves(axes, one)
        axes.set_xlabel(labels.step)
        error = labels.not_measured if one.worst is None else units.sci(one.worst)
        note = f"{labels.relative_error} {error}"
        name = shorten(one.name, BODY, width)
        page.text(left + column * (width + gap), bottom + height - 0.62, name, size=BODY, colour=INK, strong=True)
        axes.annotate(
            note,
            (1, 1),
            (0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=SMALL,
            ha="right" if inches(note, SMALL) < width else "center",
        )
    handles = [
        Line2D([], [], color=BLUE, marker="o", markersize=7, markerfacecolor="white", label=labels.reference),
        Line2D([], [], color=VERMILLION, marker="x", markersize=4, linestyle="--", label=labels.candidate),
    ]
    place = (0.5, page.bottom / page.height)
    page.figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=place, ncols=2, frameon=False, fontsize=SMALL
    )
    return page


def _curves(axes: Axes, one: LossSeries) -> None:
    """The reference as hollow rings, the candidate as crosses in them: where they agree, each ring holds its cross."""
    sides: tuple[tuple[tuple[float | None, ...], dict[str, Any]], ...] = (
        (one.reference, {"color": BLUE, "marker": "o", "markersize": 7, "markerfacecolor": "white"}),
        (one.candidate, {"color": VERMILLION, "marker": "x", "markersize": 4, "linestyle": "--"}),
    )
    for values, style in sides:
        points = [(step, value) for step, value in enumerate(values, start=1) if value is not None]
        axes.plot([p[0] for p in points], [p[1] for p in points], linewidth=1, **style)
    axes.set_xlim(0.7, len(one.reference) + 0.3)
    axes.margins(y=0.15)  # whole markers
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
