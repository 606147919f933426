from __future__ import annotations

import samples
from npu_deliver.experiments.localisation.summary import SHOWN, summarize_localisation
from npu_deliver.experiments.precision.summary import FLOAT32_LIMIT, differs
from npu_deliver.report.render import render
from npu_deliver.summary import summarize


def test_the_page_gets_the_worst_operators_and_the_first_fault() -> None:
    found = summarize_localisation(samples.localisation_data(), [samples.criterion()])
    assert [row.index for row in found.worst] == [3, 2, 0]
    assert (found.total, found.different) == (4, 3)
    assert found.first_fault is not None
    assert found.first_fault.index == 2
    assert found.worst[-1].expected == 2.0**-13
    assert found.worst[0].expected is None
    assert found.outputs[0].level == "within-criteria"


def test_a_page_shows_no_more_than_people_read() -> None:
    operators = tuple(samples.located(i, cause="hf32") for i in range(SHOWN + 5))
    found = summarize_localisation(samples.localisation_data(operators=operators), [samples.criterion()])
    assert len(found.worst) == SHOWN
    assert found.different == SHOWN + 5
    assert found.first_fault is None


def test_the_pages_say_where_the_difference_starts() -> None:
    records = {**samples.records(), "localisation": samples.localisation_record()}
    summary = summarize(samples.spec_file(), records)
    english, chinese = (render(summary, lang=lang)["readme.md"] for lang in ("en", "zh"))
    assert "Where the difference starts" in english
    assert "差异从哪里开始" in chinese
    for page in (english, chinese):
        assert "layer2.conv" in page
        assert "localisation_chart.png" in page
    assert "Where the difference starts" not in render(summarize(samples.spec_file(), samples.records()), lang="en")


def test_an_output_beyond_float32_calls_for_a_search() -> None:
    close = samples.precision_data(differences=(samples.difference(sum_sq_reference=1.0, sum_sq_diff=1e-14),))
    far = samples.precision_data(
        differences=(samples.difference(sum_sq_reference=1.0, sum_sq_diff=4 * FLOAT32_LIMIT**2),)
    )
    broken = samples.precision_data(differences=(samples.difference(nonfinite_mismatch=1),))
    assert not differs(None)
    assert not differs(samples.precision_record(data=close))
    assert differs(samples.precision_record(data=far))
    assert differs(samples.precision_record(data=broken))
