"""Where steps run: the choice, and the build that a spec, a machine and options come to. No engine is asked."""

import dataclasses
from pathlib import Path

import pytest

from deliverables import job_of, write_model
from npu_deliver.environment import choice as environment
from npu_deliver.environment import hardware, stacks
from npu_deliver.environment.choice import Containers, planned_build, rebuilt
from npu_deliver.errors import ConfigError, EngineError, SpecError
from npu_deliver.spec.spec import Overrides, load
from npu_eval.asked.spec import ImageFacts

FACTS = ImageFacts(
    name="npu-deliver/cpu:0123456789abcdef", digest="sha256:" + "f" * 64, platform="linux/amd64", stack="cpu", soc=None,
    base="attacker.example/base:1", base_digest="unpinned", content_sha256="0" * 64,
)  # fmt: skip


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    pytest.importorskip("docker")

    def absent():
        raise EngineError("no container engine answers", where="unix:///x.sock", fix="start Docker or Podman")

    monkeypatch.setattr("npu_deliver.environment.engine.container.described", absent)


@pytest.fixture
def an_engine(monkeypatch):
    pytest.importorskip("docker")
    monkeypatch.setattr("npu_deliver.environment.engine.container.described", lambda: "Docker 27.0 at unix:///x.sock")


def spec_of(root: Path, **changes):
    return load("timm:resnet18", root, overrides=Overrides(**changes)).spec


# --- which engine ----------------------------------------------------------------------------------------------------


def test_auto_takes_containers_where_an_engine_answers_and_says_why(an_engine):
    said: list[str] = []
    assert environment.choose(Containers(), said.append) == "docker"
    assert said == ["engine: docker (Docker 27.0 at unix:///x.sock answers)"]


def test_auto_takes_this_machine_where_none_answers_and_says_why(no_engine):
    said: list[str] = []
    assert environment.choose(Containers(), said.append) == "local"
    assert said == ["engine: local, because no container engine answers (at unix:///x.sock)"]


def test_docker_that_was_asked_for_and_is_not_there_is_an_error(no_engine):
    with pytest.raises(EngineError, match="no container engine answers"):
        environment.choose(Containers(engine="docker"), print)


def test_local_asks_no_engine(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "npu_deliver.environment.engine.container", None)
    assert environment.choose(Containers(engine="local"), print) == "local"


# --- which image -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "present", "stack"),
    [
        ("cpu", "npu", "cpu"), ("cuda:1", "cpu", "cuda"), ("npu:0", "cpu", "npu"), ("auto", "npu", "npu"),
        ("auto", "cpu", "cpu"),
    ],
)  # fmt: skip
def test_the_stack_follows_the_device(tmp_path, monkeypatch, device, present, stack):
    monkeypatch.setattr(hardware, "present", lambda: present)
    monkeypatch.setattr(hardware, "detected_soc", lambda: "910B4")
    planned, soc = planned_build(spec_of(tmp_path, device=device), Containers(), machine="x86_64")
    assert planned.arguments["STACK"] == stack
    assert soc == ("910B4" if stack == "npu" else None)


def test_the_chip_decides_the_base_and_options_come_before_the_spec(tmp_path):
    write_model(tmp_path, image={"stack": "npu", "soc": "910B4"})
    spec = job_of(tmp_path).spec
    bases = [
        planned_build(spec, options, machine="aarch64")[0].arguments["BASE_IMAGE"]
        for options in (Containers(), Containers(soc="A3"), Containers(base_image="own/cann:1"))
    ]
    assert "-910b-" in bases[0]
    assert "-a3-" in bases[1]
    assert bases[2] == "own/cann:1"


def test_the_model_s_needs_are_in_the_image_without_versions(tmp_path):
    planned, _ = planned_build(spec_of(tmp_path, device="cpu"), Containers(), machine="x86_64")
    text = next(file.content for file in planned.files if file.name == "requirements.txt")
    assert text == b"torch\nnumpy\npillow\ntorchvision\ntimm\nsafetensors\n"


def test_what_does_not_decide_the_content_does_not_change_the_tag(tmp_path):
    one, other = (
        planned_build(spec_of(tmp_path, device="cpu"), options, machine="x86_64")[0].tag
        for options in (Containers(), Containers(memory="1g", engine="docker"))
    )
    assert one == other


@pytest.mark.parametrize("name", ["has space", "x;rm", "a@md5:1", ""])
def test_what_is_no_image_is_no_base(tmp_path, name):
    with pytest.raises(ConfigError, match=r"is no image|stack"):
        planned_build(spec_of(tmp_path, device="npu:0"), Containers(base_image=name or " "), machine="x86_64")


def test_an_empty_wheelhouse_is_told(tmp_path):
    with pytest.raises(ConfigError, match="holds no wheel"):
        planned_build(spec_of(tmp_path, device="cpu"), Containers(wheelhouse=tmp_path), machine="x86_64")


@pytest.mark.parametrize(("size", "count"), [("512m", 512 * 2**20), ("8G", 8 * 2**30), ("1024", 1024), (None, None)])
def test_sizes(size, count):
    assert environment._bytes(size) == count


@pytest.mark.parametrize("size", ["8 GB", "-1g", "g", "1e9"])
def test_what_is_no_size_is_told(size):
    with pytest.raises(ConfigError, match="is no size"):
        environment._bytes(size)


# --- an image like that of an earlier run ----------------------------------------------------------------------------


def test_a_rebuilt_image_has_the_exact_versions_of_the_run():
    text = "torch==2.14.1\ntorchvision==0.29.1\nnumpy==2.4.6\ntimm==1.0.31\n"
    planned, _ = rebuilt(FACTS, "cpu", text, Containers(), machine="x86_64", only_wheels=False)
    stack = next(file.content for file in planned.files if file.name == "stack.txt")
    assert stack == b"torch==2.14.1\ntorchvision==0.29.1\nnumpy==2.4.6\n"


def test_its_base_is_ours_whatever_the_facts_say():
    planned, _ = rebuilt(FACTS, "cpu", "torch==2.9.0\n", Containers(), machine="x86_64", only_wheels=False)
    assert "attacker" not in planned.arguments["BASE_IMAGE"]


def test_of_a_stranger_s_versions_no_source_archive_is_built():
    listed = {}
    for only_wheels in (True, False):
        planned, _ = rebuilt(FACTS, "cpu", "timm==1.0.15\n", Containers(), machine="x86_64", only_wheels=only_wheels)
        files = {file.name: file.content for file in planned.files}
        listed[only_wheels] = [files[name].splitlines()[:1] for name in ("requirements.txt", "stack.txt")]
        assert files["stack-no-deps.txt"] == b""
    assert listed[True] == [[b"--only-binary :all:"]] * 2
    assert listed[False][0] == [b"timm==1.0.15"]


def test_an_npu_stack_keeps_its_set_of_versions():
    facts = ImageFacts(**{**vars(FACTS), "stack": "npu", "soc": "910B4"})
    with pytest.raises(SpecError, match="contradicts the stack 'npu'"):
        rebuilt(facts, "npu:0", "torch==2.8.0\n", Containers(), machine="aarch64", only_wheels=False)


@pytest.mark.parametrize(("stack", "state"), [("npu", ()), ("npu-9.1", ()), ("sam3", ()), ("cpu", ())])
def test_a_listed_set_of_versions_gives_no_warning(stack, state):
    assert environment.warnings_of(stack) == state


def test_a_contradicted_set_is_said(monkeypatch):
    worse = {"npu": dataclasses.replace(stacks.load_stacks()["npu"], cann="7.0.0")}
    monkeypatch.setattr(stacks, "load_stacks", lambda: worse)
    (warning,) = environment.warnings_of("npu")
    assert warning.startswith("contradicted: torch_npu 2.9.0 (TorchNPU 7.3.0) is listed with CANN 8.5.0, and no source")
    assert warning.count("\n") == 0
