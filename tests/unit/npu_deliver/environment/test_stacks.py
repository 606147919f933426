"""Base images and stacks: the chip decides the tag, nothing is guessed, and each answer names its source."""

import contextlib
import re
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_deliver.environment import stacks
from npu_deliver.environment.compatibility import State, compatibility
from npu_deliver.environment.docker_data import docker_folder
from npu_deliver.environment.stacks import base_image, choose_stack, load_stacks, soc_family
from npu_deliver.errors import ConfigError

IMAGES = tomllib.loads((docker_folder() / "images.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "tag", "family"),
    [
        ("Ascend910B4", "910b", "A2"),
        ("910B3", "910b", "A2"),
        ("Ascend910B4-1", "910b", "A2"),
        ("ascend910b2c", "910b", "A2"),
        ("A2", "910b", "A2"),
        ("Ascend910_9362", "a3", "A3"),
        ("Ascend910_9391", "a3", "A3"),
        ("Ascend310P3", "310p", "310P"),
        ("Ascend310P3vir04", "310p", "310P"),
        ("Ascend910A", "910", "910A"),
        ("Ascend910ProB", "910", "910A"),
        ("Ascend910PremiumA", "910", "910A"),
        ("Ascend950DT_9582", "950", "950"),
        ("Ascend950PR", "950", "950"),
    ],
)
def test_the_chip_of_a_soc_name(name, tag, family):
    assert (soc_family(name).tag, soc_family(name).family) == (tag, family)


@pytest.mark.parametrize(
    "name", ["", "Ascend", "H100", "Ascend910C", "910B5", "Ascend910_9589", "Ascend310P9", "950DT9582"]
)
def test_an_unknown_soc_is_refused_with_the_known_ones(name):
    with pytest.raises(ConfigError, match="unknown; known: ") as told:
        soc_family(name)
    assert "A2: 910B1 910B2" in str(told.value)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Ascend910", "910A or A3"),
        ("910b", "910ProB or A2"),
        ("Ascend310B4", "no CANN image"),
        ("310", "no CANN image"),
    ],
)
def test_a_name_that_does_not_tell_the_chip_is_refused_with_advice(name, advice):
    with pytest.raises(ConfigError, match=advice):
        soc_family(name)


def test_no_soc_name_belongs_to_two_chips_or_is_unclear_as_well():
    names = [soc.replace("?", "7").replace("*", "x") for chip in IMAGES["chips"].values() for soc in chip["soc"]]
    assert len(names) == len(set(names))
    assert not set(names) & set(IMAGES["unclear"])
    for tag, chip in IMAGES["chips"].items():
        assert {soc_family(soc.replace("?", "7")).tag for soc in chip["soc"]} == {tag}


@settings(deadline=None)  # the machine may be busy with a build
@given(st.text(max_size=20))
def test_any_other_text_is_refused_or_known(text):
    with contextlib.suppress(ConfigError):
        assert soc_family(text).tag in IMAGES["chips"]


@pytest.mark.parametrize(
    ("soc", "expected"),
    [
        ("Ascend910B4", "quay.io/ascend/cann:8.5.1-910b-ubuntu22.04-py3.11"),
        ("Ascend910_9362", "quay.io/ascend/cann:8.5.1-a3-ubuntu22.04-py3.11"),
        ("Ascend310P3", "quay.io/ascend/cann:8.5.1-310p-ubuntu22.04-py3.11"),
        ("Ascend910ProB", "quay.io/ascend/cann:8.5.1-910-ubuntu22.04-py3.11"),
    ],
)
def test_the_base_image_of_the_default_stack(soc, expected):
    assert base_image(load_stacks()["npu"], soc=soc).name == expected


def test_the_base_image_of_every_stack_is_published():
    stack = load_stacks()
    assert base_image(stack["sam3"], soc="910B4").name == "quay.io/ascend/cann:8.3.rc1-910b-ubuntu22.04-py3.11"
    assert base_image(stack["cpu"]).name == base_image(stack["cuda"]).name == "python:3.11-slim-bookworm"
    for each in stack.values():
        for soc in ("910B4", "910_9362", "310P3", "910A") if each.device == "npu" else (None,):
            for registry in stacks.registries():
                assert base_image(each, soc=soc, registry=registry).name.count(":") == 1


def test_an_image_that_nobody_publishes_is_refused_with_what_there_is():
    stack = load_stacks()["npu"]
    with pytest.raises(
        ConfigError, match=r"no image of CANN 8.5.1 for 950 .*; for 950 there is CANN 9.0.0, 9.1.0; or use"
    ) as told:
        base_image(stack, soc="950DT")
    assert str(told.value).endswith("or use the stack npu-9.1, or name a base image yourself")
    with pytest.raises(ConfigError, match=r"with debian12 and Python 3\.11"):
        base_image(replace(stack, os="debian12"), soc="910B1")
    with pytest.raises(ConfigError, match=r"and Python 3\.9"):
        base_image(replace(stack, python="3.9"), soc="910B1")


def test_a_stack_for_the_newest_chips():
    stack = load_stacks()["npu-9.1"]
    assert base_image(stack, soc="950DT").name == "quay.io/ascend/cann:9.1.0-950-ubuntu22.04-py3.11"


PUBLISHED = [
    (entry, torch_npu, chip)
    for entry in IMAGES["published_torch_npu"]
    for torch_npu in entry["torch_npu"]
    for chip in entry["chips"]
]


@pytest.mark.parametrize(("entry", "torch_npu", "chip"), PUBLISHED)
def test_an_image_of_torchnpu_is_taken_where_no_cann_image_has_the_python_and_the_system(entry, torch_npu, chip):
    family = IMAGES["chips"][chip]["family"]
    stack = replace(
        load_stacks()["npu"], cann=entry["cann"], torch_npu=torch_npu, os="openeuler24.03", python=entry["python"][0]
    )
    expected = f"{torch_npu}-cann{entry['cann']}-{chip}-openeuler24.03-py{entry['python'][0]}"
    assert base_image(stack, soc=family).name == f"quay.io/ascend/torch-npu:{expected}"
    assert base_image(stack, soc=family, registry="daocloud").name.startswith("m.daocloud.io/quay.io/ascend/torch-npu:")
    with pytest.raises(ConfigError, match="no image of CANN"):
        base_image(stack, soc=family, registry="dockerhub")
    with pytest.raises(ConfigError, match="no image of CANN"):
        base_image(replace(stack, torch_npu="2.6.0"), soc=family)


def test_each_image_of_torchnpu_holds_versions_that_are_listed_together():
    assert len({(torch_npu, chip) for _, torch_npu, chip in PUBLISHED}) == 5 * 4 + 4 * 3
    for entry, torch_npu, _ in PUBLISHED:
        torch = re.sub(r"\.post\d+$", "", torch_npu)
        for python in entry["python"]:
            assert compatibility(torch, torch_npu, entry["cann"], python).state is State.LISTED


def test_the_reference_stacks_and_the_newest_npu_stack_have_one_torch():
    stack = load_stacks()
    assert len({(stack[name].torch, stack[name].torchvision) for name in ("npu", "npu-9.1", "cpu", "cuda")}) == 1


def test_a_mirror_changes_the_registry_and_nothing_else():
    stack = load_stacks()["npu"]
    names = {name: base_image(stack, soc="A3", registry=name).name for name in stacks.registries()}
    assert stacks.registries()[0] == "quay"
    assert names["ascendhub"].startswith("swr.cn-south-1.myhuaweicloud.com/ascendhub/cann:")
    assert {name.rpartition(":")[2] for name in names.values()} == {"8.5.1-a3-ubuntu22.04-py3.11"}
    with pytest.raises(ConfigError, match="no registry 'ghcr'; known: quay, "):
        base_image(stack, soc="A3", registry="ghcr")


def test_a_base_image_is_unpinned_until_a_digest_is_known(monkeypatch):
    stack = load_stacks()["cpu"]
    assert base_image(stack).pin == "unpinned"
    assert base_image(stack).reference == "python:3.11-slim-bookworm"
    digest = "sha256:" + "ab" * 32
    monkeypatch.setattr(stacks, "_images", lambda: {**IMAGES, "digests": {"python:3.11-slim-bookworm": digest}})
    assert base_image(stack).pin == digest
    assert base_image(stack).reference == f"python:3.11-slim-bookworm@{digest}"


def test_digests_are_whole():
    for name, digest in IMAGES["digests"].items():
        assert ":" in name
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)


def test_a_soc_is_needed_for_an_npu_and_refused_elsewhere():
    with pytest.raises(ConfigError, match="'npu' needs the name of the SoC"):
        base_image(load_stacks()["npu"])
    with pytest.raises(ConfigError, match="'cpu' is for cpu, not for the SoC '910B4'; use the stack npu"):
        base_image(load_stacks()["cpu"], soc="910B4")
    with pytest.raises(ConfigError, match="'cuda' is for cuda, not for the SoC"):
        choose_stack("cuda", soc="910B4", machine="x86_64")


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "x86_64", "amd64", "AMD64"])
def test_the_npu_stacks_are_for_both_machines(machine):
    assert choose_stack(soc="Ascend910B4", machine=machine).name == "npu"
    assert choose_stack("sam3", soc="Ascend910_9362", machine=machine).name == "sam3"
    assert choose_stack("cpu", machine=machine).name == "cpu"
    assert stacks.platform_of(machine) in {"linux/amd64", "linux/arm64"}


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(ConfigError, match=r"neither a stack nor a SoC is named; stacks: npu, npu-9\.1, sam3"):
        choose_stack(machine="x86_64")
    with pytest.raises(ConfigError, match="no stack 'sam4'; did you mean 'sam3'"):
        choose_stack("sam4", machine="x86_64")
    with pytest.raises(ConfigError, match="not made for aarch64; it is for x86_64"):
        choose_stack("cuda", machine="aarch64")
    with pytest.raises(ConfigError, match="no image for the machine 'riscv64'; known: x86_64, aarch64"):
        choose_stack("npu", machine="riscv64")
    with pytest.raises(ConfigError, match="unknown"):
        choose_stack("npu", soc="910B7", machine="x86_64")


def test_torch_npu_is_installed_without_its_dependencies_and_everything_is_pinned():
    for stack in load_stacks().values():
        assert all(re.fullmatch(r"[\w-]+==[\d.]+(post\d+)?", each) for each in stack.requirements)
        assert not any("torch_npu" in each for each in stack.requirements)
        assert bool(stack.requirements_without_dependencies) == (stack.device == "npu")
    assert load_stacks()["npu"].requirements_without_dependencies == ("torch_npu==2.9.0",)
    assert load_stacks()["sam3"].requirements_without_dependencies == ("torch_npu==2.7.1.post2",)


@pytest.mark.parametrize(
    ("name", "state", "fact"),
    [
        ("npu", State.COMPATIBLE, "TorchNPU 7.3.X is compatible with CANN 8.5.X"),
        ("npu-9.1", State.LISTED, "torch_npu 2.9.0.post6 (TorchNPU 26.1.0) is listed with CANN 9.1.0"),
        ("sam3", State.COMPATIBLE, "TorchNPU 7.3.0 is compatible with CANN 8.3.RC1"),
    ],
)
def test_what_the_makers_say_of_our_own_stacks(name, state, fact):
    stack = load_stacks()[name]
    answer = compatibility(stack.torch, stack.torch_npu, stack.cann, stack.python)
    assert answer.state is state
    assert fact in answer.evidence[0]
