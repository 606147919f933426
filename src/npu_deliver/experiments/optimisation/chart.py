"""The charts of a search for gains: the effect of each switch, the way to the best combination, batches, operators.

Intervals are drawn as lines, never left out: a bar without one says more than was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from npu_deliver.drawing.labels import Frame
from npu_deliver.drawing.page import (
    BLUE,
    BODY,
    GREEN,
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
    inches,
    look,
    require,
    shorten,
)
from npu_eval.notation import units

NAME_ROOM = 2.4  # inches for names
ROW = 0.3  # inches between rows
COLOURS = {"gain": GREEN, "loss": VERMILLION, "no measurable effect": SOFT, "breaks": ORANGE}
MARKERS = {"gain": "o", "loss": "X", "no measurable effect": "s", "breaks": "D"}


@dataclass(frozen=True, kw_only=True)
class EffectPoint:
    """A row of a chart: how many times as quick, with its interval. ``kind`` is a key of `COLOURS`."""

    name: str
    factor: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class StagePoint:
    """A stage: seconds of its median call, and that of the baseline over its factor's interval where there is one."""

    name: str
    latency_s: float
    interval_s: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class BarPoint:
    """A bar: its value, an interval where there is one, and the text beside it."""

    name: str
    value: float
    interval: tuple[float, float] | None
    text: str


def effects_chart(points: Sequence[EffectPoint], aa: float | None, frame: Frame) -> bytes:
    """One row for each switch: its factor and interval; the band is what identical code showed against itself.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    require(len(points), [v for p in points for v in (p.factor, p.low, p.high)])
    with look():
        page = Page(
            frame.labels.effects_title,
            frame.stamp,
            frame.footer,
            body=0.9 + ROW * len(points),
            note=frame.labels.effects_note,
        )
        axes = _rows_axes(page, len(points))
        if aa is not None:
            axes.axvspan(1 / aa, aa, color=SHADE, zorder=0, linewidth=0)
        axes.axvline(1.0, color=SOFT, linewidth=0.8)
        right = max(p.high for p in points)
        left = min(p.low for p in points)
        room = max(right - left, 0.1)
        axes.set_xlim(min(left, 1.0) - 0.05 * room, max(right, 1.0) + 0.32 * room)
        for place, point in enumerate(points):
            colour = COLOURS[point.kind]
            axes.plot([point.low, point.high], [place, place], color=colour, linewidth=1.6)
            axes.plot(point.factor, place, marker=MARKERS[point.kind], color=colour, markersize=5.5)
            text = f"× {units.ratio(point.factor)}"
            axes.annotate(
                text,
                (max(point.high, 1.0), place),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color=INK,
            )
        _names(axes, [p.name for p in points])
        axes.set_xlabel(frame.labels.factor)
        return page.png(frame.source_sha256)


def waterfall_chart(points: Sequence[StagePoint], frame: Frame) -> bytes:
    """The latency after each accepted step, as bars from the baseline down, each with the interval of its factor.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    require(len(points), [p.latency_s for p in points])
    bars = [
        BarPoint(
            name=p.name,
            value=p.latency_s * 1e3,
            text=units.ms(p.latency_s),
            interval=None if p.interval_s is None else (p.interval_s[0] * 1e3, p.interval_s[1] * 1e3),
        )
        for p in points
    ]
    return _bars(bars, frame.labels.waterfall_title, frame.labels.latency, frame)


def bars_chart(points: Sequence[BarPoint], title: str, axis: str, frame: Frame) -> bytes:
    """Horizontal bars with intervals: batches, devices, operators.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    return _bars(points, title, axis, frame)


def sweep_chart(points: Sequence[BarPoint], frame: Frame) -> bytes:
    """Throughput against batch size, as a line with intervals.

    Raises:
        ValueError: there is no point, or a number is negative or not finite.
    """
    require(len(points), [v for p in points for v in (p.value, *(p.interval or ()))])
    with look():
        page = Page(frame.labels.sweep_title, frame.stamp, frame.footer, body=3.2)
        axes = page.axes(MARGIN + 0.62, page.bottom + 0.5, WIDTH - 2 * MARGIN - 0.62, page.top - page.bottom - 0.65)
        places = range(len(points))
        for place, point in zip(places, points, strict=True):
            if point.interval is not None:
                axes.plot([place, place], point.interval, color=BLUE, linewidth=1.4, marker="_", markersize=8)
        axes.plot(places, [p.value for p in points], color=BLUE, marker="o", markersize=5, linewidth=1.0)
        top = max(v for p in points for v in (p.value, *(p.interval or ())))
        axes.set_ylim(0, top * 1.18)
        for place, point in zip(places, points, strict=True):
            high = max(point.value, *(point.interval or (0.0,)))
            axes.annotate(point.text, (place, high), (0, 6), textcoords="offset points", ha="center", fontsize=SMALL)
        axes.set_xlim(-0.5, len(points) - 0.5)
        axes.set_xticks(list(places), [p.name for p in points])
        axes.set_xlabel(frame.labels.batch_size)
        axes.set_ylabel(frame.labels.throughput)
        axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
        return page.png(frame.source_sha256)


def _bars(points: Sequence[BarPoint], title: str, axis: str, frame: Frame) -> bytes:
    require(len(points), [v for p in points for v in (p.value, *(p.interval or ()))])
    with look():
        page = Page(title, frame.stamp, frame.footer, body=0.8 + ROW * len(points))
        axes = _rows_axes(page, len(points))
        axes.barh(range(len(points)), [p.value for p in points], height=0.55, color=BLUE)
        top = max(v for p in points for v in (p.value, *(p.interval or ()))) or 1.0
        axes.set_xlim(0, top * 1.3)
        for place, point in enumerate(points):
            end = point.value
            if point.interval is not None:
                axes.plot(point.interval, [place, place], color=INK, linewidth=1.2, marker="|", markersize=6)
                end = max(end, point.interval[1])
            axes.annotate(point.text, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=SMALL)
        _names(axes, [p.name for p in points])
        axes.set_xlabel(axis)
        return page.png(frame.source_sha256)


def _rows_axes(page: Page, rows: int) -> Axes:
    """Axes with a row for each name, the first on top."""
    left = MARGIN + NAME_ROOM
    axes = page.axes(left, page.bottom + 0.5, WIDTH - left - MARGIN, page.top - page.bottom - 0.65)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return axes


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.yaxis.set_major_locator(FixedLocator(list(range(len(names)))))
    shown = [shorten(name, BODY, NAME_ROOM - 0.15) for name in names]
    assert all(inches(name, BODY) <= NAME_ROOM for name in shown)
    axes.set_yticklabels(shown, fontsize=BODY)
