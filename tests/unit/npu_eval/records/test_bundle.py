from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import samples
from npu_eval.asked.criteria import NO_FALLBACK
from npu_eval.asked.spec import EvalSpec, InputFile, Side
from npu_eval.errors import ConfigError, RecordError
from npu_eval.records import bundle as bundles
from npu_eval.records.bundle import (
    BundledInput,
    BundleWriter,
    Description,
    check_asked,
    check_whole,
    open_bundle,
    output_criteria_sha256,
)

SPEC = samples.eval_spec()


def description(writer: BundleWriter, spec: EvalSpec = SPEC) -> Description:
    return Description(
        schema=bundles.SCHEMA, name=spec.name, adapter=spec.adapter, task=spec.task, seed=spec.seed,
        spec_sha256=spec.sha256, criteria_sha256=output_criteria_sha256(spec), code_sha256=samples.CODE_SHA256,
        state_sha256="57a7" * 16, command=("python", "evaluation/make_reference.py"),
        made_at="2026-01-02T03:04:05+00:00",
        provenance=samples.provenance(device=samples.cpu_facts(), reference_device="cpu"),
        inputs=tuple(
            BundledInput(path=entry.path, sha256=entry.sha256, member="input-000.safetensors", outputs=("logits",),
                         dtypes=("float64", "float32"))
            for entry in spec.inputs
        ),
        members=writer.members,
    )  # fmt: skip


def written(folder: Path, **changes: Any) -> Path:
    """A small bundle: one member of inputs, and one of a kind that nobody knows."""
    writer = BundleWriter(folder)
    writer.add("input-000.safetensors", "input", lambda path: path.write_bytes(b"outputs"))
    writer.add("notes.txt", "notes", lambda path: path.write_bytes(b"something of another part"))
    writer.finish(replace(description(writer), **changes))
    return folder


def test_what_was_finished_is_opened_and_whole(tmp_path: Path) -> None:
    found = open_bundle(written(tmp_path / "b"))
    check_whole(found)
    check_asked(found, SPEC)
    assert found.description.provenance == samples.provenance(device=samples.cpu_facts(), reference_device="cpu")


def test_another_parts_members_are_found_by_their_kind(tmp_path: Path) -> None:
    found = open_bundle(written(tmp_path / "b"))
    (member,) = found.members("notes")
    assert found.path(member).read_bytes() == b"something of another part"
    assert found.members("of nobody") == ()


def test_the_same_content_has_the_same_hash(tmp_path: Path) -> None:
    one, two = (open_bundle(written(tmp_path / name)) for name in "ab")
    assert one.sha256 == two.sha256
    assert open_bundle(written(tmp_path / "c", made_at="2026-01-02T03:04:06+00:00")).sha256 != one.sha256


def test_its_origin_names_the_machine_that_made_it(tmp_path: Path) -> None:
    found = open_bundle(written(tmp_path / "b"))
    origin = found.origin()
    assert (origin.sha256, origin.device, origin.state_sha256) == (found.sha256, samples.cpu_facts(), "57a7" * 16)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_an_altered_byte_anywhere_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = written(tmp_path_factory.mktemp("altered") / "b")
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"^b/{path.name}: "):
        check_whole(open_bundle(folder))


@pytest.mark.parametrize("name", ["bundle.json", "input-000.safetensors", "notes.txt"])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "b")
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    with pytest.raises(RecordError, match=rf"^b/{name}: "):
        check_whole(open_bundle(folder))


def test_a_member_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "b")
    (folder / "notes.txt").unlink()
    with pytest.raises(RecordError, match=r"^b/notes\.txt: is missing from the reference bundle; copy the bundle"):
        check_whole(open_bundle(folder))


def test_a_newer_schema_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "b", schema="npu-deliver/reference/2")
    with pytest.raises(RecordError, match=r"^b/bundle\.json: schema 'npu-deliver/reference/2' is not '.*/1'; use the"):
        open_bundle(folder)


def test_what_is_no_bundle_is_a_wrong_flag(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r": there is no such folder; name a folder that `npu-deliver reference` made"
    ):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r": is no reference bundle: it holds no bundle\.json"):
        open_bundle(tmp_path)


def test_a_member_never_lies_outside_the_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "b")
    value = json.loads((folder / "bundle.json").read_text())
    del value["sha256"]
    value["members"][0]["name"] = "../elsewhere"
    sha256 = bundles.canonical_sha256(value)
    (folder / "bundle.json").write_text(bundles.dumps({"sha256": sha256, **value}))
    with pytest.raises(RecordError, match=r"member '\.\./elsewhere' is no plain file name"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapter": "timm:resnet18"}, "was made with another model: 'adapter.py', not 'timm:resnet18'"),
        ({"seed": 1}, "was made with another seed: '0', not '1'"),
        ({"inputs": (InputFile(path="inputs/dog.jpg", sha256="d06" * 20 + "0000"),)},
         "the input 'inputs/dog.jpg' is not in the bundle"),
        ({"inputs": (InputFile(path="inputs/cat.jpg", sha256="0" * 64),)},
         "was made with another photo as 'inputs/cat.jpg': its sha256 differs"),
        ({"reference": Side(device="cpu", dtype="bfloat16")},
         "holds no bfloat16 outputs of 'inputs/cat.jpg', but float64, float32"),
        ({"criteria": (samples.criterion(threshold=0.5),)}, "was made under other criteria than the spec's"),
    ],
)  # fmt: skip
def test_another_question_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError) as caught:
        check_asked(open_bundle(written(tmp_path / "b")), samples.eval_spec(**changes))
    assert str(caught.value).startswith(f"b: {said}")
    assert caught.value.exit_code == 9


def test_what_says_nothing_of_the_outputs_may_differ(tmp_path: Path) -> None:
    other = samples.eval_spec(candidate=Side(device="cpu", dtype="float16"), repeats=9,
                              reference=Side(device="cuda:0", dtype="float32"))  # fmt: skip
    other = replace(other, criteria=(*other.criteria[:-1], NO_FALLBACK))
    check_asked(open_bundle(written(tmp_path / "b")), other)


@pytest.mark.parametrize("name", ["bundle.json", "a/b", ".hidden", "notes.txt"])
def test_names_that_a_member_cannot_have(tmp_path: Path, name: str) -> None:
    writer = BundleWriter(tmp_path / "b")
    writer.add("notes.txt", "notes", lambda path: path.write_bytes(b""))
    with pytest.raises(ValueError, match="cannot name a member"):
        writer.add(name, "notes", lambda path: path.write_bytes(b""))
