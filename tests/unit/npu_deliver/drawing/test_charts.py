"""Charts draw every number they are given, where it belongs, with nothing clipped, overlapping or without a glyph."""

import dataclasses
import io
import itertools
import logging

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.transforms import Bbox
from PIL import Image

from npu_deliver.drawing import page as layout
from npu_deliver.drawing.labels import CHART_LABELS, ChartLabels, Frame
from npu_deliver.experiments.performance import chart as performance
from npu_deliver.experiments.precision import chart as precision
from npu_eval.notation import units

SHA = "ab" * 32
ZH, EN = CHART_LABELS["zh"], CHART_LABELS["en"]
STAMP = "无 NPU：在 CPU 上测得 / NO NPU - MEASURED ON ANOTHER DEVICE"
LONG = "照片/一个非常非常长的中文文件名称用于测试裁剪_0001.jpg · a/very/long/path/image_0000123.jpeg · proposals.boxes"
FOOTER = "BlendMask · cpu (Intel(R) Xeon(R)) · 由 summary.json 绘制，sha256 abababababab " * 3


def point(label="cat.jpg / logits", error=3e-7, repeat=1e-8):
    return precision.ErrorPoint(label=label, relative_l2=error, repeat_relative_l2=repeat)


def series(batch=1, first=10.0, warmup=(0.03, 0.022), samples=(0.021, 0.0215, 0.0212, 0.0218) * 5, percentiles=None):
    return performance.LatencySeries(
        batch_size=batch, first_call_s=first, warmup_s=warmup, samples_s=samples, percentiles_s=percentiles or {}
    )


def batch(size=1, rate=46.2, median=0.0216):
    return performance.BatchPoint(batch_size=size, throughput=rate, latency_p50_s=median)


PERCENTILES = {"p50": 0.0213, "p75": 0.0214, "p90": 0.0216, "p99": 0.0218}
POINTS = [
    point(LONG, 3e-7, None),
    point("$x^2$_{a}", 2.2e-3, 1e-7),
    point("😀🚀龘", 0.0, 0.0),
    point("边界", 1e-3, 3e-8),
]
RUNS = [
    series(percentiles=PERCENTILES),
    series(8, 0.0214, (), (0.021,) * 3),
    series(256, 1e4, (0.5,) * 9, (12.3, 13.0)),
]
BATCHES = [batch(2**i, 46.2 * 2**i, None if i == 2 else 0.0216 * 2**i) for i in range(5)]


@pytest.fixture
def look():
    with layout.look():
        yield


def pages_of(kind: str, labels: ChartLabels, stamp: str | None):
    if kind == "precision":
        many = [point(f"image {i} / 输出", 10.0**-i) for i in range(1, 31)]
        for points, threshold in [(POINTS, 1e-3), ([point()], 1e-3), ([point("a", 0.0, 0.0)], 0.0), (many, 1e-9)]:
            yield precision._precision_page(points, threshold, labels, stamp, FOOTER)
    elif kind == "latency":
        for runs in (RUNS, RUNS[:1], RUNS[1:2], [series(4096, 0.5, (0.5,), (1234.5678,) * 3)]):
            yield performance._latency_page(runs, labels, stamp, FOOTER)
    else:
        for batches in (
            BATCHES,
            BATCHES[:1],
            BATCHES[2:3],
            [batch(i + 1, 12345.678 * i, 12.345 * i) for i in range(16)],
        ):
            yield performance._batch_page(batches, labels, stamp, FOOTER)


def texts_of(page: layout.Page):
    """Every text that is drawn. Tick labels are taken from the ticks in view."""
    figure = page.figure
    figure.canvas.draw()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        found += [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
    return [text for text in found if text.get_text().strip()]


def box_of(text) -> Bbox:
    return text.get_window_extent(text.get_figure().canvas.get_renderer())


def words_of(page: layout.Page) -> list[str]:
    return [text.get_text() for text in texts_of(page)]


def draw_all(labels: ChartLabels, stamp: str | None) -> list[bytes]:
    frame = Frame(labels=labels, stamp=stamp, footer=FOOTER, source_sha256=SHA)
    return [
        precision.precision_chart(POINTS, threshold=1e-3, frame=frame),
        performance.latency_chart(RUNS, frame=frame),
        performance.batch_chart(BATCHES, frame=frame),
    ]


# --- nothing clipped, nothing over anything --------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", [None, STAMP, STAMP * 3], ids=["plain", "stamp", "long stamp"])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", ["precision", "latency", "batch"])
def test_no_text_is_clipped_or_overlaps_another(look, kind, lang, stamp):
    for page in pages_of(kind, CHART_LABELS[lang], stamp):
        drawn = [(text.get_text(), box_of(text)) for text in texts_of(page)]
        width, height = page.figure.canvas.get_width_height()
        for words, box in drawn:
            assert box.x0 >= 2, words
            assert box.y0 >= 2, words
            assert box.x1 <= width - 2, words
            assert box.y1 <= height - 2, words
        for (one, first), (other, second) in itertools.combinations(drawn, 2):
            shared = Bbox.intersection(first, second)
            assert shared is None or min(shared.width, shared.height) < 1.0, (one, other)


def test_long_titles_wrap(look):
    labels = dataclasses.replace(ZH, precision_title="BlendMask（R50）精度：" + "很长的标题" * 20)
    page = precision._precision_page(POINTS, 1e-3, labels, STAMP, FOOTER)
    width = page.figure.canvas.get_width_height()[0]

    assert all(box_of(text).x0 > 0 and box_of(text).x1 < width for text in texts_of(page))
    assert "".join(words_of(page)).count("很长的标题") >= 18


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_matplotlib_misses_no_font_and_no_glyph(lang, caplog):
    with caplog.at_level(logging.WARNING):
        draw_all(CHART_LABELS[lang], STAMP)  # a missing glyph would be a warning, and so an error
    assert not caplog.records


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_size_and_text_chunks(lang):
    for png in draw_all(CHART_LABELS[lang], None):
        image = Image.open(io.BytesIO(png))
        image.load()
        assert image.text == {"Software": "npu-deliver", "Source-SHA256": SHA}
        assert image.width == 1200
        assert image.height >= 700


def test_same_input_same_bytes_whatever_the_users_settings():
    with mpl.rc_context():
        first = draw_all(ZH, STAMP)
        mpl.rcParams["font.size"] = 40
        mpl.rcParams["axes.facecolor"] = "red"
        assert draw_all(ZH, STAMP) == first


def test_users_settings_are_left_alone():
    before = dict(mpl.rcParams)
    draw_all(EN, None)
    assert dict(mpl.rcParams) == before


def test_a_stamp_is_a_banner_over_the_whole_width():
    stamp = tuple(round(255 * share) for share in to_rgb(layout.STAMP_PAPER))
    for plain, stamped in zip(draw_all(EN, None), draw_all(EN, STAMP), strict=True):
        image = Image.open(io.BytesIO(stamped)).convert("RGB")
        assert {image.getpixel((x, 3)) for x in range(image.width)} == {stamp}
        assert stamp not in {colour for _, colour in Image.open(io.BytesIO(plain)).convert("RGB").getcolors(1 << 22)}


# --- precision -------------------------------------------------------------------------------------------------------


def markers(axes) -> list[tuple[str, float]]:
    """Marker and place of every point, threshold line apart."""
    return [
        (line.get_marker(), float(line.get_xdata()[0])) for line in axes.lines if line.get_marker() not in ("None", "")
    ]


def test_each_error_is_drawn_at_its_value_with_the_marker_of_its_side(look):
    (axes,) = precision._precision_page(
        [point("a", 3e-7, 1e-8), point("b", 2e-3, None)], 1e-3, EN, None, "f"
    ).figure.axes

    assert axes.get_xscale() == "log"
    assert markers(axes) == [("o", 3e-7), ("D", 1e-8), ("X", 2e-3)]


def test_an_error_equal_to_the_threshold_is_not_over_it(look):
    (axes,) = precision._precision_page([point("a", 1e-3, None)], 1e-3, EN, None, "f").figure.axes
    assert markers(axes) == [("o", 1e-3)]


def test_zero_is_drawn_at_the_floor_with_its_own_marker_and_a_note(look):
    page = precision._precision_page([point("a", 0.0, 0.0), point("b", 1e-6, 0.0)], 1e-3, EN, None, "f")
    (axes,) = page.figure.axes
    floor = axes.get_xlim()[0]

    assert markers(axes) == [("<", floor), ("<", floor), ("o", 1e-6), ("<", floor)]
    assert floor < 1e-6
    assert EN.exact_zero in words_of(page)
    assert "0" in [tick.label1.get_text() for tick in axes.xaxis._update_ticks()]


def test_without_a_zero_the_axis_has_no_zero(look):
    page = precision._precision_page([point("a", 1e-6, None)], 1e-3, EN, None, "f")
    (axes,) = page.figure.axes

    assert EN.exact_zero not in words_of(page)
    assert EN.repeat not in words_of(page)
    assert "0" not in [tick.label1.get_text() for tick in axes.xaxis._update_ticks()]


@pytest.mark.parametrize("threshold", [0.0, 1e-12, 1e-3, 10.0])
def test_the_threshold_line_is_in_view_and_says_its_value(look, threshold):
    page = precision._precision_page([point()], threshold, EN, None, "f")
    (axes,) = page.figure.axes
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--" and line.get_marker() == "None"]
    low, high = axes.get_xlim()

    assert low <= line.get_xdata()[0] <= high
    assert line.get_xdata()[0] == (threshold or low)
    assert f"{EN.threshold} {units.sci(threshold)}" in words_of(page)


def test_of_too_many_points_the_worst_are_shown_in_order_and_it_is_said(look):
    points = [point(f"p{i}", (i + 1) * 1e-7, None) for i in range(75)]
    page = precision._precision_page(points, 1e-3, EN, None, "f")
    names = [label.get_text() for label in page.figure.axes[0].get_yticklabels()]

    assert names == [f"p{i}" for i in range(15, 75)]
    assert "the worst 60 of 75 are shown" in words_of(page)


# --- latency ---------------------------------------------------------------------------------------------------------


def test_every_timed_call_is_drawn_in_order(look):
    run = series(percentiles=PERCENTILES)
    order, share = performance._latency_page([run], EN, None, "f").figure.axes
    timed = order.lines[0]

    assert list(timed.get_xdata()) == list(range(3, 23))
    assert list(timed.get_ydata()) == pytest.approx([s * 1e3 for s in run.samples_s])
    low, high = order.get_ylim()
    assert all(low <= y <= high for y in timed.get_ydata())
    assert list(share.lines[0].get_xdata())[1:-1] == pytest.approx(sorted(s * 1e3 for s in run.samples_s))


def test_a_slow_first_call_is_said_but_does_not_crush_the_axis(look):
    page = performance._latency_page([series(first=10.0, warmup=(5.0, 0.022))], EN, None, "f")
    order = page.figure.axes[0]

    assert order.get_ylim()[1] < 40
    assert "first call 10000.000 ms" in words_of(page)
    assert EN.off_scale in words_of(page)
    assert [line.get_marker() for line in order.lines] == ["o", "o", "^", "^"]
    assert list(order.lines[2].get_xdata()) == [1]  # the slow warm-up call


def test_a_quick_first_call_is_on_the_scale(look):
    page = performance._latency_page([series(first=0.0214, warmup=())], EN, None, "f")
    first = page.figure.axes[0].lines[-1]

    assert (first.get_marker(), first.get_ydata()[0]) == ("s", pytest.approx(21.4))
    assert EN.off_scale not in words_of(page)


def test_warm_up_calls_are_shaded(look):
    order, _ = performance._latency_page([series(warmup=(0.022,) * 7)], EN, None, "f").figure.axes
    (shade,) = order.patches
    assert shade.get_x() < 0
    assert shade.get_x() + shade.get_width() == pytest.approx(7.5)


@pytest.mark.parametrize("given", [{}, {"p50": 0.0213}, {"p50": 0.0213, "p90": 0.0216}, PERCENTILES])
def test_percentile_lines_only_where_given(look, given):
    page = performance._latency_page([series(percentiles=given)], EN, None, "f")
    share = page.figure.axes[1]
    wanted = [name for name in ("p50", "p90", "p99") if name in given]

    assert [float(line.get_xdata()[0]) for line in share.lines[1:]] == pytest.approx([given[n] * 1e3 for n in wanted])
    assert [text.split()[0] for text in words_of(page) if text.startswith("p")] == wanted
    assert ("too few samples" in words_of(page)) == (not wanted)


def test_noise_below_a_tenth_is_not_blown_up(look):
    _, share = performance._latency_page(
        [series(first=1.0, warmup=(), samples=(1.0, 1.00001) * 9)], EN, None, "f"
    ).figure.axes
    assert share.get_xlim()[1] - share.get_xlim()[0] >= 100  # ms, a tenth of a second


# --- batch sizes -----------------------------------------------------------------------------------------------------


def test_each_batch_size_has_its_bar_and_its_point(look):
    speed, latency = performance._batch_page(BATCHES, EN, None, "f").figure.axes

    assert [bar.get_height() for bar in speed.patches] == [p.throughput for p in BATCHES]
    assert [label.get_text() for label in speed.get_xticklabels()] == ["1", "2", "4", "8", "16"]
    drawn = list(latency.lines[0].get_ydata())
    assert drawn[:2] + drawn[3:] == pytest.approx([p.latency_p50_s * 1e3 for p in BATCHES if p.latency_p50_s])
    assert speed.get_ylim()[0] == latency.get_ylim()[0] == 0


def test_a_median_that_is_not_there_is_a_gap_and_said(look):
    page = performance._batch_page(BATCHES, ZH, None, "f")
    latency = page.figure.axes[1]

    assert latency.lines[0].get_ydata()[2] != latency.lines[0].get_ydata()[2]  # NaN: the line breaks
    assert (latency.lines[1].get_marker(), list(latency.lines[1].get_xdata())) == ("x", [2])
    assert words_of(page).count("未测得") == 1


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_numbers_that_have_no_place_are_refused(bad):
    frame = Frame(labels=EN, stamp=None, footer="f", source_sha256=SHA)
    for error in (
        lambda: precision.precision_chart([point(error=bad)], threshold=1e-3, frame=frame),
        lambda: precision.precision_chart([point(repeat=bad)], threshold=1e-3, frame=frame),
        lambda: precision.precision_chart([point()], threshold=bad, frame=frame),
        lambda: performance.latency_chart([series(first=bad)], frame=frame),
        lambda: performance.latency_chart([series(samples=(bad,))], frame=frame),
        lambda: performance.batch_chart([batch(rate=bad)], frame=frame),
        lambda: performance.batch_chart([batch(median=bad)], frame=frame),
    ):
        with pytest.raises(ValueError, match="finite numbers from 0 up"):
            error()


def test_an_empty_chart_is_refused():
    frame = Frame(labels=EN, stamp=None, footer="f", source_sha256=SHA)
    for error in (
        lambda: precision.precision_chart([], threshold=1e-3, frame=frame),
        lambda: performance.latency_chart([], frame=frame),
        lambda: performance.latency_chart([series(samples=())], frame=frame),
        lambda: performance.batch_chart([], frame=frame),
    ):
        with pytest.raises(ValueError, match="at least one value"):
            error()


# --- words -----------------------------------------------------------------------------------------------------------


def test_both_languages_say_everything():
    for labels in CHART_LABELS.values():
        assert all(dataclasses.asdict(labels).values())
    same = {k for k, v in dataclasses.asdict(ZH).items() if v == getattr(EN, k)}
    assert not same
