"""A number on a page is one of the summary, in the unit beside it, in the row of the thing that it belongs to."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
from npu_deliver import summary
from npu_deliver.report import render
from npu_deliver.review import numerals
from npu_eval.asked.layout import NPU_DELIVERABLES
from npu_eval.experiments.inference.data import InferenceData
from npu_eval.notation import units


def summary_of(**records):
    return summary.summarize(samples.spec_file(), samples.records() | records)


def stray(line: str, found=None, page: str = "readme.md") -> list[str]:
    found = found or summary_of()
    return [word for _, word in numerals.stray_numerals(line, page, numerals.allowed_numbers(found), NPU_DELIVERABLES)]


def test_each_number_in_each_unit_is_known_and_its_neighbour_is_not():
    performance = summary_of().performance
    run, rate = performance.runs[0], units.rate(performance.throughput[0].images_per_s)
    row = f"| 1 | {units.ms(run.first_call_s)} | {units.ms(run.mean_s)} | {rate} |"
    assert stray(row) == []
    assert stray(row.replace(units.ms(run.mean_s), units.ms(run.mean_s + 1e-6))) == [units.ms(run.mean_s + 1e-6)]


def test_a_number_in_the_wrong_unit_is_stray():
    run = summary_of().performance.runs[0]
    assert stray(f"| 1 | {units.ms(run.mean_s).replace('ms', 's')} |") == [units.ms(run.mean_s).replace("ms", "s")]


def test_a_row_holds_only_its_own_numbers():
    first, second = summary_of().performance.runs
    assert stray(f"| 8 | {units.ms(second.mean_s)} |") == []
    assert stray(f"| 8 | {units.ms(first.mean_s)} |") == [units.ms(first.mean_s)]
    assert stray(f"the fastest: {units.ms(first.mean_s)}") == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("| output-error | **PASS** |", []),
        ("| output-error | **FAIL** |", ["FAIL"]),
        ("| output-error | **PASS (simulated)** |", []),
        ("Overall verdict: **PASS**.", []),
        ("Overall verdict: **NOT_MEASURED**.", ["NOT_MEASURED"]),
        ("| match_within_1_percent | true |", []),
        ("| match_within_1_percent | false |", ["false"]),
        ("a PASS-by value, falsehood and truest", []),
    ],
)
def test_verdicts_are_read_too(line, found):
    assert stray(line) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2025-06-01T08:00:00+00:00", []),
        ("2025-06-01T08:00:01+00:00", ["2025-06-01T08:00:01+00:00"]),
        ("2025-06-01T08:01:40+00:00", []),
        ("`" + samples.CODE_SHA256 + "`", []),
        ("`" + samples.CODE_SHA256[:12] + "`", []),
        ("`" + samples.CODE_SHA256[:11] + "1`", [samples.CODE_SHA256[:11] + "1"]),
        ("version 8.3.RC1\u3002", []),
        ("version 8.4.RC1\u3002", ["8.4.RC1"]),
    ],
)
def test_times_hashes_and_versions_are_whole_words(line, found):
    assert stray(line) == found


def test_a_changed_heading_or_fixed_line_is_stray():
    assert stray("## 9. Performance") == []
    assert stray("## 10. Performance") == ["the heading '10. Performance'"]
    assert stray("relative L2 error < 2 % for every input and output") == ["2 %"]


def test_what_breaks_a_table_is_read_as_it_was_meant():
    odd = samples.photo_result(
        predictions=(samples.predictions()[0], replace(samples.predictions()[1], label="a|b1<c2\\`d3&e4"))
    )
    spec = samples.eval_spec(inputs=samples.eval_spec().inputs[:1])
    record = samples.inference_record(spec=spec, data=InferenceData(results=(odd,)))
    found = summary.summarize(samples.spec_file(evaluation=spec), {"inference": record})
    for lang in ("zh", "en"):
        page = render.render(found, lang=lang)["readme.md"]
        assert list(numerals.stray_numerals(page, "readme.md", numerals.allowed_numbers(found), NPU_DELIVERABLES)) == []


@settings(max_examples=40, deadline=None)
@given(
    centre=st.floats(1e-7, 1e4), calls=st.integers(0, 200), scale=st.floats(0, 10), first=st.floats(1e-9, 1e5),
    sizes=st.lists(st.integers(1, 4096), min_size=1, max_size=4, unique=True), label=st.text(max_size=20),
    score=st.floats(0, 1), lang=st.sampled_from(["zh", "en"]),
)  # fmt: skip
def test_no_honest_page_is_accused(centre, calls, scale, first, sizes, label, score, lang):
    """Whatever was measured, the pages that are rendered from it hold."""
    spec = samples.eval_spec(timing=replace(samples.eval_spec().timing, batch_sizes=tuple(sizes)))
    runs = tuple(
        samples.latency_run(size, samples_s=samples.latency_samples(calls, centre * size), first_call_s=first)
        for size in sizes
    )
    runs = tuple(r for r in runs if all(s > 0 for s in r.samples_s))
    shown = replace(samples.predictions()[0], label=label, score=score)
    clean = "$" not in label and "{" not in label and "}" not in label and "%" not in label
    records = {
        "inference": samples.inference_record(
            spec=spec,
            data=InferenceData(results=(samples.photo_result(predictions=(shown,) if clean else ()),)),
        ),
        "precision": samples.precision_record(
            spec=spec,
            data=samples.precision_data(
                ["inputs/cat.jpg"], differences=(samples.difference((1.0, -2.0), (1.0 + scale, -2.0)),)
            ),
        ),
    }
    if runs:
        records["performance"] = samples.performance_record(spec=spec, data=samples.performance_data(runs=runs))
    found = summary.summarize(samples.spec_file(evaluation=spec), records)
    for name, page in render.render(found, lang=lang).items():
        assert list(numerals.stray_numerals(page, name, numerals.allowed_numbers(found), NPU_DELIVERABLES)) == []
