"""The published schemas accept what the program writes and reads, and refuse what it refuses."""

import copy
import json

import jsonschema
import pytest
import yaml

import deliverables
from npu_deliver import schemas
from npu_deliver.errors import ConfigError


@pytest.fixture(scope="module")
def summary_schema():
    return schemas.schema("summary")


@pytest.mark.parametrize("which", ["original", "original_on_cpu"])
def test_every_summary_follows_its_schema(which, request, summary_schema):
    text = (request.getfixturevalue(which).output / "summary.json").read_text(encoding="utf-8")
    validator = jsonschema.Draft202012Validator(summary_schema)
    validator.check_schema(summary_schema)
    assert list(validator.iter_errors(json.loads(text))) == []


@pytest.mark.parametrize("change", ["drop", "type", "verdict"])
def test_the_summary_schema_refuses_what_is_none(original, summary_schema, change):
    value = json.loads((original.output / "summary.json").read_text(encoding="utf-8"))
    if change == "drop":
        del value["verdicts"]
    elif change == "type":
        value["seed"] = "zero"
    else:
        value["overall"] = "SUCCESS"
    assert not jsonschema.Draft202012Validator(summary_schema).is_valid(value)


def test_the_schema_can_be_published_as_json():
    for what in ("spec", "summary"):
        assert json.loads(json.dumps(schemas.schema(what))) == schemas.schema(what)
        assert schemas.schema(what)["type"] == "object"


def test_the_spec_schema_accepts_a_spec_and_refuses_unknown_keys(tmp_path):
    folder = deliverables.write_model(tmp_path)
    value = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schemas.schema("spec"))
    assert list(validator.iter_errors(value)) == []
    for place in (value, value["model"], value["evaluation"], value["evaluation"]["timing"]):
        wrong = copy.deepcopy(value)
        target = wrong if place is value else wrong["model"] if place is value["model"] else (
            wrong["evaluation"] if place is value["evaluation"] else wrong["evaluation"]["timing"])  # fmt: skip
        target["devise"] = "cpu"
        assert not validator.is_valid(wrong)


def test_an_unknown_schema_is_told():
    with pytest.raises(ConfigError, match=r"there is no schema 'sumary'; did you mean 'summary'\?"):
        schemas.schema("sumary")
