"""The whole line in containers of a real CPU image, which the module builds unless the engine has it.

The killed runs use a small network, because they are about what is left behind and not about what is computed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import forging
from deliverables import write_photo
from npu_deliver.environment.engine.container import LABEL, connect, folder_label
from npu_deliver.errors import EngineError
from npu_deliver.experiments.registry import read_record
from npu_deliver.review import verify

pytestmark = [pytest.mark.container, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/models"
BASE = "python:3.11-slim-bookworm"
SHORT = ["--tier", "smoke", "--budget", "0"]
"""Measure briefly and search for nothing: these tests are about containers."""

RESTART = os.environ.get("NPU_DELIVER_TEST_ENGINE_UP")
"""A command that starts the engine again; without one no test stops the engine."""


@pytest.fixture(scope="module")
def client() -> Any:
    docker = pytest.importorskip("docker")
    try:
        found = connect()
    except EngineError as error:
        pytest.skip(str(error))
    try:
        found.images.get(BASE)
    except docker.errors.ImageNotFound:
        pytest.skip(f"the engine has no image {BASE}")
    yield found
    found.close()


def run(*arguments: object, root: Path, engine: str = "docker", check: bool = True, **more: Any) -> Any:
    """The command line in a process of its own, as a user has it."""
    words = [str(a) for a in arguments]
    environment = {**os.environ, "NPU_DELIVER_ROOT": str(root), "NPU_DELIVER_ENGINE": engine, "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from npu_deliver.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, **more)
    if check:
        assert done.returncode in (0, 1), done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "tiny", root / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    write_photo(root / "tiny/photos/red.png")
    shutil.copytree(
        ROOT / "deliverables/efficientnet_lite0", root / "efficientnet_lite0",
        ignore=lambda _, names: [name for name in names if "npu_deliverables" in name],
    )  # fmt: skip
    return root


@pytest.fixture(scope="module")
def image(client: Any, models: Path, need_space: Any) -> dict[str, Any]:
    """The image of the real model, built once; it serves the small one too."""
    need_space()
    built = json.loads(run("image", "efficientnet_lite0", "--device", "cpu", "--json", root=models).stdout)
    run("image", "tiny", root=models)  # shares all layers but the last few
    return built


@pytest.fixture(scope="module")
def finished(image: dict[str, Any], models: Path) -> Path:
    done = run("deliver", "efficientnet_lite0", "--device", "cpu", *SHORT, root=models)
    assert "verified: " in done.stdout, done.stderr
    return models / "efficientnet_lite0/npu_deliverables"


def own(path: Path) -> bool:
    """Whether everything below a folder belongs to this user."""
    return all(p.lstat().st_uid == os.getuid() for p in [path, *path.rglob("*")])


def containers_of(client: Any, folder: Path) -> list[Any]:
    return list(client.containers.list(all=True, sparse=True, filters={"label": f"{LABEL}={folder_label(folder)}"}))


def all_gone(client: Any, folder: Path, *, but: tuple[str, ...] = (), seconds: float = 30.0) -> bool:
    """Whether a folder's containers end, but for those in some state."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(left.attrs["State"] in but for left in containers_of(client, folder)):
            return True
        time.sleep(0.3)
    return False


# --- made, kept, reproduced ------------------------------------------------------------------------------------------


def test_a_real_model_is_delivered_from_a_container(finished: Path, image: dict[str, Any]) -> None:
    assert verify.verify(finished).holds
    assert own(finished)
    for kind in ("inference", "precision", "performance"):
        record = read_record(finished / f"evaluation/records/{kind}.json")
        assert record.provenance.image == image["digest"]
        assert record.provenance.versions["torch"].partition("+")[0] == image["packages"]["torch"].partition("+")[0]
    spec = json.loads((finished / "spec.json").read_text(encoding="utf-8"))
    assert spec["image"] == image["facts"]
    assert image["digest"] in (finished / "readme.md").read_text(encoding="utf-8")


def test_a_second_run_builds_and_runs_nothing(finished: Path, models: Path) -> None:
    done = run("deliver", "efficientnet_lite0", "--device", "cpu", *SHORT, root=models)
    assert done.stderr.count("kept from") == 3
    assert "building" not in done.stderr
    assert "is there" in done.stderr


def test_a_rerun_without_a_network_reproduces_it_to_the_bit(finished: Path, models: Path) -> None:
    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    done = run("rerun", finished, "--json", root=models)
    found = json.loads(done.stdout)
    assert found["reproduced"], done.stderr
    assert [output["identical"] for output in found["outputs"]] == [True] * len(found["outputs"])
    assert len(found["outputs"]) >= 10
    assert found["environment"] == []
    assert (found["code"], found["findings"]) == ([], 0)
    assert found["ran"]["outputs"] == len(found["outputs"])
    assert any("no code of the author ran" in line for line in found["shows"])
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


def test_a_folder_whose_own_code_forges_its_records_is_told_so(
    image: dict[str, Any], models: Path, tmp_path: Path
) -> None:
    root = tmp_path / "models"
    shutil.copytree(models / "tiny", root / "tiny", ignore=shutil.ignore_patterns("*npu_deliverables*"))
    folder = forging.forged(root, tmp_path, "docker")
    done = run("rerun", folder, "--json", root=root, check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, found["reproduced"]) == (8, False), done.stderr
    assert [(each["file"], each["how"]) for each in found["code"]] == [("npu_eval/agreement/compare.py", "changed")]
    assert not any(output["identical"] for output in found["outputs"] if output["side"] == "candidate")
    assert found["ran"]["release_code"]
    assert found["ran"]["deviations"] == []


def test_a_folder_that_escapes_is_refused_before_a_container_starts(
    finished: Path, models: Path, tmp_path: Path, client: Any
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "crafted"))
    (folder / "evaluation/results/passwd.png").symlink_to("/etc/passwd")
    before = len(client.containers.list(all=True))
    done = run("rerun", folder, root=models, check=False)
    assert done.returncode == 8
    assert "is a link; nothing of it was run" in done.stderr
    assert len(client.containers.list(all=True)) == before


def test_the_plan_shows_the_line_that_does_the_same(image: dict[str, Any], models: Path) -> None:
    done = run("plan", "efficientnet_lite0", "--device", "cpu", *SHORT, root=models)
    assert done.stdout.count("docker run --rm") == 3
    assert done.stdout.count("--network=none") == 3
    assert image["digest"] in done.stdout
    assert "--privileged" not in done.stdout


# --- killed ----------------------------------------------------------------------------------------------------------


def start(models: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "NPU_DELIVER_ROOT": str(models), "NPU_DELIVER_ENGINE": "docker"}
    words = ["-c", "from npu_deliver.cli import main; main()", "deliver", "tiny", "--fresh", *SHORT]
    command = [sys.executable, *words]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd=models
    )


def until(child: subprocess.Popen[str], words: str) -> None:
    """Wait for a line of a run that holds some words."""
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        seen.append(line)
        if words in line:
            return
    pytest.fail("the run ended before it said " + words + ": " + "".join(seen))


MOMENTS = ("image: ", "] inference: ", "weights: ", "] precision: ", "] performance: ")
"""Words of a run after which something is killed."""


def work_folder(models: Path) -> Path:
    return models / "tiny/.npu_deliverables.work/npu_deliverables"


def no_torn_record(models: Path) -> bool:
    """Whether each record that is there can be read."""
    for path in (models / "tiny").rglob("records/*.json"):
        read_record(path)
    return True


@pytest.mark.parametrize("words", MOMENTS)
def test_a_killed_command_leaves_nothing(client: Any, image: dict[str, Any], models: Path, words: str) -> None:
    child = start(models)
    until(child, words)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stderr is not None
    child.stderr.close()
    assert all_gone(
        client, work_folder(models), but=("created",)
    )  # asked for, and never started: the next run's to sweep
    assert own(models / "tiny")
    assert no_torn_record(models)


@pytest.mark.parametrize("words", MOMENTS)
def test_an_interrupted_command_leaves_nothing(client: Any, image: dict[str, Any], models: Path, words: str) -> None:
    child = start(models)
    until(child, words)
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 130, said
    assert all_gone(client, work_folder(models))
    assert own(models / "tiny")
    assert no_torn_record(models)


@pytest.mark.parametrize("words", MOMENTS[1:])
def test_a_killed_container_is_told_and_the_next_run_goes_on(
    client: Any, image: dict[str, Any], models: Path, words: str
) -> None:
    child = start(models)
    until(child, words)
    deadline = time.monotonic() + 20
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        found = containers_of(client, work_folder(models))
    docker = pytest.importorskip("docker")
    for container in found:
        with contextlib.suppress(docker.errors.APIError):  # it ended by itself in this moment
            container.kill()
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    code = child.wait()
    assert code in (0, 1, 6), said
    if code == 6:
        assert "was killed in its container" in said
    assert all_gone(client, work_folder(models))
    assert own(models / "tiny")
    assert no_torn_record(models)


def test_after_all_that_a_run_finishes(client: Any, image: dict[str, Any], models: Path) -> None:
    done = run("deliver", "tiny", *SHORT, root=models)
    assert "verified: " in done.stdout, done.stderr
    assert verify.verify(models / "tiny/npu_deliverables").holds
    assert all_gone(client, work_folder(models))


# --- last, because it stops the engine that the others use ----------------------------------------------------------


@pytest.mark.stops_engine
@pytest.mark.skipif(RESTART is None, reason="no command is known that starts the engine again")
@pytest.mark.parametrize("words", MOMENTS)
def test_a_killed_engine_is_told_and_nothing_is_left(image: dict[str, Any], models: Path, words: str) -> None:
    child = start(models)
    until(child, words)
    subprocess.run(["pkill", "-KILL", "-x", "dockerd"], check=True)
    try:
        assert child.stderr is not None
        said = child.stderr.read()
        child.stderr.close()
        code = child.wait(timeout=120)
    finally:
        subprocess.run(["bash", "-c", str(RESTART)], check=True, capture_output=True, timeout=300)
    assert code == 3, said
    assert "npu-deliver: " in said.splitlines()[-1]
    again = connect()
    try:
        assert all_gone(again, work_folder(models), seconds=60)
    finally:
        again.close()
    assert own(models / "tiny")
    assert no_torn_record(models)
