"""The chart of a data set evaluation: AP against the IoU that a match needs, and AP of the commonest categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from npu_deliver.drawing.labels import ChartLabels, Frame
from npu_deliver.drawing.page import (
    BLUE,
    BODY,
    GRID,
    INK,
    MARGIN,
    SHADE,
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

MAX_CATEGORIES = 14  # rows of a page of the usual height; the log has them all
NAME_ROOM = 1.3  # inches for the names of categories
IOU = tuple(0.5 + 0.05 * i for i in range(10))

LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o", "markersize": 4},
    {"color": VERMILLION, "marker": "s", "markersize": 3.5, "linestyle": "--"},
)


@dataclass(frozen=True, kw_only=True)
class ApSeries:
    """AP of boxes or of masks: at the ten thresholds, and of each category. None: there was no object to find."""

    name: str
    by_threshold: tuple[float | None, ...]
    by_category: dict[str, float | None]


def dataset_chart(series: Sequence[ApSeries], frame: Frame) -> bytes:
    """One line and one row of marks for boxes, and for masks where there are any. Other arguments as for
    ``precision_chart``.

    Raises:
        ValueError: there is no series, or a number is negative or not finite.
    """
    numbers = [v for one in series for v in (*one.by_threshold, *one.by_category.values()) if v is not None]
    require(len(series), numbers)
    with look():
        return _page(series, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


def _page(series: Sequence[ApSeries], labels: ChartLabels, stamp: str | None, footer: str) -> Page:
    names = list(series[0].by_category)[:MAX_CATEGORIES]
    total = len(series[0].by_category)
    note = labels.most_objects.format(shown=len(names), total=total) if total > len(names) else ""
    page = Page(labels.dataset_title, stamp, footer, note=note, body=3.5)
    bottom, height = page.bottom + 0.75, page.top - page.bottom - 0.95
    left, gap = MARGIN + 0.5, NAME_ROOM + 0.35
    width = (WIDTH - left - gap - MARGIN - 0.55) / 2

    curve = page.axes(left, bottom, width, height)
    for one, style in zip(series, LOOKS, strict=False):
        points = [(iou, ap) for iou, ap in zip(IOU, one.by_threshold, strict=True) if ap is not None]
        curve.plot([p[0] for p in points], [p[1] for p in points], label=one.name, linewidth=1.2, **style)
    curve.set_xlim(0.48, 0.97)
    curve.set_ylim(0, 1)
    curve.set_xlabel(labels.iou)
    curve.set_ylabel("AP")
    curve.grid(visible=True, axis="y", color=GRID, linewidth=0.6)

    _categories(page.axes(left + width + gap, bottom, width, height), series, names)
    if len(series) > 1:
        handles, texts = curve.get_legend_handles_labels()
        place = (0.5, page.bottom / page.height)
        page.figure.legend(
            handles, texts, loc="lower center", bbox_to_anchor=place, ncols=2, frameon=False, fontsize=SMALL
        )
    return page


def _categories(axes: Axes, series: Sequence[ApSeries], names: Sequence[str]) -> None:
    shown = [shorten(name, BODY, NAME_ROOM) for name in names]
    rows = max(len(names), 4)  # few categories stay close together
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks(range(len(names)), shown, fontsize=BODY, color=INK)
    axes.tick_params(axis="y", length=0, pad=6)
    for row in range(0, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=SHADE, zorder=0, linewidth=0)
    axes.set_xlim(0, 1)
    axes.set_xlabel("AP")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    for place, (one, style) in enumerate(zip(series, LOOKS, strict=False)):
        shift = (place - (len(series) - 1) / 2) * 0.3
        for row, name in enumerate(names):
            if (ap := one.by_category.get(name)) is not None:
                mark = {key: value for key, value in style.items() if key != "linestyle"}
                axes.plot(ap, row + shift, linestyle="", clip_on=False, zorder=4, **mark)
    first = [series[0].by_category[name] for name in names]
    for row, ap in enumerate(first):
        text = "–" if ap is None else units.ratio(ap)
        axes.annotate(
            text,
            (1, row),
            (0.06 * 72, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center_baseline",
            fontsize=SMALL,
        )
    if len(series) > 1:
        axes.annotate(
            series[0].name,
            (1, 1),
            (0.06 * 72 + inches("0.0000", SMALL) * 36, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
        )
