"""YAML of a stranger: small, every key once, and no more than it looks like."""

import os

import pytest

from npu_deliver.errors import SpecError
from npu_deliver.spec import reading as spec_yaml


def refusal(tmp_path, text):
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as error:
        spec_yaml.read_yaml(path)
    return str(error.value)


def test_aliases_may_be_used(tmp_path):
    (tmp_path / "spec.yaml").write_text("a: &x [1, 2]\nb: *x\n", encoding="utf-8")
    assert spec_yaml.read_yaml(tmp_path / "spec.yaml") == {"a": [1, 2], "b": [1, 2]}


def test_aliases_of_aliases_that_stand_for_billions_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "stand for more than 100000 values" in refusal(tmp_path, "\n".join(lines))


def test_an_alias_inside_what_it_stands_for_is_refused(tmp_path):
    assert "stands inside what it stands for" in refusal(tmp_path, "a: &a [*a]\n")


@pytest.mark.parametrize("text", ["[" * 50_000, "- " * 50_000, "{a: " * 20_000, "'" * 60_000])
def test_what_is_too_deep_or_never_ends_is_refused_in_a_line(text, tmp_path):
    assert refusal(tmp_path, text)


def test_a_spec_of_a_megabyte_is_refused(tmp_path):
    assert "131072 bytes is the most" in refusal(tmp_path, "a: " + "x" * 2**20)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "spec.yaml")
    with pytest.raises(SpecError, match="no plain file"):
        spec_yaml.read_yaml(tmp_path / "spec.yaml")
