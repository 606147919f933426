"""A spec is read strictly: whatever is wrong is told in one line that names the file and the key."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deliverables
from npu_deliver.errors import SpecError
from npu_deliver.spec import spec
from npu_deliver.spec.spec import Overrides
from npu_eval.asked.criteria import NO_FALLBACK
from npu_eval.asked.profiles import criteria_of, default_criteria

GOOD = """\
name: tiny
adapter: adapter.py
task: classification
model:
  title: Tiny
"""


def load(root: Path, text: str, **overrides):
    (root / "tiny").mkdir(exist_ok=True)
    (root / "tiny/spec.yaml").write_text(text, encoding="utf-8")
    return spec.load("tiny", root, overrides=Overrides(**overrides))


def refusal(root: Path, text: str, **overrides) -> str:
    with pytest.raises(SpecError) as told:
        load(root, text, **overrides)
    assert told.value.exit_code == 2
    line = str(told.value)
    assert "\n" not in line
    assert "spec.yaml" in line
    return line


def test_the_least_spec_has_the_defaults(tmp_path):
    job = load(tmp_path, GOOD)
    assert job.spec.evaluation.device == "auto"
    assert job.spec.evaluation.reference.dtype == "float64"
    assert job.spec.weights_spec().source == "default"
    assert job.spec.timing().batch_sizes == (1, 8)
    assert job.spec.criteria() == (*default_criteria("classification"), NO_FALLBACK)
    assert job.folder == tmp_path / "tiny"
    assert job.output == tmp_path / "tiny/npu_deliverables"
    assert job.work.parent == job.lock.parent == job.output.parent


def test_the_output_is_absolute_whatever_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load(tmp_path, GOOD)
    assert spec.load("tiny", Path(), overrides=Overrides(), output=Path("out")).output == tmp_path / "out"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "line 1, column 8: not readable as YAML"),
        ("name: tiny\n\tadapter: x\n", "line 2, column 1: not readable as YAML"),
        ("name: tiny\nname: other\n", "line 2, column 1: not readable as YAML: key 'name' appears twice"),
        ("model:\n  title: a\n  title: b\n", "line 3, column 3: not readable as YAML: key 'title' appears twice"),
        ("? [a, b]\n: c\n", "line 1, column 3: not readable as YAML: key ['a', 'b'] is no text"),
        ("1: c\n", "line 1, column 1: not readable as YAML: key 1 is no text"),
        ("? {a: b}\n: c\n", "is no text"),
        ("<<: {a: b}\n", "not readable as YAML"),
        ("a: &x [*x]\nb: !!python/object:os.system x\n", "not readable as YAML"),
        ("name: \x01\n", "cannot be read"),
        ("", "holds no keys"),
        ("# only a comment\n", "holds no keys"),
        ("- a\n", "holds no keys"),
        ("just text\n", "holds no keys"),
        ("[" * 1500, "cannot be read"),
    ],
)
def test_broken_yaml_is_told_with_its_line(tmp_path, text, told):
    assert told in refusal(tmp_path, text)


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/spec.yaml").write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(SpecError, match="cannot be read"):
        spec.load("tiny", tmp_path, overrides=Overrides())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("devise: cpu\n", "unknown key 'devise'"),
        ("adapters: x\n", "unknown key 'adapters'; did you mean 'adapter'?"),
        ("  titel: x\n", "unknown key 'model.titel'; did you mean 'title'?"),
        ("weights: {sorce: random}\n", "unknown key 'weights.sorce'; did you mean 'source'?"),
        ("evaluation: {devices: cpu}\n", "unknown key 'evaluation.devices'; did you mean 'device'?"),
        (
            "evaluation: {reference: {dtyp: float32}}\n",
            "unknown key 'evaluation.reference.dtyp'; did you mean 'dtype'?",
        ),
        (
            "evaluation: {timing: {batch_size: [1]}}\n",
            "unknown key 'evaluation.timing.batch_size'; did you mean 'batch_sizes'?",
        ),
        (
            "evaluation: {criteria: [{id: a, metric: relative_l2, comparison: '<=', threshold: 1, why: x, output: y}]}"
            "\n",
            "unknown key 'evaluation.criteria.0.output'; did you mean 'outputs'?",
        ),
        ("zzz: 1\n", "unknown key 'zzz'; known: adapter, dataset, evaluation, image, inputs"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(tmp_path, more, told):
    assert told in refusal(tmp_path, GOOD + more)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("inputs: photos\n", "inputs: input should be a valid list, found 'photos'"),
        ("inputs: [1]\n", "inputs.0: input should be a valid string, found '1'"),
        ("weights: random\n", "weights: input should be a valid dictionary or instance of Weights, found 'random'"),
        ("weights: {sha256: abc}\n", "weights.sha256: string should match pattern"),
        (
            "weights: {mapping: by_magic}\n",
            "weights.mapping: input should be 'by_name' or 'by_order', found 'by_magic'",
        ),
        ("evaluation: {seed: '0'}\n", "evaluation.seed: input should be a valid integer, found '0'"),
        ("evaluation: {seed: 1.5}\n", "evaluation.seed: input should be a valid integer"),
        ("evaluation: {repeats: 1}\n", "evaluation.repeats: input should be greater than or equal to 2"),
        ("evaluation: {device: gpu}\n", "evaluation.device: string should match pattern"),
        (
            "evaluation: {dtype: int8}\n",
            "evaluation.dtype: input should be 'float64', 'float32', 'float16' or 'bfloat16'",
        ),
        (
            "evaluation: {timing: {batch_sizes: []}}\n",
            "evaluation.timing.batch_sizes: list should have at least 1 item",
        ),
        (
            "evaluation: {timing: {batch_sizes: [0]}}\n",
            "evaluation.timing.batch_sizes.0: input should be greater than or equal to 1",
        ),
        (
            "evaluation: {timing: {batch_sizes: [true]}}\n",
            "evaluation.timing.batch_sizes.0: input should be a valid integer",
        ),
        ("evaluation: {timing: {limit_s: -1}}\n", "evaluation.timing.limit_s: input should be greater than 0"),
        ("evaluation: {criteria: [{id: A b}]}\n", "evaluation.criteria.0.id: string should match pattern"),
        (
            "profile: other\n",
            "profile: input should be 'npu_deliverables', 'eval_results', 'flat' or 'model_zoo', found 'other'",
        ),
        ("requirements: {a: b}\n", "requirements: input should be a valid list"),
        ("license: 2024-01-01\n", "unknown key 'license'"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(tmp_path, more, told):
    assert told in refusal(tmp_path, GOOD + more)


@pytest.mark.parametrize("key", ["name", "adapter", "task", "model"])
def test_a_missing_key_is_told(tmp_path, key):
    values = yaml.safe_load(GOOD)
    del values[key]
    assert f"{key}: field required; see docs/reference/spec.md" in refusal(tmp_path, yaml.safe_dump(values))


def test_the_number_of_further_mistakes_is_told(tmp_path):
    assert "(and 2 more)" in refusal(tmp_path, "name: tiny\nadapter: adapter.py\n" + "task: x\nprofile: y\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["name", "adapter", "task", "model", "weights", "inputs", "requirements", "evaluation"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    device=st.sampled_from([None, "cpu"]),
    weights=st.sampled_from([None, "random"]),
    tier=st.sampled_from([None, "smoke"]),
)
def test_no_value_whatever_gives_more_than_one_line(tmp_path, key, value, device, weights, tier):
    text = yaml.safe_dump(yaml.safe_load(GOOD) | {key: value}, allow_unicode=True)
    try:
        job = load(tmp_path, text, device=device, weights=weights, tier=tier)
    except SpecError as error:
        told = str(error)
    else:
        told = f"{job.spec.name} loads"
        assert device in (None, job.spec.evaluation.device)
        assert tier in (None, job.spec.evaluation.timing.tier)
    assert len(told.splitlines()) == 1


# --- which model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("tny", "there is no model 'tny'; did you mean 'tiny'? `npu-deliver models` lists them"),
        ("zzz", "there is no model 'zzz'; known: tiny"),
        ("../tiny", "there is no model '../tiny'"),
        ("", "there is no model ''"),
        ("timm:", "'timm:' is no model reference; did you mean 'timm'? e.g. timm:resnet50"),
        ("tim:resnet50", "did you mean 'timm'?"),
        ("hub:x", "'hub:x' is no model reference; known: npu_models"),
    ],
)
def test_an_unknown_model_is_told_with_the_nearest(tmp_path, model, told):
    deliverables.write_model(tmp_path)
    with pytest.raises(SpecError) as error:
        spec.load(model, tmp_path, overrides=Overrides())
    assert told in str(error.value)
    assert error.value.exit_code == 2


def test_an_empty_root_is_told(tmp_path):
    with pytest.raises(SpecError, match="holds no model"):
        spec.load("tiny", tmp_path, overrides=Overrides())
    assert spec.available(tmp_path) == ()


def test_a_generic_reference_needs_no_file(tmp_path):
    job = spec.load("timm:convnextv2_atto.fcmae_ft_in1k", tmp_path, overrides=Overrides(device="cpu"))
    assert job.spec.adapter == "timm:convnextv2_atto.fcmae_ft_in1k"
    assert job.spec.task == "classification"
    assert job.spec.model.title == "convnextv2_atto.fcmae_ft_in1k"
    assert job.folder == tmp_path / "timm_convnextv2_atto.fcmae_ft_in1k"
    assert job.spec.name == job.folder.name


def test_the_models_below_a_root_are_listed(tmp_path):
    for name in ("b", "a"):
        deliverables.write_model(tmp_path, name)
    (tmp_path / "empty").mkdir()
    assert spec.available(tmp_path) == ("a", "b")


# --- the command line over the file ----------------------------------------------------------------------------------


def test_averaged_weights_and_classes_from_the_command_line(tmp_path):
    text = GOOD + "weights: {source: x.pth, mapping: by_order, ema: false}\n"
    assert load(tmp_path, text).spec.weights_spec().ema == "plain"
    assert load(tmp_path, text, ema=True).spec.weights_spec().ema == "ema"
    assert load(tmp_path, text, weights="y.pth").spec.weights_spec().ema == "plain"
    assert load(tmp_path, text, ema=True).spec.weights.source == "x.pth"
    assert load(tmp_path, GOOD).spec.weights_spec().ema == ""
    job = spec.load("timm:resnet18", tmp_path, overrides=Overrides(num_classes=0))
    assert (job.spec.num_classes, job.spec.task) == (0, "features")
    job = spec.load("timm:resnet18", tmp_path, overrides=Overrides(num_classes=7, labels=Path("l.txt")))
    assert (job.spec.num_classes, job.spec.task, job.spec.labels) == (
        7,
        "classification",
        str(Path("l.txt").absolute()),
    )


def test_words_of_the_command_line_replace_those_of_the_spec(tmp_path):
    text = GOOD + "words: [cup, hot dog]\n"
    assert load(tmp_path, text).spec.words == ["cup", "hot dog"]
    assert load(tmp_path, text, words="shoe, person").spec.words == "shoe, person"


def test_labels_start_beside_the_spec(tmp_path):
    text = GOOD.replace("adapter.py", "timm:resnet18") + "num_classes: 2\nlabels: l.txt\n"
    assert load(tmp_path, text).spec.labels == str(tmp_path / "tiny" / "l.txt")


@pytest.mark.parametrize(
    ("adapter", "more", "told"),
    [
        ("adapter.py", "num_classes: 3", "num_classes and labels are for timm: and torchvision:; other models"),
        ("npu_models:fcos/x", "labels: l.txt", "num_classes and labels are for timm: and torchvision:"),
        (
            "timm:resnet18",
            "num_classes: 0",
            "num_classes 0 compares the features of a timm: model; its task is features",
        ),
        ("torchvision:resnet18", "num_classes: 0", "num_classes 0 compares the features of a timm: model"),
        ("timm:resnet18", "num_classes: -1", "num_classes: input should be greater than or equal to 0"),
        ("timm:resnet18", "words: cat", "words are for an adapter.py whose model is asked for them"),
        ("adapter.py", "words: [cat, ' Cat ']", "'Cat' is there twice; case and blanks make no other word"),
        ("adapter.py", "words: 'cat,,dog'", "word 2 is empty"),
    ],
)
def test_classes_that_do_not_fit_are_told(tmp_path, adapter, more, told):
    assert told in refusal(tmp_path, GOOD.replace("adapter.py", adapter) + more + "\n")


def test_overrides_change_what_they_name_and_nothing_else(tmp_path):
    text = (
        GOOD
        + "weights: {source: x.pth, sha256: "
        + "a" * 64
        + ", mapping: by_order}\nevaluation: {seed: 3, timing: {tier: publish, limit_s: 9}}\n"
    )
    plain = load(tmp_path, text).spec
    job = load(tmp_path, text, device="npu:1", weights="random", input=Path("p.jpg"), tier="smoke")
    assert job.spec.evaluation.device == "npu:1"
    assert job.spec.evaluation.seed == 3
    assert job.spec.evaluation.timing.tier == "smoke"
    assert job.spec.evaluation.timing.limit_s == 9.0
    assert job.spec.inputs == [str(Path("p.jpg").absolute())]
    # other weights are another file: the promised hash was not theirs
    assert job.spec.weights.model_dump() == {"source": "random", "sha256": None, "mapping": "by_order", "ema": None}
    assert load(tmp_path, text).spec == plain


@pytest.mark.parametrize(
    "more", ["weights: random\n", "evaluation: fast\n", "evaluation: {timing: fast}\n", "evaluation: [1]\n"]
)
def test_an_override_of_what_holds_no_keys_is_told(tmp_path, more):
    assert "must hold keys, found" in refusal(tmp_path, GOOD + more, weights="random", device="cpu", tier="smoke")


def test_a_wrong_override_is_told_like_a_wrong_key(tmp_path):
    assert "evaluation.device: string should match pattern" in refusal(tmp_path, GOOD, device="npu0")


def test_a_data_set_starts_in_the_specs_folder_and_can_be_given_instead(tmp_path, monkeypatch):
    text = GOOD + "dataset:\n  path: photos\n  limit: 5\n  annotations: a.json\n"
    found = load(tmp_path, text).spec.dataset
    assert (found.path, found.limit, found.annotations) == (str(tmp_path / "tiny/photos"), 5, "a.json")
    assert load(tmp_path, text, limit=2).spec.dataset == found.model_copy(update={"limit": 2})
    monkeypatch.chdir(tmp_path)
    other = load(tmp_path, text, data=Path("coco2017")).spec.dataset
    assert (other.path, other.limit, other.annotations) == (str(tmp_path / "coco2017"), None, None)
    assert load(tmp_path, GOOD).spec.dataset is None


def test_the_annotation_file_of_the_command_line_is_the_one(tmp_path):
    text = GOOD + "dataset:\n  path: photos\n  limit: 5\n"
    found = load(tmp_path, text, annotations="annotations/b.json").spec.dataset
    assert (found.limit, found.annotations) == (5, "annotations/b.json")


def test_the_command_line_names_another_protocol_of_detection(tmp_path):
    text = GOOD + "dataset:\n  path: photos\n  limit: 5\n"
    found = load(tmp_path, text, protocol="seed").spec.dataset
    assert (found.protocol, found.limit) == ("seed", 5)
    with pytest.raises(SpecError, match="protocol"):
        load(tmp_path, text, protocol="sead")


def test_a_limit_needs_a_data_set(tmp_path):
    with pytest.raises(SpecError, match="no data set"):
        load(tmp_path, GOOD, limit=5)


def with_evaluation(evaluation):
    values = {key: value for key, value in yaml.safe_load(GOOD).items() if key != "evaluation"}
    return yaml.safe_dump(values | {"evaluation": evaluation})


@pytest.mark.parametrize(
    ("evaluation", "added"),
    [
        ({"device": "npu:0"}, True),
        ({"device": "auto"}, True),
        ({"device": "cpu"}, False),
        ({"device": "npu:0", "cpu_fallback": "flag"}, False),
    ],
)
def test_a_fallback_to_the_cpu_fails_the_run_unless_it_is_only_flagged(tmp_path, evaluation, added):
    spec = load(tmp_path, with_evaluation(evaluation)).spec
    assert (NO_FALLBACK in spec.criteria()) == added


def test_a_spec_with_its_own_rule_on_fallbacks_keeps_it(tmp_path):
    rule = {"id": "few", "metric": "cpu_fallback_operators", "comparison": "<=", "threshold": 2, "why": "nms is known"}
    spec = load(tmp_path, with_evaluation({"device": "npu:0", "criteria": [rule]})).spec
    assert [c.id for c in spec.criteria()] == ["few"]


# --- named criteria --------------------------------------------------------------------------------------------------


def test_a_profile_is_named_in_the_spec_or_on_the_command_line(tmp_path):
    named = load(tmp_path, GOOD + "evaluation:\n  device: cpu\n  criteria_profile: cann-hf32\n")
    assert named.spec.criteria() == criteria_of("cann-hf32", "classification")
    overridden = load(tmp_path, GOOD + "evaluation:\n  device: npu:0\n", criteria="msprobe-l1")
    assert overridden.spec.criteria() == (*criteria_of("msprobe-l1", "classification"), NO_FALLBACK)


def test_a_profile_on_the_command_line_replaces_the_specs_own_rules(tmp_path):
    own = "    - {id: mine, metric: relative_l2, comparison: '<', threshold: 0.1, why: mine}\n"
    text = GOOD + "evaluation:\n  device: cpu\n  criteria:\n" + own
    assert [str(c.comparison) for c in load(tmp_path, text).spec.criteria()] == ["<"]
    assert load(tmp_path, text, criteria="cann-fp32").spec.criteria() == criteria_of("cann-fp32", "classification")
    told = refusal(tmp_path, text + "  criteria_profile: cann-fp32\n")
    assert "criteria and criteria_profile exclude each other" in told


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("autocast: int8", "evaluation: numeric mode autocast is bfloat16 or float16, not 'int8'; see docs"),
        ("autocasts: bfloat16", "evaluation: numeric mode 'autocasts' is unknown; did you mean 'autocast'?; see docs"),
    ],
)
def test_a_numeric_mode_that_means_nothing_is_told_in_one_line(tmp_path, mode, said):
    good = "evaluation:\n  device: npu:0\n  numeric_modes: {hf32_conv: false, %s}\n"
    assert load(tmp_path, GOOD + good % "autocast: float16").spec.evaluation.numeric_modes["autocast"] == "float16"
    told = refusal(tmp_path, GOOD + good % mode)
    assert said in told
    assert "\n" not in told


def test_an_unknown_profile_is_told(tmp_path):
    told = refusal(tmp_path, GOOD, criteria="cann-fp23")
    assert "evaluation.criteria_profile" in told
    assert "cann-fp23" in told
