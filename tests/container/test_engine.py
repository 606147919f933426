"""The container engine against a real one: what a step may do in its container, and that nothing outlives anything."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npu_deliver.environment.engine.container import LABEL, DockerEngine, Limits, connect, folder_label, shell_line
from npu_deliver.environment.image import Image
from npu_deliver.environment.step import Mount, Step
from npu_deliver.errors import EngineError, StepError

pytestmark = pytest.mark.container

BASE = "python:3.11-slim-bookworm"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    docker = pytest.importorskip("docker")
    try:
        client = connect()
    except EngineError as error:
        pytest.skip(str(error))
    try:
        digest = client.images.get(BASE).id
    except docker.errors.ImageNotFound:
        pytest.skip(f"the engine has no image {BASE}")
    yield Image(kind="docker", digest=digest, python="python3", packages={})
    client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "deliverable"
    made.mkdir()
    return made


def _step(image: Image, code: str, *, timeout_s: float = 60.0, mounts: tuple[Mount, ...] = ()) -> Step:
    return Step(
        experiment="inference", command=("python", "-c", code), record="r.json", log="r.log", devices=(),
        image=image.digest, mounts=mounts, timeout_s=timeout_s,
    )  # fmt: skip


def _left(folder: Path) -> list[Any]:
    client = connect()
    try:
        return list(client.containers.list(all=True, sparse=True, filters={"label": f"{LABEL}={folder_label(folder)}"}))
    finally:
        client.close()


def _gone(folder: Path, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _left(folder):
            return True
        time.sleep(0.2)
    return False


def test_lines_exit_code_and_files_of_the_caller(image: Image, folder: Path) -> None:
    lines: list[str] = []
    code = "import os, sys; print('一行'); sys.stderr.write('two\\n'); open('made', 'w').write('x'); sys.exit(3)"
    with DockerEngine(image) as engine:
        assert engine.run(_step(image, code), folder, lines.append) == 3
    assert sorted(lines) == ["two", "一行"]
    assert (folder / "made").read_text() == "x"
    assert (folder / "made").stat().st_uid == os.getuid()
    assert _gone(folder)


def test_nothing_but_the_folder_is_writable_or_reachable(image: Image, folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"w")
    code = """
import os, socket
print("weights", open(os.environ["WEIGHTS"], "rb").read())
for path in ("/x", "/usr/x", os.environ["WEIGHTS"]):
    try: open(path, "w"); print("WROTE", path)
    except OSError: pass
open("/tmp/x", "w").close()
try: socket.create_connection(("10.255.255.1", 80), timeout=2); print("CONNECTED")
except OSError as error: print("no network")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("capabilities", status["CapEff"].strip(), "no new privileges", status["NoNewPrivs"].strip())
"""
    lines: list[str] = []
    step = _step(image, code, mounts=(Mount(source=str(weights), variable="WEIGHTS"),))
    with DockerEngine(image) as engine:
        assert engine.run(step, folder, lines.append) == 0
    assert lines == ["weights b'w'", "no network", "capabilities 0000000000000000 no new privileges 1"]


def test_a_step_that_hangs_is_stopped(image: Image, folder: Path) -> None:
    with DockerEngine(image) as engine, pytest.raises(StepError, match="ran longer than 2 s"):
        engine.run(_step(image, "import time; time.sleep(600)", timeout_s=2.0), folder, print)
    assert _gone(folder)


def test_a_step_that_talks_without_end_is_stopped(image: Image, folder: Path) -> None:
    with DockerEngine(image) as engine, pytest.raises(StepError, match="ran longer than 2 s"):
        engine.run(_step(image, "while True: print('x')", timeout_s=2.0), folder, lambda line: None)
    assert _gone(folder)


def test_memory_beyond_the_limit_is_named(image: Image, folder: Path) -> None:
    limits = Limits(memory_bytes=64 * 2**20)
    with DockerEngine(image, limits=limits) as engine, pytest.raises(StepError, match="killed in its container"):
        engine.run(_step(image, "x = bytearray(10**9); x[::4096] = b'1' * len(x[::4096])"), folder, print)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0])
def test_a_killed_command_leaves_no_container(image: Image, folder: Path, seconds: float) -> None:
    code = f"""
from pathlib import Path
from npu_deliver.environment.engine.container import DockerEngine
from npu_deliver.environment.image import Image
from npu_deliver.plan import Step
image = Image(kind="docker", digest={image.digest!r}, python="python3", packages={{}})
step = Step(experiment="x", command=("python", "-c", "import time; time.sleep(600)"), record="r", log="l", devices=(),
            image=image.digest, mounts=(), timeout_s=600)
with DockerEngine(image) as engine:
    print("ready", flush=True)
    engine.run(step, Path({str(folder)!r}), print)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    if not _gone(folder):  # killed between creating and attaching: the next run sweeps it away
        with DockerEngine(image) as engine:
            engine.run(_step(image, "print('next')"), folder, print)
    assert _gone(folder)


@pytest.mark.parametrize("seconds", [0.01 * n for n in range(1, 40, 3)])
def test_an_interrupted_call_leaves_no_container(image: Image, folder: Path, seconds: float) -> None:
    """An interrupt may come while the engine is creating the container, and the engine goes on with it."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with DockerEngine(image) as engine:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            with pytest.raises(KeyboardInterrupt):
                engine.run(_step(image, "import time; time.sleep(60)"), folder, lambda line: None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert _gone(folder, seconds=5)


def test_a_container_killed_from_outside_is_an_error(image: Image, folder: Path) -> None:
    client = connect()

    def kill(line: str) -> None:
        if line == "ready":
            client.containers.list(filters={"label": f"{LABEL}={folder_label(folder)}"})[0].kill()

    code = "import time; print('ready', flush=True); time.sleep(600)"
    with DockerEngine(image) as engine, pytest.raises(StepError, match="killed in its container"):
        engine.run(_step(image, code), folder, kill)
    client.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # docker-py leaves that socket open
def test_no_engine_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineError) as caught:
        connect()
    assert caught.value.exit_code == 3
    assert "no container engine answers" in str(caught.value)
    del caught
    gc.collect()


def test_the_printed_line_does_the_same(image: Image, folder: Path) -> None:
    step = _step(image, "open('made', 'w').close(); print('by hand')")
    line = shell_line(step, folder, image, Limits())
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "by hand\n"), done.stderr
    assert (folder / "made").exists()
