"""Thresholds as their sources have them: each number here was read there, not from the code."""

from __future__ import annotations

import dataclasses

import pytest

import samples
from npu_eval.asked.criteria import NO_FALLBACK
from npu_eval.asked.profiles import DEFAULT, PROFILES, criteria_of, default_criteria, profile_of
from npu_eval.asked.spec import TASKS, check
from npu_eval.errors import ConfigError
from npu_eval.records.verdict import Status, judge_all

PUBLISHED = {
    "msprobe-l0": {"dual_rmse_ratio": ("<=", 2), "dual_mean_relative_ratio": ("<=", 2),
                   "dual_max_relative_ratio": ("<=", 10), "dual_small_value_ratio": ("<=", 2)},
    "msprobe-l1": {"dual_rmse_ratio": ("<=", 1.5), "dual_mean_relative_ratio": ("<=", 1.5),
                   "dual_max_relative_ratio": ("<=", 5), "dual_small_value_ratio": ("<=", 2)},
    "msprobe-l2": {"dual_rmse_ratio": ("<=", 1.2), "dual_mean_relative_ratio": ("<=", 1.2),
                   "dual_max_relative_ratio": ("<=", 2), "dual_small_value_ratio": ("<=", 2)},
    "msprobe-compare": {"cosine_similarity": (">", 0.99), "max_abs_diff": ("<", 0.001)},
    "cann-fp32": {"mean_relative_error": ("<", 1 / 8192), "max_relative_error": ("<", 10 / 8192)},
    "cann-hf32": {"mean_relative_error": ("<", 1 / 2048), "max_relative_error": ("<", 10 / 2048)},
    "cann-fp16": {"mean_relative_error": ("<", 1 / 1024), "max_relative_error": ("<", 10 / 1024)},
    "cann-bf16": {"mean_relative_error": ("<", 1 / 128), "max_relative_error": ("<", 10 / 128)},
    "polygraphy-default": {"max_mixed_error": ("<=", 1e-5), "nonfinite_elements": ("<=", 0)},
    "mlperf-99": {"task_metric_ratio": (">=", 0.99)},
    "mlperf-99.9": {"task_metric_ratio": (">=", 0.999)},
}  # fmt: skip


@pytest.mark.parametrize("name", PROFILES)
def test_the_thresholds_are_the_published_ones(name: str) -> None:
    if name == DEFAULT:
        assert criteria_of(name, "detection") == default_criteria("detection")
        return
    found = {rule.metric: (str(rule.comparison), rule.threshold) for rule in criteria_of(name, "features")}
    found.pop("nonfinite_mismatch", None)
    assert found == PUBLISHED[name]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_is_a_sound_set_of_rules_that_says_where_it_comes_from(name: str, task: str) -> None:
    profile, rules = PROFILES[name], criteria_of(name, task)
    check(samples.eval_spec(task=task, criteria=rules), "spec.json")
    assert profile.sources
    assert profile.floor
    assert profile.about
    assert all(rule.why for rule in rules)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_known_by_its_rules(name: str) -> None:
    rules = criteria_of(name, "classification", training=True)
    assert profile_of((*rules, NO_FALLBACK), "classification", training=True) == name
    loosened = (dataclasses.replace(rules[0], threshold=rules[0].threshold * 2), *rules[1:])
    assert profile_of(loosened, "classification", training=True) is None


def test_an_unknown_profile_is_refused_with_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"no criteria profile 'msprobe-l3'; did you mean 'msprobe-l"):
        criteria_of("msprobe-l3", "features")


def test_the_profiles_disagree_where_they_should() -> None:
    """An error of half a per cent in every element: within the contest's rule, beyond float32's standards."""
    values = (1.0, -2.0, 3.0, 0.5)
    off = samples.difference(values, [v * 1.005 for v in values])
    data = samples.precision_data(differences=(off,), floors=(samples.difference(values),))
    records = {"precision": samples.precision_record(data=data)}

    def statuses(name: str) -> dict[str, Status]:
        return {v.metric: v.status for v in judge_all(records, criteria_of(name, "features"))}

    assert statuses(DEFAULT)["relative_l2"] is Status.PASS
    assert statuses("cann-fp32")["mean_relative_error"] is Status.FAIL
    assert statuses("cann-bf16")["mean_relative_error"] is Status.PASS
    assert statuses("polygraphy-default")["max_mixed_error"] is Status.FAIL
    assert statuses("msprobe-l0")["dual_rmse_ratio"] is Status.FAIL
    assert statuses("mlperf-99")["task_metric_ratio"] is Status.NOT_MEASURED
