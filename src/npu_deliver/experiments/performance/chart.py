"""The charts of speed: every call in order with its distribution, and throughput and latency against batch size.

The first call compiles and allocates and can take a thousand times longer than the others. It is drawn apart, at the
upper edge where it is off the scale, with its time in words, so that it neither hides nor crushes the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator, ScalarFormatter

from npu_deliver.drawing.labels import ChartLabels, Frame
from npu_deliver.drawing.page import (
    BLUE,
    BODY,
    GREEN,
    GRID,
    INK,
    MARGIN,
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
)
from npu_eval.notation import units

PERCENTILES = {"p50": (BLUE, "-"), "p90": (GREEN, "--"), "p99": (VERMILLION, ":")}
CRUSH = 1.3  # earlier calls up to so many times the slowest timed one are on the scale; beyond, at its upper edge


@dataclass(frozen=True, kw_only=True)
class LatencySeries:
    """Every call of one batch size in order, in seconds; percentiles (``p50`` …) only where the samples bear them."""

    batch_size: int
    first_call_s: float
    warmup_s: tuple[float, ...]
    samples_s: tuple[float, ...]
    percentiles_s: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class BatchPoint:
    """One batch size: images a second with their 95 % interval, and seconds of the median call where it is known."""

    batch_size: int
    throughput: float
    latency_p50_s: float | None
    interval: tuple[float, float] | None = None


def latency_chart(runs: Sequence[LatencySeries], frame: Frame) -> bytes:
    """For each batch size the latency of every call in order, and the cumulative distribution of the timed ones.

    The first call has a marker and a label of its own. Where it or a warm-up call is beyond the scale of the timed
    calls it is drawn at the upper edge, so that it cannot crush the axis. Other arguments as for ``precision_chart``.

    Raises:
        ValueError: there is no run, a run has no timed call, or a number is negative or not finite.
    """
    require(len(runs), [])
    for run in runs:
        calls = (run.first_call_s, *run.warmup_s, *run.samples_s, *run.percentiles_s.values())
        require(len(run.samples_s), calls)
    with look():
        return _latency_page(runs, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


def batch_chart(points: Sequence[BatchPoint], frame: Frame) -> bytes:
    """Throughput and median latency against batch size, side by side. Other arguments as for ``precision_chart``.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    medians = [p.latency_p50_s for p in points if p.latency_p50_s is not None]
    ends = [end for p in points for end in p.interval or ()]
    require(len(points), [*(p.throughput for p in points), *medians, *ends])
    with look():
        return _batch_page(points, frame.labels, frame.stamp, frame.footer).png(frame.source_sha256)


# --- latency ---------------------------------------------------------------------------------------------------------


def _latency_page(runs: Sequence[LatencySeries], labels: ChartLabels, stamp: str | None, footer: str) -> Page:
    page = Page(labels.latency_title, stamp, footer, body=0.4 + 1.75 * len(runs))
    row = (page.top - page.bottom - 0.4) / len(runs)
    texts = [f"{name} {units.ms(value)}" for run in runs for name, value in _percentiles(run).items()]
    texts += labels.few_samples.split("\n")
    legend = max(inches(text, SMALL) for text in texts) + 0.12
    left, gap, distribution = MARGIN + 0.62, 0.65, 1.7
    calls = WIDTH - left - gap - distribution - legend - MARGIN
    for number, run in enumerate(runs):
        bottom = page.top - (number + 1) * row + 0.12
        height = row - 0.5
        order = page.axes(left, bottom, calls, height)
        share = page.axes(left + calls + gap, bottom, distribution, height)
        _calls_in_order(order, run, labels)
        _distribution(share, run, labels)
        _run_heading(page, left, bottom + height + 0.1, run, labels)
        if number == len(runs) - 1:
            order.set_xlabel(labels.call_number)
            share.set_xlabel(labels.latency)
    return page


def _percentiles(run: LatencySeries) -> dict[str, float]:
    return {name: run.percentiles_s[name] for name in PERCENTILES if name in run.percentiles_s}


def _scale_ms(run: LatencySeries) -> tuple[float, float]:
    """Bounds in ms that hold every timed call, and each earlier one that would not crush them."""
    slowest = max(run.samples_s)
    return _padded([*run.samples_s, *(s for s in (run.first_call_s, *run.warmup_s) if s <= CRUSH * slowest)])


def _padded(calls_s: Sequence[float]) -> tuple[float, float]:
    """Bounds in ms with a tenth to spare; at least a tenth of the latency apart, so that noise stays small."""
    low, high = min(calls_s), max(calls_s)
    room = max(high - low, 0.1 * high, 1e-9)
    middle = (low + high) / 2
    return max(0.0, middle - 0.6 * room) * 1e3, (middle + 0.6 * room) * 1e3


def _calls_in_order(axes: Axes, run: LatencySeries, labels: ChartLabels) -> None:
    low, high = _scale_ms(run)
    headroom = 0.25 * (high - low)  # for the label of the first call; no dot lies in it
    edge = high + 0.3 * headroom
    axes.set_ylim(low, high + headroom)
    warm, total = 1 + len(run.warmup_s), 1 + len(run.warmup_s) + len(run.samples_s)
    axes.set_xlim(-0.02 * total - 0.5, total * 1.01)
    axes.axvspan(-0.02 * total - 0.5, warm - 0.5, color=SHADE, zorder=0, linewidth=0)
    size = 2.6 if total < 400 else 1.4

    timed = [s * 1e3 for s in run.samples_s]
    axes.plot(
        range(warm, total),
        timed,
        linestyle="",
        marker="o",
        markersize=size,
        color=BLUE,
        markeredgewidth=0,
        clip_on=False,
    )
    early = [(i, s * 1e3) for i, s in enumerate(run.warmup_s, start=1)]
    inside = [(i, v) for i, v in early if v <= high]
    outside = [i for i, v in early if v > high]
    axes.plot(
        [i for i, _ in inside],
        [v for _, v in inside],
        linestyle="",
        marker="o",
        markersize=size + 0.6,
        markerfacecolor="none",
        markeredgecolor=SOFT,
        markeredgewidth=0.7,
        clip_on=False,
    )
    axes.plot(
        outside,
        [edge] * len(outside),
        linestyle="",
        marker="^",
        markersize=4,
        markerfacecolor="none",
        markeredgecolor=SOFT,
        markeredgewidth=0.7,
        clip_on=False,
    )
    first = run.first_call_s * 1e3
    off = first > high
    axes.plot(
        0,
        edge if off else first,
        linestyle="",
        marker="^" if off else "s",
        markersize=5.5,
        color=VERMILLION,
        clip_on=False,
        zorder=5,
    )
    text = f"{labels.first_call} {units.ms(run.first_call_s)}"
    axes.annotate(
        text,
        (0, 1),
        (7, 0),
        ha="left",
        va="top",
        xycoords=("data", "axes fraction"),
        color=VERMILLION,
        textcoords="offset points",
        fontsize=SMALL,
        **bold(text, SMALL, VERMILLION),
    )
    axes.set_ylabel(labels.latency)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    _plain_ticks(axes, x=6, y=4, whole=True)
    ticks = MaxNLocator(4).tick_values(low, high)
    axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))  # none behind the label


def _distribution(axes: Axes, run: LatencySeries, labels: ChartLabels) -> None:
    values = sorted(s * 1e3 for s in run.samples_s)
    shares = [100 * (i + 1) / len(values) for i in range(len(values))]
    low, high = _padded(run.samples_s)
    axes.step([low, *values, high], [0, *shares, 100], where="post", color=INK, linewidth=1.1)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 104)
    axes.set_ylabel(labels.share)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    _plain_ticks(axes, x=3, y=5)
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    percentiles = _percentiles(run)
    for number, (name, value) in enumerate(percentiles.items()):
        colour, line = PERCENTILES[name]
        axes.axvline(value * 1e3, color=colour, linestyle=line, linewidth=1.4)
        _beside(axes, number, f"{name} {units.ms(value)}", colour, strong=True)
    if not percentiles:
        for number, text in enumerate(labels.few_samples.split("\n")):
            _beside(axes, number, text, SOFT)


def _beside(axes: Axes, number: int, text: str, colour: str, *, strong: bool = False) -> None:
    axes.annotate(
        text,
        (1, 1),
        (6, -2 - 12 * number),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=SMALL,
        color=colour,
        **(bold(text, SMALL, colour) if strong else {}),
    )


def _run_heading(page: Page, x: float, y: float, run: LatencySeries, labels: ChartLabels) -> None:
    """Batch size and counts over a row of panels, with the markers' meaning in their colours."""
    _, high = _scale_ms(run)
    pieces = [
        (f"{labels.batch_size} {run.batch_size}", INK, True),
        ("● " + labels.timed.format(count=len(run.samples_s)), BLUE, False),
        ("○ " + labels.warmup.format(count=len(run.warmup_s)), SOFT, False),
    ]
    if max((run.first_call_s, *run.warmup_s)) * 1e3 > high:
        pieces.append((labels.off_scale, SOFT, False))
    for text, colour, strong in pieces:
        page.text(x, y, text, size=BODY, colour=colour, strong=strong)
        x += inches(text, BODY, bold=strong) + 0.22


def _plain_ticks(axes: Axes, *, x: int, y: int, whole: bool = False) -> None:
    """At most so many ticks, written in full: an offset in the corner of an axis is easily missed."""
    for axis, count in ((axes.xaxis, x), (axes.yaxis, y)):
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_scientific(False)
        axis.set_major_formatter(formatter)
        axis.set_major_locator(MaxNLocator(count, integer=axis is axes.xaxis and whole))


# --- batch sizes -----------------------------------------------------------------------------------------------------


def _batch_page(points: Sequence[BatchPoint], labels: ChartLabels, stamp: str | None, footer: str) -> Page:
    page = Page(labels.batch_title, stamp, footer, body=3.4)
    gap, left = 0.75, MARGIN + 0.62
    width = (WIDTH - left - gap - MARGIN) / 2
    bottom, height = page.bottom + 0.5, page.top - page.bottom - 0.7
    places = range(len(points))

    speed = page.axes(left, bottom, width, height)
    speed.bar(places, [p.throughput for p in points], width=0.55, color=BLUE)
    for place, point in zip(places, points, strict=True):
        if point.interval is not None:
            low, high = point.interval
            speed.plot([place, place], [low, high], color=INK, linewidth=1.2, marker="_", markersize=7)
    _frame(speed, points, labels.batch_size, labels.throughput)
    tops = [max(p.throughput, *(p.interval or (0.0,))) for p in points]
    _values(speed, width, height, [(top, units.rate(p.throughput)) for top, p in zip(tops, points, strict=True)])

    latency = page.axes(left + width + gap, bottom, width, height)
    medians = [None if p.latency_p50_s is None else p.latency_p50_s * 1e3 for p in points]
    line = [math.nan if median is None else median for median in medians]  # a gap, never a bridge
    latency.plot(places, line, color=VERMILLION, marker="o", markersize=5)
    missing = [i for i in places if medians[i] is None]
    latency.plot(missing, [0] * len(missing), linestyle="", marker="x", color=SOFT, clip_on=False)
    _frame(latency, points, labels.batch_size, labels.latency_p50)
    texts = [labels.not_measured if p.latency_p50_s is None else units.ms(p.latency_p50_s) for p in points]
    values = [(median or 0.0, text) for median, text in zip(medians, texts, strict=True)]
    _values(latency, width, height, values)
    return page


def _frame(axes: Axes, points: Sequence[BatchPoint], sizes: str, quantity: str) -> None:
    half, middle = max(len(points) / 2 + 0.1, 1.6), (len(points) - 1) / 2  # a single bar stays a bar
    axes.set_xlim(middle - half, middle + half)
    axes.set_xlabel(sizes)
    axes.set_ylabel(quantity)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    _plain_ticks(axes, x=1, y=5)
    axes.set_xticks(range(len(points)), [units.count(p.batch_size) for p in points])


def _values(axes: Axes, width: float, height: float, values: Sequence[tuple[float, str]]) -> None:
    """Each value over its place, upright where the places are too narrow, and an axis from 0 that leaves it room.

    ``width`` and ``height`` are those of the axes in inches.
    """
    low, high = axes.get_xlim()
    widest = max(inches(text, SMALL) for _, text in values)
    narrow = widest + 0.05 > width / (high - low)
    room = (widest if narrow else SMALL / 72) + 0.2
    largest = max(value for value, _ in values) or 1.0
    axes.set_ylim(0, largest * height / (height - room))
    for place, (value, text) in enumerate(values):
        axes.annotate(
            text,
            (place, value),
            (0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if narrow else 0,
            fontsize=SMALL,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
