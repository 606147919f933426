"""The chart of training steps: drawn for any number of losses, and the same bytes each time."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from npu_deliver.drawing.labels import CHART_LABELS, Frame
from npu_deliver.experiments.training.chart import LossSeries, training_chart


def series(name, reference=(3.0, 2.0, 1.0), candidate=(3.0, 2.1, 1.2), worst=0.2):
    return LossSeries(name=name, reference=reference, candidate=candidate, worst=worst)


def drawn(*some, lang="zh"):
    return training_chart(
        some, Frame(labels=CHART_LABELS[lang], stamp="随机权重", footer="where", source_sha256="ab" * 32)
    )


@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("lang", sorted(CHART_LABELS))
def test_each_loss_has_a_chart_and_the_picture_its_source(count, lang):
    data = drawn(*(series(f"loss_{i}") for i in range(count)), lang=lang)
    picture = Image.open(io.BytesIO(data))
    assert picture.width == 1200
    assert picture.text["Source-SHA256"] == "ab" * 32
    assert data == drawn(*(series(f"loss_{i}") for i in range(count)), lang=lang)


def test_a_loss_that_is_not_finite_leaves_a_gap():
    gap = drawn(series("loss", candidate=(3.0, None, None), worst=None))
    assert gap != drawn(series("loss"))


@pytest.mark.parametrize("bad", [(), (series("loss", reference=(float("nan"),)),)])
def test_nothing_and_no_number_are_refused(bad):
    with pytest.raises(ValueError, match=r"."):
        drawn(*bad)
