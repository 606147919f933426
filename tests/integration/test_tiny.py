"""The whole line on a tiny network: made, verified, repeated, resumed after a kill, rendered again, replayed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from integration.conftest import COMMAND, Delivered, Run
from npu_deliver.review import verify
from npu_eval.jsonio import TEMPORARY_PREFIX, loads


def _shape(folder: Path) -> tuple[object, ...]:
    """What stays the same from run to run: verdicts, and which statistics there are."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return (
        [(v["criterion"], v["status"]) for v in summary["verdicts"]],
        [sorted(run) for run in summary["performance"]["runs"]],
        [sorted(a) for a in summary["precision"]["agreements"]],
        summary["stamps"],
    )


def test_made_verified_and_stamped(finished: Path, delivered: Delivered, command: Run) -> None:
    folder = finished
    assert json.loads(delivered.printed.stdout)["overall"] == "PASS"
    checked = command("verify", str(folder), "--json")
    assert (checked.returncode, json.loads(checked.stdout)["holds"]) == (0, True)
    assert json.loads(checked.stdout)["stamps"] == ["random-weights", "no-npu"]
    for page in ("readme.md", "OPTIMIZATION_RECORD.md"):
        assert "随机权重" in (folder / page).read_text(encoding="utf-8")
    assert (folder / "inputs" / "红.png").is_file()
    assert not (delivered.root / "tiny" / ".npu_deliverables.work").exists()


def test_a_repeat_keeps_every_step(finished: Path, command: Run) -> None:
    records = finished / "evaluation" / "records"
    before = {p.name: p.read_bytes() for p in records.iterdir()}
    again = command("deliver", "tiny", "--lang", "en")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("kept from") == 3
    assert {p.name: p.read_bytes() for p in records.iterdir()} == before
    fresh = command("deliver", "tiny", "--fresh")
    assert "kept from" not in fresh.stderr
    assert {p.name: p.read_bytes() for p in records.iterdir()} != before


def test_report_in_english_and_replay(root: Path, finished: Path, command: Run) -> None:
    folder = finished
    assert command("report", "tiny", "--lang", "en").returncode == 0
    assert "adaptation report" in (folder / "readme.md").read_text(encoding="utf-8")
    original = folder.rename(root / "original")
    replayed = command("deliver", "tiny", "--replay", str(original), "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert "replayed" in json.loads(replayed.stdout)["stamps"]
    assert command("verify", str(folder)).returncode == 0


def test_a_failing_run_leaves_the_finished_folder_alone(root: Path, finished: Path, command: Run) -> None:
    folder = finished
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    broken = root / "broken.pth"
    broken.write_bytes(b"PK\x03\x04 cut short")
    for arguments, code in (
        (["--device", "npu:0"], 4),
        (["--weights", str(broken)], 5),
        (["--input", "nowhere.jpg"], 2),
        (["--device", "tpu"], 2),
    ):
        failed = command("deliver", "tiny", *arguments)
        assert failed.returncode == code, failed.stderr
        assert failed.stderr.splitlines()[-1].startswith("npu-deliver: ")
        assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_deliverable_serves_its_model(root: Path, command: Run) -> None:
    """`deploy.sh` as the platform starts it, with the weights at MODEL_PATH; a photo gets its classes."""
    model = root / "tiny"
    weights = root.parent / "downloaded" / "tiny.pth"
    weights.parent.mkdir()
    build = "import sys, torch, adapter; torch.save(adapter.create_adapter().build().state_dict(), sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(weights)], cwd=model, check=True)
    made = command("deliver", "tiny", "--weights", str(weights), "--serve", "--lang", "en")
    assert made.returncode == 0, made.stderr
    folder = model / "npu_deliverables"
    assert "bash deploy.sh" in (folder / "readme.md").read_text(encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NPU_DELIVER"))}
    asked = {"MODEL_PATH": str(weights.parent), "PORT": "0", "DEVICE": "cpu", "PYTHON": sys.executable}
    with subprocess.Popen([folder / "deploy.sh"], stderr=subprocess.PIPE, text=True, env=clean | asked) as server:
        try:
            assert server.stderr is not None
            said = next(line for line in server.stderr if line.startswith(("serving on", "npu-eval", "error")))
            port = int(said.rstrip().rpartition(":")[2])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                health = json.load(answer)
            assert (health["status"], health["device"], health["stamps"]) == ("ok", "cpu", ["no-npu"])
            photo = (folder / "inputs" / "红.png").read_bytes()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/predict", data=photo, timeout=60) as answer:
                told = json.load(answer)["predictions"]
            record = json.loads((folder / "evaluation/records/inference.json").read_text(encoding="utf-8"))
            (wanted,) = [r for r in record["data"]["results"] if r["input"] == "inputs/红.png"]
            assert [p["label"] for p in told] == [p["label"] for p in wanted["predictions"]]
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    assert command("verify", str(folder)).returncode == 0, "serving changed nothing in the folder"
    (folder / "deploy.sh").unlink()
    assert "deploy.sh: is missing" in command("verify", str(folder)).stdout


@pytest.mark.slow
def test_killed_at_ten_moments_and_resumed(root: Path, command: Run) -> None:
    """Each kill leaves no torn file, and the next run goes on from the finished steps to the same kind of result."""
    started = time.monotonic()
    assert command("deliver", "tiny").returncode == 0
    whole = time.monotonic() - started
    folder = root / "tiny" / "npu_deliverables"
    expected = _shape(folder)
    resumed = 0
    for moment in range(1, 11):
        _kill_after(root, whole * moment / 11)
        for path in (root / "tiny").rglob("*.json"):
            if not path.name.startswith(TEMPORARY_PREFIX):
                loads(path.read_text(encoding="utf-8"), str(path))
        done = command("deliver", "tiny")
        assert done.returncode == 0, done.stderr
        resumed += "kept from" in done.stderr
        assert _shape(folder) == expected
        assert not list((root / "tiny").rglob(f"{TEMPORARY_PREFIX}*"))
        assert verify.verify(folder).holds
    assert resumed > 0, "no run found a step of the killed one"


def _kill_after(root: Path, seconds: float) -> None:
    """Start a run from nothing and kill it without warning; nothing of it may go on."""
    child = subprocess.Popen(
        [*COMMAND, "deliver", "tiny", "--fresh"], cwd=root.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "NPU_DELIVER_ROOT": str(root)},
    )  # fmt: skip
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
