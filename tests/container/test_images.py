"""Images built and run with a real engine. All but the slow test take their packages from an index of the test."""

import os
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from npu_deliver.environment.build import Build, prepare
from npu_deliver.environment.stacks import BaseImage, Stack, base_image, load_stacks

pytestmark = pytest.mark.container

CPU = replace(
    load_stacks()["cpu"], name=f"test{os.getpid()}", torch=None, torchvision=None, torch_index="",
    packages=("npudelivertest_stack==1.0",),
)  # fmt: skip
CANN = base_image(load_stacks()["npu"], soc="Ascend910B4")
USER = (os.getuid(), os.getgid()) if os.getuid() else (12345, 23456)


def prepared(
    requirements: str = "npudelivertest_model\n", *, stack: Stack = CPU, base: BaseImage | None = None, **options
) -> Build:
    return prepare(stack, base or base_image(stack), requirements, machine=os.uname().machine, user=USER, **options)


@pytest.fixture(scope="module")
def image(engine, index, need_base) -> Build:
    """An image with a stack of one package and a model that requires one."""
    build = prepared()
    need_base(build.arguments["BASE_IMAGE"])
    engine.build(build, **index.transport())
    return build


def test_a_command_runs_as_the_caller_and_its_files_are_the_callers(engine, image, tmp_path):
    assert engine.attributes(image)["Config"]["User"] == f"{USER[0]}:{USER[1]}"
    assert engine.run(image, "sh", "-c", "id -u; id -g; echo $HOME; pwd; whoami") == (
        f"{USER[0]}\n{USER[1]}\n/home/runner\n/deliverable\nrunner\n"
    )
    folder = tmp_path / "deliverable"
    folder.mkdir()
    os.chown(folder, *USER)
    engine.run(image, "touch", "record.json", volumes={str(folder): {"bind": "/deliverable", "mode": "rw"}})
    assert (folder / "record.json").stat().st_uid == USER[0]
    engine.run(image, "touch", "/home/runner/cache")


def test_the_model_finds_its_requirements_and_the_stack(engine, image):
    code = "import npudelivertest_model as m, npudelivertest_stack as s; print(m.__file__, s.VERSION)"
    told = engine.run(image, "python", "-c", code)
    assert told == "/opt/model/lib/python3.11/site-packages/npudelivertest_model.py 1.0\n"
    told = engine.run(
        image, "python", "-c", "from importlib.metadata import version as v; print(v('npudelivertest_model'))"
    )
    assert told == "1.0\n"


def test_neither_our_package_nor_an_installer_s_leftovers_are_in_the_image(engine, image):
    code = "from importlib.util import find_spec as f; print(f('npu_deliver'), f('npu_eval'), f('npu_models'))"
    assert engine.run(image, "python", "-c", code) == "None None None\n"
    folders = ("/opt", "/root", "/home", "/tmp")
    found = engine.run(image, "find", *folders, "-name", "*.whl", "-o", "-name", "*.safetensors", user="0")
    assert found == ""
    assert engine.run(image, "sh", "-c", "ls -d /root/.cache /opt/wheelhouse 2>/dev/null || true", user="0") == ""
    assert sorted(engine.run(image, "ls", "/opt/npu-deliver").split()) == ["add-ca.sh", "entrypoint.sh", "extra-ca.crt"]


def test_the_labels_tell_where_the_image_comes_from(engine, image):
    labels = engine.attributes(image)["Config"]["Labels"]
    assert image.labels.items() <= labels.items()
    assert labels["org.opencontainers.image.base.name"] == "python:3.11-slim-bookworm"
    assert labels["org.opencontainers.image.base.digest"] == "unpinned"
    assert labels["npu-deliver.requirements.sha256"] == image.arguments["REQUIREMENTS_SHA256"]
    assert labels["npu-deliver.device"] == "cpu"


def test_the_image_runs_one_command_through_its_entrypoint(engine, image):
    config = engine.attributes(image)["Config"]
    assert config["Entrypoint"] == ["/opt/npu-deliver/entrypoint.sh"]
    assert "Healthcheck" not in config
    assert engine.client.containers.run(image.tag, remove=True).startswith(b"Python 3.11")
    assert engine.run(image, "python", "-c", "import sys; print(sys.argv[1:])", "a b", "") == "['a b', '']\n"


def test_an_unchanged_build_builds_nothing(engine, index, image):
    before = engine.attributes(image)["Id"]
    asked = len(index.asked)
    started = time.monotonic()
    output = engine.build(prepared(), **index.transport())
    assert time.monotonic() - started < 20
    assert engine.attributes(image)["Id"] == before
    assert "Running in" not in output
    assert output.count("Using cache") > 10
    assert len(index.asked) == asked


def test_another_model_shares_the_layer_of_the_stack(engine, index, image):
    other = prepared("")
    output = engine.build(other, **index.transport())
    assert "the model requires nothing" in output
    layers = engine.attributes(image)["RootFS"]["Layers"]
    shared = [layer for layer in engine.attributes(other)["RootFS"]["Layers"] if layer in layers]
    base = engine.client.images.get("python:3.11-slim-bookworm").attrs["RootFS"]["Layers"]
    assert len(shared) > len(base) + 1  # the base, our scripts, and the stack


def test_no_credential_is_in_the_image(engine, index, image):
    assert "npudelivertest-stack" in index.asked  # the index wants the password, so the build had it
    assert "s3cr3t" not in str(engine.client.images.get(image.tag).history())
    assert "s3cr3t" not in str(engine.attributes(image))
    tail = b""
    for chunk in engine.client.images.get(image.tag).save():
        assert b"s3cr3t" not in tail + chunk
        tail = chunk[-16:]


def test_a_model_may_not_change_the_stack(engine, index, image):
    told = engine.refusal(prepared("npudelivertest_greedy\n"), **index.transport())
    assert "ResolutionImpossible" in told
    assert "The user requested (constraint) npudelivertest-stack==1.0" in told


def test_what_is_installed_without_dependencies_needs_none(engine, index, image, monkeypatch):
    monkeypatch.setattr(Stack, "requirements_without_dependencies", ("npudelivertest_npu==1.0",))
    build = prepared()
    engine.build(build, **index.transport())
    assert engine.run(build, "python", "-c", "import npudelivertest_npu; print(npudelivertest_npu.VERSION)") == "1.0\n"
    told = engine.refusal(
        prepared("npudelivertest_model\n", stack=replace(CPU, packages=("npudelivertest_npu==1.0",))),
        **index.transport(),
    )
    assert "npudelivertest_torch==1.0+cpu" in told


def test_a_wheelhouse_is_enough_and_does_not_stay(engine, index, image, tmp_path):
    wheels = []
    for name in ("npudelivertest_stack-1.0-py3-none-any.whl", "npudelivertest_model-1.0-py3-none-any.whl"):
        (tmp_path / name).write_bytes(index.wheels[name])
        wheels.append(tmp_path / name)
    build = prepared(wheels=wheels)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": ""}
    assert "packages come from the wheelhouse alone" in engine.build(build, **nowhere)
    assert (
        engine.run(build, "python", "-c", "import npudelivertest_model; print(npudelivertest_model.VERSION)") == "1.0\n"
    )
    assert engine.run(build, "sh", "-c", "ls /opt") == "model\nnpu-deliver\nvenv\n"
    told = engine.refusal(prepared(wheels=wheels[:1]), **index.transport())
    assert "No matching distribution found for npudelivertest_model" in told


def test_an_extra_certificate_authority_is_trusted_while_building_and_running(engine, secure_index, image):
    index, certificate = secure_index
    build = prepared(extra_ca=certificate)
    engine.build(build, **(index.transport() | {"PIP_TRUSTED_HOST": ""}))
    port = urlsplit(index.url).port
    code = (
        "import socket, ssl; "
        f"plain = socket.create_connection(('127.0.0.1', {port})); "
        "print(ssl.create_default_context().wrap_socket(plain, server_hostname='127.0.0.1').version())"
    )
    assert engine.run(build, "python", "-c", code, network_mode="host").startswith("TLSv1.")
    told = engine.run(image, "sh", "-c", f'python -c "{code}" || echo refused', network_mode="host")
    assert "CERTIFICATE_VERIFY_FAILED" in told
    assert told.endswith("refused\n")


def test_an_index_of_torch_that_does_not_answer_is_told(engine, index, image):
    told = engine.build(prepared(torch_index="http://127.0.0.1:9/cpu"), **index.transport())
    assert "the index TORCH_INDEX does not answer" in told


def test_a_base_image_that_does_not_fit_is_refused(engine, index, image):
    told = engine.refusal(prepared(stack=replace(CPU, python="3.12"), base=base_image(CPU)), **index.transport())
    assert "install: the base image has Python 3.11, the stack is for 3.12" in told
    told = engine.refusal(prepared(stack=replace(CPU, device="npu")), **index.transport())
    assert "install: the base image holds no CANN" in told


def test_a_command_that_is_not_interactive_has_the_environment_of_cann(engine, index):
    if not engine.has(CANN.name):
        pytest.skip(f"{CANN.name} is not on this machine, and is too large to pull for a test")
    build = prepared(stack=replace(CPU, device="npu"), base=CANN)
    engine.build(build, **index.transport())
    code = "import os; print(os.environ['ASCEND_TOOLKIT_HOME'], os.environ['LD_LIBRARY_PATH'])"
    toolkit, _, libraries = engine.run(build, "python", "-c", code).strip().partition(" ")
    assert toolkit.startswith("/usr/local/Ascend/")
    assert "/usr/local/Ascend/driver/lib64" in libraries.split(":")


@pytest.mark.slow  # 3 GB of downloads and several minutes for each stack, where only PyPI's CUDA build of torch answers
@pytest.mark.parametrize("name", ["npu", "sam3"])
def test_the_npu_image_of_a_stack(engine, name, need_space, request):
    """On whatever stands in for the CANN image: that the image builds, and is honest about what CANN it holds."""
    if not engine.has(CANN.name):
        pytest.skip(f"{CANN.name} is not on this machine, and is too large to pull for a test")
    need_space()
    request.addfinalizer(engine.remove_all)  # one of these on the disk at a time
    stack = load_stacks()[name]
    base = base_image(stack, soc="Ascend910B4")
    lent = not engine.has(base.name)
    if lent:
        engine.client.images.get(CANN.name).tag(*base.name.rsplit(":", 1))
        engine.made.add(base.name)
    build = prepared("pillow\n", stack=stack, base=base)
    engine.build(build)
    code = (
        "from importlib.metadata import version; print(*map(version, ['torch_npu', 'torch', 'torchvision', 'numpy']))"
    )
    told = engine.run(build, "python", "-c", code).split()
    assert told[0] == stack.torch_npu
    assert [version.partition("+")[0] for version in told[1:3]] == [stack.torch, stack.torchvision]
    assert told[3] == "1.26.4"
    labels = engine.attributes(build)["Config"]["Labels"]
    assert (labels["npu-deliver.stack"], labels["npu-deliver.device"]) == (name, "npu")
    libraries = engine.run(build, "find", "/usr/local/Ascend", "-name", "libhccl.so*", user="0")
    if libraries.strip():
        pytest.skip("this image holds CANN's libraries: what happens without them cannot be seen here")
    code = "import torch; print(torch.__version__); import torch_npu"
    told = engine.run(build, "sh", "-c", f"TORCH_DEVICE_BACKEND_AUTOLOAD=0 python -c '{code}' || true")
    assert any(line.startswith(stack.torch) for line in told.splitlines())  # the two streams come in any order
    assert "ImportError: libhccl.so: cannot open shared object file" in told
    assert "Traceback" in told
    told = engine.run(build, "sh", "-c", "python -c 'import torch' || true")
    assert "Failed to load the backend extension: torch_npu" in told
    assert engine.run(build, "python", "-c", "import PIL, yaml, scipy, psutil, attr, decorator; print('ok')") == "ok\n"
