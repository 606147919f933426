"""Pictures are drawn from what is there, name it with its hash, and carry every stamp."""

import io
from dataclasses import replace

import pytest
from PIL import Image

import samples
from npu_deliver.experiments.performance import pictures as performance
from npu_deliver.experiments.precision import pictures as precision
from npu_deliver.report import figures
from npu_deliver.review.picture_sources import png_texts
from npu_deliver.summary import summarize, summary_sha256
from npu_eval.records.log import log_text

NAMES = [
    "batch_chart",
    "inference_report",
    "performance_chart",
    "performance_report",
    "precision_chart",
    "precision_report",
]


def drawn(records, lang="en"):
    spec_file = samples.spec_file()
    summary = summarize(spec_file, records)
    logs = {e.log: log_text(records[e.experiment], spec_file.evaluation.criteria) for e in summary.evidence}
    return summary, figures.draw(summary, records, logs, lang)


@pytest.fixture(scope="module")
def all_drawn():
    return drawn(samples.records())


def test_every_picture_is_drawn_and_names_its_source(all_drawn):
    summary, pictures = all_drawn
    assert sorted(pictures) == [f"{figures.FOLDER}/{name}.png" for name in NAMES]
    evidence = {e.experiment: e for e in summary.evidence}
    sources = {f"{kind}_report": e.log_sha256 for kind, e in evidence.items()}
    sources["precision_chart"] = summary_sha256(summary)
    sources["performance_chart"] = sources["batch_chart"] = evidence["performance"].record_sha256
    for name in NAMES:
        assert png_texts(pictures[f"{figures.FOLDER}/{name}.png"])["Source-SHA256"] == sources[name]


def test_every_picture_can_be_opened(all_drawn):
    for data in all_drawn[1].values():
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            assert min(picture.size) > 200


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (["inference"], ["inference_report"]),
        (["inference", "precision"], ["inference_report", "precision_chart", "precision_report"]),
        (["performance"], ["batch_chart", "performance_chart", "performance_report"]),
    ],
)
def test_only_what_was_measured_is_drawn(kinds, names):
    records = {kind: record for kind, record in samples.records().items() if kind in kinds}
    assert sorted(drawn(records)[1]) == [f"{figures.FOLDER}/{name}.png" for name in names]


@pytest.mark.parametrize(
    ("sizes", "charts"), [((), []), ((4,), ["performance_chart"]), ((1, 8), ["batch_chart", "performance_chart"])]
)
def test_charts_are_of_the_measured_batch_sizes(sizes, charts):
    runs = (*(samples.latency_run(size) for size in sizes), samples.out_of_memory_run())
    record = samples.performance_record(data=samples.performance_data(runs=runs))
    names = [name.rpartition("/")[2] for name in drawn({"performance": record})[1]]
    assert sorted(names) == [*(f"{name}.png" for name in charts), "performance_report.png"]


@pytest.fixture
def told(monkeypatch):
    """What the drawing functions are told, without drawing."""
    found = {}

    def note(name):
        def draw(*values, **words):
            found[name] = (values, words)
            return b""

        return draw

    for module, name in ((figures, "terminal_png"), (precision, "precision_chart"), (performance, "latency_chart"),
                         (performance, "batch_chart")):  # fmt: skip
        monkeypatch.setattr(module, name, note(name))
    return found


def stamps(told):
    """The banner of each picture."""
    return [
        words["stamp"] if "stamp" in words else words.get("frame", values[-1]).stamp for values, words in told.values()
    ]


@pytest.mark.parametrize(("lang", "stamp"), [("zh", "未使用 NPU"), ("en", "NO NPU")])
def test_the_stamp_is_on_every_picture_and_the_caption_says_rendered(told, lang, stamp):
    records = {
        k: replace(r, provenance=replace(r.provenance, device=samples.cpu_facts()))
        for k, r in samples.records().items()
    }
    drawn(records, lang)
    assert set(told) == {"terminal_png", "precision_chart", "latency_chart", "batch_chart"}
    assert all(stamp in each for each in stamps(told))
    assert {"zh": "非截屏", "en": "rendered (not captured)"}[lang] in told["terminal_png"][1]["caption"]


def test_a_real_result_has_no_stamp(told):
    drawn(samples.records())
    assert set(stamps(told)) == {None}


def test_the_threshold_is_the_strictest_of_the_criteria(told):
    drawn(samples.records())
    assert told["precision_chart"][1]["threshold"] == 0.01
    points = told["precision_chart"][0][0]
    assert [p.label for p in points] == ["cat.jpg", "flower.jpg"]
    assert [p.repeat_relative_l2 for p in points] == [0.0, 0.0]


def test_outputs_are_named_where_there_are_several(told):
    outputs = tuple(samples.difference(output=name) for name in ("boxes", "scores"))
    record = samples.precision_record(data=samples.precision_data(differences=outputs, rankings=()))
    drawn({"precision": record})
    points = told["precision_chart"][0][0]
    assert [p.label for p in points] == ["cat.jpg · boxes", "cat.jpg · scores"]
    assert [p.repeat_relative_l2 for p in points] == [None, None]


def test_the_latency_chart_has_the_raw_samples(told):
    drawn(samples.records())
    series, _ = told["latency_chart"][0]
    assert [len(s.samples_s) for s in series] == [70, 70]
    assert all(set(s.percentiles_s) <= {"p50", "p90", "p99"} for s in series)
