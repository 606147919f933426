from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from npu_eval.asked.criteria import Comparison, Criterion
from npu_eval.asked.metrics import METRICS
from npu_eval.asked.profiles import default_criteria
from npu_eval.asked.spec import (
    DTYPES,
    SCHEMA,
    TASKS,
    TIERS,
    Classes,
    EvalSpec,
    InputFile,
    Side,
    TimingProtocol,
    TrainingProtocol,
    WeightsSpec,
    check,
    read_spec_file,
)
from npu_eval.errors import ConfigError, RecordError
from npu_eval.jsonio import dumps, from_json, to_json
from npu_eval.timing import samples as timed

numbers = st.floats(allow_nan=False, allow_infinity=False)
sides = st.builds(Side, device=st.sampled_from(["auto", "cpu", "npu:0"]), dtype=st.sampled_from(DTYPES))
criteria = st.builds(
    Criterion,
    id=st.text(),
    metric=st.sampled_from(sorted(METRICS)),
    comparison=st.sampled_from(Comparison),
    threshold=numbers,
    why=st.text(),
    outputs=st.lists(st.text()).map(tuple),
)
specs = st.builds(
    EvalSpec,
    name=st.text(),
    adapter=st.text(),
    task=st.sampled_from(TASKS),
    weights=st.builds(WeightsSpec, source=st.text(), sha256=st.none() | st.text(), mapping=st.text()),
    inputs=st.lists(st.builds(InputFile, path=st.text(), sha256=st.text()), max_size=2).map(tuple),
    reference=sides,
    candidate=sides,
    seed=st.integers(),
    repeats=st.integers(),
    timing=st.builds(TimingProtocol, tier=st.sampled_from(sorted(TIERS)), limit_s=numbers),
    criteria=st.lists(criteria, max_size=2).map(tuple),
)


@given(specs)
def test_a_spec_comes_back_as_it_was_with_the_same_hash(spec: EvalSpec) -> None:
    again = from_json(EvalSpec, to_json(spec))
    assert again == spec
    assert again.sha256 == spec.sha256
    assert again.criteria_sha256 == spec.criteria_sha256


CHANGES: dict[str, Any] = {
    "classes": Classes(count=7),
    "name": "other",
    "adapter": "timm:resnet18",
    "task": "features",
    "weights": WeightsSpec(source="random"),
    "inputs": (InputFile(path="inputs/cat.jpg", sha256="00" * 32),),
    "reference": Side(device="cpu", dtype="float32"),
    "candidate": Side(device="cpu", dtype="float32"),
    "seed": 1,
    "repeats": 4,
    "timing": TimingProtocol(limit_s=301.0),
    "criteria": default_criteria("features"),
    "training": TrainingProtocol(steps=2),
    "numeric_modes": {"hf32_conv": False},
}


@pytest.mark.parametrize(
    ("modes", "dtype", "told"),
    [
        ({"hf32": True}, "float32", "numeric mode 'hf32' is unknown; did you mean"),
        ({"autocast": "float64"}, "float32", "numeric mode autocast is bfloat16 or float16, not 'float64'"),
        ({"autocast": True}, "float32", "numeric mode autocast is bfloat16 or float16, not 'True'"),
        ({"hf32_conv": "off"}, "float32", "numeric mode hf32_conv is true or false, not 'off'"),
        ({"autocast": "float16"}, "bfloat16", "numeric mode autocast acts on float32, and the candidate runs in bf"),
    ],
)
def test_a_numeric_mode_that_means_nothing_is_told(modes: dict[str, bool | str], dtype: str, told: str) -> None:
    spec = samples.eval_spec(numeric_modes=modes, candidate=Side(device="npu:0", dtype=dtype))
    with pytest.raises(ConfigError, match=rf"^spec\.json: {told}"):
        check(spec, "spec.json")


def test_numeric_modes_come_back_as_they_were() -> None:
    spec = samples.eval_spec(numeric_modes={"autocast": "bfloat16", "hf32_conv": False})
    check(spec, "spec.json")
    assert from_json(EvalSpec, to_json(spec)) == spec
    with pytest.raises(RecordError, match="true, false or text was expected, found 1"):
        from_json(EvalSpec, to_json(spec) | {"numeric_modes": {"hf32_conv": 1}})


def test_every_field_of_the_spec_is_in_its_hash() -> None:
    spec = samples.eval_spec()
    assert set(CHANGES) == {f.name for f in dataclasses.fields(EvalSpec)}
    hashes = {dataclasses.replace(spec, **{name: value}).sha256 for name, value in CHANGES.items()}
    assert len(hashes | {spec.sha256}) == len(CHANGES) + 1


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Criterion)])
def test_every_field_of_a_criterion_is_in_its_hash(name: str) -> None:
    rule = samples.criterion()
    other: Any = {"comparison": Comparison.AT_LEAST, "threshold": 0.02, "outputs": ("logits",)}.get(name, "other")
    assert dataclasses.replace(rule, **{name: other}).sha256 != rule.sha256


def test_a_spec_is_immutable() -> None:
    for value in (samples.eval_spec(), samples.criterion(), samples.spec_file(), samples.eval_spec().timing):
        for field in dataclasses.fields(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)


@given(numbers, numbers)
def test_comparisons_are_those_of_arithmetic(value: float, threshold: float) -> None:
    assert Comparison.AT_MOST.holds(value, threshold) == (value <= threshold)
    assert Comparison.AT_LEAST.holds(value, threshold) == (value >= threshold)
    assert Comparison.BELOW.holds(value, threshold) == (value < threshold)
    assert Comparison.ABOVE.holds(value, threshold) == (value > threshold)


@pytest.mark.parametrize("task", TASKS)
def test_the_default_criteria_are_sound_for_every_task(task: str) -> None:
    rules = default_criteria(task)
    check(samples.eval_spec(task=task, criteria=rules), "spec.json")
    assert ("top1_agreement" in {r.metric for r in rules}) == (task == "classification")
    assert {r.experiment for r in rules} == {"precision", "performance"}
    assert all(r.why and r.outputs == ("*",) for r in rules)


def test_the_tiers_support_the_percentiles_that_they_are_for() -> None:
    assert TIERS["standard"][1] == timed.min_samples(90.0) == 64
    assert TIERS["publish"][1] == timed.min_samples(99.0) == 662
    timing = TimingProtocol(tier="publish")
    assert (timing.min_duration_s, timing.min_samples) == (60.0, 662)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"task": "clasification"}, "task 'clasification' is unknown; did you mean 'classification'?"),
        ({"timing": TimingProtocol(tier="publlish")}, "timing.tier 'publlish' is unknown; did you mean 'publish'?"),
        ({"timing": TimingProtocol(batch_sizes=())}, "timing.batch_sizes"),
        ({"timing": TimingProtocol(batch_sizes=(1, 0))}, "timing.batch_sizes"),
        ({"weights": WeightsSpec(source="random", mapping="order")}, "weights.mapping 'order' is unknown"),
        ({"reference": Side(device="cpu", dtype="float8")}, "dtype 'float8' is unknown"),
        ({"candidate": Side(device="cpu", dtype="int8")}, "dtype 'int8' is unknown"),
        ({"inputs": ()}, "there is no input"),
        ({"repeats": 1}, "repeats must be at least 2"),
        ({"criteria": (samples.criterion("relative_l2"), samples.criterion("relative_l2"))}, "two criteria are called"),
        ({"criteria": (samples.criterion("relative_l3"),)}, "metric 'relative_l3' is unknown; did you mean"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_with_its_place(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(samples.eval_spec(**change), "spec.json")
    assert str(caught.value).startswith("spec.json: ")
    assert what in str(caught.value)


# --- spec.json -------------------------------------------------------------------------------------------------------


def test_a_spec_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(dumps(samples.spec_file()), encoding="utf-8")
    assert read_spec_file(path) == samples.spec_file()


def test_a_mended_title_changes_no_spec_that_records_are_bound_to() -> None:
    mended = samples.spec_file(model=samples.model_facts(title="Other"))
    assert mended.evaluation.sha256 == samples.spec_file().evaluation.sha256


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("schema",), "npu-deliver/spec/2", f"spec.json: schema 'npu-deliver/spec/2' is not '{SCHEMA}'"),
        (("evaluation", "sed"), 0, "spec.json.evaluation: unknown key 'sed'; did you mean 'seed'?"),
        (("evaluation", "seed"), "0", "spec.json.evaluation.seed: a whole number was expected"),
        (("evaluation", "criteria", 0, "threshold"), None, "evaluation.criteria[0].threshold: a number was expected"),
        (("evaluation", "criteria", 0, "comparison"), "=<", "one of <=, >=, <, > was expected"),
        (("evaluation", "repeats"), 1, "repeats must be at least 2"),
    ],
)
def test_a_wrong_spec_file_is_refused_with_the_place(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, what: str
) -> None:
    content = to_json(samples.spec_file())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (tmp_path / "spec.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        read_spec_file(tmp_path / "spec.json")
    assert what in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"schema": NaN}', None])
def test_what_is_no_spec_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "spec.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^spec\.json: "):
        read_spec_file(tmp_path / "spec.json")
