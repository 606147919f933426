from dataclasses import replace

import pytest

from npu_deliver.drawing.labels import CHART_LABELS, Frame
from npu_deliver.experiments.dataset.chart import ApSeries, dataset_chart


def chart(*series, lang="en", **changes):
    frame = Frame(labels=CHART_LABELS[lang], stamp=None, footer="", source_sha256="ab" * 32)
    return dataset_chart(series, replace(frame, **changes))


BOXES = ApSeries(name="boxes", by_threshold=(0.5, *(None,) * 9), by_category={"person": 0.4, "虎": None})


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_many_categories_and_undefined_values_are_drawn(lang):
    many = ApSeries(name="masks", by_threshold=(0.0,) * 10, by_category={f"category {n}": 0.5 for n in range(80)})
    for series in ((BOXES,), (BOXES, BOXES), (many, many)):
        assert chart(*series, lang=lang).startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_bytes():
    assert chart(BOXES) == chart(BOXES)


@pytest.mark.parametrize("series", [(), (ApSeries(name="", by_threshold=(float("nan"),) * 10, by_category={}),)])
def test_what_cannot_be_drawn_is_refused(series):
    with pytest.raises(ValueError, match="chart"):
        chart(*series)
