from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import samples
from npu_eval.agreement import metrics
from npu_eval.agreement.difference import RELATIVE_FLOOR
from npu_eval.agreement.metrics import agreement

moderate = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)
pairs = st.lists(st.tuples(moderate, moderate), min_size=1, max_size=50)


@given(pairs)
def test_agreement_is_what_numpy_says(values: list[tuple[float, float]]) -> None:
    r, y = (np.array(side) for side in zip(*values, strict=True))
    found = agreement(samples.difference(r.tolist(), y.tolist()))
    diff, size = np.abs(y - r), np.abs(r)
    if size.any():
        assert math.isclose(found.relative_l2, np.linalg.norm(diff) / np.linalg.norm(r), rel_tol=1e-12)
        assert math.isclose(found.scaled_max_abs_diff, diff.max() / size.max(), rel_tol=1e-12)
    if size.any() and y.any():
        cosine = float(r @ y / (np.linalg.norm(r) * np.linalg.norm(y)))
        assert math.isclose(found.cosine_similarity, cosine, rel_tol=1e-9, abs_tol=1e-12)
    assert -1.0 <= found.cosine_similarity <= 1.0
    assert math.isclose(found.mean_abs_diff, diff.mean(), rel_tol=1e-12)
    assert found.max_abs_diff == diff.max()
    assert math.isclose(found.reference_rms, math.sqrt(np.mean(r**2)), rel_tol=1e-12)
    assert math.isclose(found.mean_relative_error, np.mean(diff / (size + 1e-7)), rel_tol=1e-12)
    assert math.isclose(found.max_relative_error, np.max(diff / (size + 1e-7)), rel_tol=1e-12)
    counted = size > RELATIVE_FLOOR * size.max()
    assert math.isclose(found.share_below_floor, 1 - counted.mean(), abs_tol=1e-12)
    if counted.any():
        share = diff[counted] / size[counted]
        assert math.isclose(found.share_over_1_percent, np.mean(share > 0.01))
        assert math.isclose(found.share_within_1_permille, np.mean(share <= 0.001), abs_tol=1e-12)
        assert math.isclose(found.share_within_5_permille, np.mean(share <= 0.005), abs_tol=1e-12)
    if found.relative_l2:
        assert found.snr_db is not None
        assert math.isclose(found.snr_db, -20 * math.log10(found.relative_l2))


@given(st.lists(moderate, min_size=2, max_size=20).filter(any), st.floats(1e-3, 1.5))
def test_for_equal_norms_the_cosine_follows_from_the_relative_error(values: list[float], angle: float) -> None:
    """cosine = 1 - e^2 / 2, where e = ||y - r|| / ||r|| and ||y|| = ||r||."""
    r = np.array(values) / np.max(np.abs(values))
    other = np.roll(r, 1) - r * (np.roll(r, 1) @ r) / (r @ r)
    assume(np.linalg.norm(other) > 1e-3)
    y = math.cos(angle) * r + math.sin(angle) * other * np.linalg.norm(r) / np.linalg.norm(other)
    found = agreement(samples.difference(r.tolist(), y.tolist()))
    assert found.cosine_similarity == pytest.approx(1 - found.relative_l2**2 / 2, abs=1e-9)
    assert found.cosine_similarity == pytest.approx(math.cos(angle), abs=1e-6)


@given(st.lists(moderate, min_size=1, max_size=20))
def test_a_perfect_candidate_has_no_error(values: list[float]) -> None:
    found = agreement(samples.difference(values, values))
    assert (found.relative_l2, found.snr_db, found.max_abs_diff, found.mean_relative_error) == (0.0, None, 0.0, 0.0)
    assert found.cosine_similarity == pytest.approx(1.0, abs=1e-15)
    assert (found.share_over_1_percent, found.share_within_1_permille) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("reference", "candidate", "relative", "cosine", "scaled"),
    [((0.0, 0.0), (0.0, 0.0), 0.0, 1.0, 0.0), ((0.0, 0.0), (1.0, 0.0), 1.0, 0.0, 1.0),
     ((1.0, 0.0), (0.0, 0.0), 1.0, 0.0, 1.0), ((), (), 0.0, 1.0, 0.0)],
)  # fmt: skip
def test_a_zero_or_empty_side_has_defined_metrics(
    reference: Sequence[float], candidate: Sequence[float], relative: float, cosine: float, scaled: float
) -> None:
    found = agreement(samples.difference(reference, candidate))
    assert (found.relative_l2, found.cosine_similarity, found.scaled_max_abs_diff) == (relative, cosine, scaled)


def test_a_cosine_is_clamped_only_within_the_rounding_of_its_sums() -> None:
    exact = samples.difference((1.0, 2.0), (1.0, 2.0))
    rounded = dataclasses.replace(exact, dot=exact.dot * (1 + 1e-13))
    assert agreement(rounded).cosine_similarity == 1.0
    assert agreement(dataclasses.replace(exact, dot=-rounded.dot)).cosine_similarity == -1.0
    defective = dataclasses.replace(exact, dot=exact.dot * 1.001)
    assert agreement(defective).cosine_similarity > 1.0, "a defect of the sums must show"


def test_means_are_over_the_elements_that_are_finite_on_both_sides() -> None:
    """Four equal infinities on both sides are in no sum, so they must not make the mean error look smaller."""
    seen = samples.difference((1.0, 2.0), (1.5, 2.5))
    hidden = dataclasses.replace(seen, count=6, nonfinite_reference=4, nonfinite_candidate=4)
    for name in ("mean_abs_diff", "reference_rms", "mean_relative_error", "share_below_floor"):
        assert getattr(agreement(hidden), name) == getattr(agreement(seen), name)


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 5))
def test_top_k_agreement_counts_common_classes(left: list[int], right: list[int], k: int) -> None:
    pair = samples.ranking(reference_classes=tuple(left[:5]), candidate_classes=tuple(right[:5]))
    share = metrics.top_k_agreement([pair], k)
    assert share == len(set(left[:k]) & set(right[:k])) / k
    assert metrics.top_k_agreement([pair, samples.ranking()], k) == pytest.approx((share + 1) / 2)


def test_top_k_agreement_of_few_or_no_classes() -> None:
    two = samples.ranking(reference_classes=(1, 0), candidate_classes=(0, 1))
    assert metrics.top_k_agreement([two], 5) == 1.0
    assert metrics.top_k_agreement([two], 1) == 0.0
    assert metrics.top_k_agreement([samples.ranking(candidate_classes=())], 5) == 0.0
    assert metrics.top_k_agreement([samples.ranking(reference_classes=())], 1) == 0.0
