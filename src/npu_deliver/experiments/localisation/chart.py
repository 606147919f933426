"""The heat strip of localisation: the error of every operator in network order, and what explains it.

Above, each operator as a point on a logarithmic axis over its own float32 band; below, the same as a strip of colours,
in which a fault stands out in a network of a thousand operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from npu_deliver.drawing.labels import ChartLabels, Frame
from npu_deliver.drawing.page import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    SOFT,
    VERMILLION,
    WIDTH,
    Page,
    look,
    require,
    shorten,
)

FLOOR = 1e-8  # errors below this are drawn at the lower edge
CEILING = 1e2  # errors above this, and infinite ones, at the upper edge
STYLES: dict[str, dict[str, Any]] = {
    "ok": {"marker": "o", "color": BLUE, "markersize": 3},
    "hf32": {"marker": "s", "color": GREEN, "markersize": 4},
    "tf32-or-fp16": {"marker": "^", "color": ORANGE, "markersize": 4},
    "bf16": {"marker": "D", "color": "#CC79A7", "markersize": 4},  # reddish purple of Okabe and Ito's palette
    "not-comparable": {"marker": "_", "color": SOFT, "markersize": 5},
    "fallback": {"marker": "v", "color": INK, "markersize": 5},
    "non-deterministic": {"marker": "*", "color": INK, "markersize": 6},
    "fault": {"marker": "X", "color": VERMILLION, "markersize": 8},
}


@dataclass(frozen=True, kw_only=True)
class StripPoint:
    """One operator: its relative L2 error (None: infinite), its float32 band, and the cause."""

    name: str
    error: float | None
    band: float
    cause: str


def strip_chart(points: Sequence[StripPoint], frame: Frame) -> bytes:
    """Errors by operator in network order. Other arguments as for ``precision_chart``.

    Raises:
        ValueError: there is no operator, or a number is negative or not finite.
    """
    require(len(points), [n for p in points for n in (p.error, p.band) if n is not None])
    with look():
        return _page(points, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


def _page(points: Sequence[StripPoint], labels: ChartLabels, stamp: str | None, footer: str) -> Page:
    page = Page(labels.strip_title, stamp, footer, body=3.6)
    left, width = MARGIN + 0.55, WIDTH - 2 * MARGIN - 0.6
    low = page.bottom + 1.15
    axes = page.axes(left, low, width, page.top - low - 0.12)
    heights = [_height(p.error) for p in points]
    axes.plot(range(len(points)), [max(FLOOR, p.band) for p in points], color=GRID, linewidth=1.5, zorder=1)
    for cause, style in STYLES.items():
        places = [i for i, p in enumerate(points) if p.cause == cause]
        if places:
            axes.plot(places, [heights[i] for i in places], linestyle="", clip_on=False, zorder=3, **style)
    axes.set_yscale("log")
    top = 10.0 ** math.ceil(math.log10(max(1e-2, *heights)))
    axes.set_ylim(FLOOR, top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))  # no formulas: see `look`
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.5, len(points) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_ylabel(labels.relative_l2)
    axes.tick_params(labelbottom=False)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    _name_faults(axes, points, heights, width)
    strip = page.axes(left, page.bottom + 0.72, width, 0.32)
    strip.imshow(
        [heights],
        aspect="auto",
        cmap="inferno",
        norm=LogNorm(FLOOR, 1.0),
        interpolation="nearest",
        extent=(-0.5, len(points) - 0.5, 0, 1),
    )
    strip.set_yticks([])
    strip.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    strip.set_xlabel(labels.operator_number)
    _legend(page, points, labels)
    return page


def _height(error: float | None) -> float:
    return CEILING if error is None else min(CEILING, max(FLOOR, error))


def _name_faults(axes: Any, points: Sequence[StripPoint], heights: Sequence[float], width: float) -> None:
    """The names of the first few faults beside their marks, on the side where there is room."""
    for i in [i for i, p in enumerate(points) if p.cause == "fault"][:3]:
        right = i < len(points) / 2
        axes.annotate(
            shorten(points[i].name, SMALL, width / 2.2),
            (i, heights[i]),
            (8 if right else -8, -3),
            textcoords="offset points",
            ha="left" if right else "right",
            fontsize=SMALL,
            color=VERMILLION,
            zorder=5,
        )


def _legend(page: Page, points: Sequence[StripPoint], labels: ChartLabels) -> None:
    seen = {p.cause for p in points}
    handles = [
        Line2D([], [], linestyle="", label=labels.causes[cause], **style)
        for cause, style in STYLES.items()
        if cause in seen
    ]
    handles.append(Line2D([], [], color=GRID, linewidth=1.5, label=labels.float32_band))
    place = (0.5, page.bottom / page.height)
    page.figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=place,
        ncols=len(handles),
        frameon=False,
        fontsize=SMALL,
        columnspacing=1.2,
        handletextpad=0.3,
    )
