"""The lines of the precision log. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from npu_eval.agreement import elements, metrics
from npu_eval.agreement.difference import Difference
from npu_eval.agreement.levels import FP32_EQUAL
from npu_eval.experiments.precision.data import PrecisionData
from npu_eval.experiments.precision.detection_log import detection_lines
from npu_eval.experiments.precision.levels import levels
from npu_eval.experiments.precision.switching_log import switching_lines
from npu_eval.notation import units
from npu_eval.notation.tables import table


def precision_lines(data: PrecisionData, held: Mapping[str, bool | None], *, simulated: bool) -> list[str]:
    """The log's middle. ``held``: output → whether the criteria on it hold, as `values.held_outputs` says."""
    agreements = [metrics.agreement(d) for d in data.differences]
    lines = [
        f"reference {data.reference_dtype}, candidate {data.candidate_dtype}",
        "",
        *table(
            (
                "input",
                "output",
                "rel L2",
                "SNR",
                "cosine",
                "its rel L2",
                "max|d|",
                "mean|d|",
                "max|d|/max|r|",
                "RMS r",
                ">1%",
            ),
            [
                (
                    a.input,
                    a.output,
                    units.sci(a.relative_l2),
                    units.db(a.snr_db),
                    units.cosine(a.cosine_similarity),
                    units.sci(a.cosine_relative_l2),
                    units.sci(a.max_abs_diff),
                    units.sci(a.mean_abs_diff),
                    units.sci(a.scaled_max_abs_diff),
                    units.sci(a.reference_rms),
                    units.percent(a.share_over_1_percent),
                )
                for a in agreements
            ],
        ),
        COSINES,
        "",
        *table(
            ("input", "output", "<=1/1000", "<=5/1000", "below floor", "MERE", "MARE", "one-sided NaN/Inf", "bitwise"),
            [
                (
                    a.input,
                    a.output,
                    units.percent(a.share_within_1_permille),
                    units.percent(a.share_within_5_permille),
                    units.percent(a.share_below_floor),
                    units.sci(a.mean_relative_error),
                    units.sci(a.max_relative_error),
                    units.count(a.nonfinite_mismatch),
                    _yes(a.bitwise_equal),
                )
                for a in agreements
            ],
        ),
        *_element_lines(data.differences),
        "",
        f"level of each output; up to {FP32_EQUAL:g} times the error of float32 itself counts as equal in float32",
        *table(
            ("output", "level", "rel L2", "float32 itself"),
            [
                (
                    x.output,
                    x.level,
                    "not finite" if x.error is None else units.sci(x.error),
                    "-" if x.floor is None else units.sci(x.floor),
                )
                for x in levels(data, held)
            ],
        ),
        *switching_lines(data.switching, simulated=simulated),
        "",
        "repeat runs on the candidate, against its first run",
        *table(
            ("input", "output", "rel L2", "max|d|", "bitwise"),
            [
                (a.input, a.output, units.sci(a.relative_l2), units.sci(a.max_abs_diff), _yes(a.bitwise_equal))
                for a in map(metrics.agreement, data.repeats)
            ],
        ),
    ]
    if data.rankings:
        rows = [
            (
                r.input,
                _classes(r.reference_classes),
                _classes(r.candidate_classes),
                _yes(bool(r.reference_classes) and r.reference_classes[:1] == r.candidate_classes[:1]),
                f"{len(set(r.reference_classes) & set(r.candidate_classes))}/{len(r.reference_classes)}",
            )
            for r in data.rankings
        ]
        lines += ["", *table(("input", "reference top-5", "candidate top-5", "top-1 equal", "top-5 common"), rows)]
    if data.detections:
        lines += ["", *detection_lines(data.detections)]
    return lines


COSINES = "a cosine as relative L2 error: 0.99 = 14.1 %, 0.999 = 4.5 %, 0.9999 = 1.41 %, 0.99995 = 1 %"
"""Of equal norms and small errors, cosine = 1 - e^2 / 2."""


def _element_lines(differences: Sequence[Difference]) -> list[str]:
    """What other people's standards ask; nothing where the record was made before that was stored."""
    if any(d.elements is None for d in differences):
        return []

    def share(d: Difference, name: str) -> str:
        return units.percent(elements.metric(d, name) or 0.0)

    rows = [
        (
            d.input,
            d.output,
            share(d, "one_hundredth_ratio"),
            share(d, "five_thousandths_ratio"),
            share(d, "one_thousandth_ratio"),
            share(d, "one_ten_thousandth_ratio"),
            units.sci(elements.metric(d, "mean_ulp") or 0.0),
            share(d, "share_over_1_ulp"),
            share(d, "share_over_32_ulp"),
            units.db(elements.psnr_db(d)),
            units.sci(elements.metric(d, "max_mixed_error") or 0.0),
        )
        for d in differences
    ]
    header = (
        "input",
        "output",
        "<1/100",
        "<5/1000",
        "<1/1000",
        "<1/10000",
        "mean ulp",
        ">1 ulp",
        ">32 ulp",
        "PSNR",
        "max|d|/max(1,|r|)",
    )
    return [
        "",
        "relative errors of all elements, as msprobe counts them; units in the last place",
        *table(header, rows),
    ]


def _classes(numbers: Sequence[int]) -> str:
    return " ".join(str(n) for n in numbers)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
