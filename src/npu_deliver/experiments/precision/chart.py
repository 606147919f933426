"""The chart of agreement: the error of each output against the threshold, on a logarithmic axis.

An error of exactly zero has no place on such an axis; it is drawn at the axis floor with a marker of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from npu_deliver.drawing.labels import ChartLabels, Frame
from npu_deliver.drawing.page import (
    BLUE,
    BODY,
    GRID,
    INK,
    MARGIN,
    ORANGE,
    SHADE,
    SMALL,
    SOFT,
    VERMILLION,
    WIDTH,
    Page,
    bold,
    inches,
    look,
    require,
    shorten,
)
from npu_eval.notation import units

MAX_ROWS = 60  # about 14 inches; of more points the worst are shown, and the chart says so
MAX_ROW = 0.75  # inches between the rows of a chart with few of them
NAME_ROOM = 2.6  # inches for the names of outputs; a third of the page

WITHIN: dict[str, Any] = {"marker": "o", "color": BLUE, "markersize": 6}
OVER: dict[str, Any] = {"marker": "X", "color": VERMILLION, "markersize": 7}
REPEAT: dict[str, Any] = {"marker": "D", "markeredgecolor": ORANGE, "markerfacecolor": "white", "markersize": 4.5}
ZERO: dict[str, Any] = {"marker": "<", "markeredgecolor": BLUE, "markerfacecolor": "white", "markersize": 7}
ZERO_REPEAT: dict[str, Any] = {**ZERO, "markeredgecolor": ORANGE, "markersize": 5.5}


@dataclass(frozen=True, kw_only=True)
class ErrorPoint:
    """The agreement of one output on one input. ``relative_l2`` has no unit; None means there was no repeat run."""

    label: str
    relative_l2: float
    repeat_relative_l2: float | None


def precision_chart(
    points: Sequence[ErrorPoint],
    *,
    threshold: float,
    frame: Frame,
) -> bytes:
    """Relative L2 error of each point on a logarithmic axis against the threshold, with the repeat run beside it.

    Args:
        points: one row each, in this order.
        threshold: the criterion's bound; 0 is drawn at the axis floor.
        frame: the words, the banner, the small print, and the sha256 of what it is drawn from.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    require(len(points), [threshold, *(p.relative_l2 for p in points), *_repeats(points)])
    with look():
        return _precision_page(points, threshold, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


def _repeats(points: Sequence[ErrorPoint]) -> list[float]:
    return [p.repeat_relative_l2 for p in points if p.repeat_relative_l2 is not None]


def _precision_page(
    points: Sequence[ErrorPoint], threshold: float, labels: ChartLabels, stamp: str | None, footer: str
) -> Page:
    worst = sorted(range(len(points)), key=lambda i: -points[i].relative_l2)[:MAX_ROWS]
    rows = [points[i] for i in sorted(worst)]
    columns = [[labels.relative_l2, *(units.sci(p.relative_l2) for p in rows)]]
    if _repeats(rows):
        texts = ("–" if p.repeat_relative_l2 is None else units.sci(p.repeat_relative_l2) for p in rows)
        columns.append([labels.repeat, *texts])
    widths = [max(inches(text, SMALL) for text in column) + 0.14 for column in columns]
    names = [shorten(p.label, BODY, NAME_ROOM) for p in rows]
    left = MARGIN + max(inches(name, BODY) for name in names) + 0.12
    right = MARGIN + sum(widths)
    width = WIDTH - left - right

    note = labels.worst_of.format(shown=len(rows), total=len(points)) if len(rows) < len(points) else ""
    page = Page(labels.precision_title, stamp, footer, note=note, body=1.3 + 0.22 * len(rows))
    height = page.top - page.bottom - 1.1
    axes = page.axes(left, page.bottom + 0.75, width, height)
    air = max(0.1, (height / MAX_ROW - len(rows)) / 2)
    axes.set_ylim(len(rows) - 0.5 + air, -0.5 - air)
    axes.set_yticks(range(len(rows)), names, fontsize=BODY, color=INK)
    axes.tick_params(axis="y", length=0, pad=6)
    for number in range(0, len(rows), 2):
        axes.axhspan(number - 0.5, number + 0.5, color=SHADE, zorder=0, linewidth=0)
    floor = _error_axis(axes, [threshold, *(p.relative_l2 for p in rows), *_repeats(rows)], labels)
    used = _error_points(axes, rows, threshold, floor)
    _threshold_line(axes, threshold, floor, labels)
    edge = width
    for column, extent in zip(columns, widths, strict=True):
        edge += extent
        _column(axes, edge / width, column)

    words = {"within": labels.within, "over": labels.over, "repeat": labels.repeat, "zero": labels.exact_zero}
    handles = [Line2D([], [], linestyle="", label=words[kind], **style) for kind, style in used.items()]
    place = (0.5, page.bottom / page.height)
    page.figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=place,
        ncols=len(handles),
        frameon=False,
        fontsize=SMALL,
        handletextpad=0.2,
        columnspacing=1.6,
    )
    return page


def _error_axis(axes: Axes, numbers: Sequence[float], labels: ChartLabels) -> float:
    """A logarithmic axis over all numbers; returns its lower end, which stands for 0 when a number is 0."""
    positive = [n for n in numbers if n > 0]
    zeros = len(positive) < len(numbers)
    low = math.floor(math.log10(min(positive, default=1e-7))) - (1 if zeros else 0)
    high = max(math.ceil(math.log10(max(positive, default=1e-7) * 1.2)), low + 2)
    floor = 10.0**low
    decades = range(low, high + 1, math.ceil((high - low) / 9))
    axes.set_xscale("log")
    axes.set_xlim(floor, 10.0**high)
    axes.xaxis.set_major_locator(FixedLocator([10.0**decade for decade in decades]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "0" if zeros and x < floor * 2 else f"{x:.0e}"))
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    axes.set_xlabel(labels.relative_l2)
    return floor


def _error_points(axes: Axes, rows: Sequence[ErrorPoint], threshold: float, floor: float) -> dict[str, dict[str, Any]]:
    """Draw every point and its repeat run half a row lower; returns the kinds of marker that occur."""
    shift = 0.18 if _repeats(rows) else 0.0
    kinds: set[str] = set()

    def mark(value: float, y: float, kind: str, style: dict[str, Any]) -> None:
        axes.plot(value or floor, y, linestyle="", clip_on=False, zorder=4, **style)
        kinds.add(kind)

    for number, point in enumerate(rows):
        if point.relative_l2 == 0:
            mark(0, number - shift, "zero", ZERO)
        elif point.relative_l2 > threshold:
            mark(point.relative_l2, number - shift, "over", OVER)
        else:
            mark(point.relative_l2, number - shift, "within", WITHIN)
        if point.repeat_relative_l2 == 0:
            mark(0, number + shift, "zero", ZERO_REPEAT)
        elif point.repeat_relative_l2 is not None:
            mark(point.repeat_relative_l2, number + shift, "repeat", REPEAT)
    order = {"within": WITHIN, "over": OVER, "repeat": REPEAT, "zero": {**ZERO, "markeredgecolor": SOFT}}
    return {kind: style for kind, style in order.items() if kind in kinds}


def _threshold_line(axes: Axes, threshold: float, floor: float, labels: ChartLabels) -> None:
    place = threshold or floor
    low, high = axes.get_xlim()
    axes.axvline(place, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
    side = "right" if place**2 > low * high else "left"  # the middle of a logarithmic axis is the geometric mean
    text = f"{labels.threshold} {units.sci(threshold)}"
    axes.annotate(
        text,
        (place, 1),
        (0, 5),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        fontsize=SMALL,
        **bold(text, SMALL, INK),
    )


def _column(axes: Axes, x: float, texts: Sequence[str]) -> None:
    """A header and one text a row, right-aligned at ``x`` in widths of the axes."""
    axes.annotate(
        texts[0],
        (x, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize=SMALL,
        color=SOFT,
    )
    for number, text in enumerate(texts[1:]):
        axes.text(
            x, number, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline", fontsize=SMALL
        )
