from __future__ import annotations

import io

import pytest
from PIL import Image

from npu_deliver.drawing.labels import CHART_LABELS, Frame
from npu_deliver.experiments.localisation.chart import STYLES, StripPoint, strip_chart
from npu_eval.experiments.localisation.data import CAUSES


def points(count: int = 60) -> list[StripPoint]:
    return [
        StripPoint(
            name=f"layer{i}", error=None if i == 41 else 10.0 ** -(i % 7), band=1e-7, cause=CAUSES[i % len(CAUSES)]
        )
        for i in range(count)
    ]


def chart(lang: str, given: list[StripPoint]) -> bytes:
    return strip_chart(given, Frame(labels=CHART_LABELS[lang], stamp=None, footer="footer", source_sha256="ab" * 32))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_same_operators_give_the_same_picture_that_names_its_source(lang: str) -> None:
    first = chart(lang, points())
    assert first == chart(lang, points())
    image = Image.open(io.BytesIO(first))
    assert image.size[0] == 1200
    assert image.text["Source-SHA256"] == "ab" * 32  # type: ignore[attr-defined]


def test_every_cause_has_a_mark_and_a_name_in_both_languages() -> None:
    assert set(STYLES) == set(CAUSES) == set(CHART_LABELS["zh"].causes) == set(CHART_LABELS["en"].causes)


def test_a_single_operator_and_an_error_of_zero_are_drawn() -> None:
    assert chart("en", [StripPoint(name="x", error=0.0, band=0.0, cause="ok")])


def test_nothing_to_draw_and_negative_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        chart("en", [])
    with pytest.raises(ValueError, match="finite numbers"):
        chart("en", [StripPoint(name="x", error=-1.0, band=0.0, cause="ok")])
