"""The whole line on the simulated NPU: the real command line and the deliverable's own scripts."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from simnpu.conftest import Machine
from simnpu.stamped import assert_stamped

pytestmark = pytest.mark.slow

TINY = Path(__file__).parents[1] / "models" / "tiny"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated")
    shutil.copytree(TINY, root / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tiny" / "photos").mkdir()
    Image.linear_gradient("L").convert("RGB").save(root / "tiny/photos/gradient.png")
    return root


@pytest.fixture(scope="module")
def finished(simnpu: Callable[..., Machine], root: Path) -> Path:
    """The deliverable of the tiny model, compared with a float32 CPU, as torch_npu's defaults have it: HF32 on."""
    spec = yaml.safe_load((root / "tiny/spec.yaml").read_text())
    spec["evaluation"]["reference"] = {"device": "cpu", "dtype": "float32"}
    (root / "tiny/spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    done = simnpu().cli("deliver", "tiny", "--root", str(root), "--device", "npu:0", "--lang", "en")
    assert done.returncode in (0, 1), done.stderr
    return root / "tiny/npu_deliverables"


def test_hf32_is_what_the_comparison_shows(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert 1e-5 < summary["precision"]["worst_relative_l2"] < 1e-3
    assert summary["provenance"]["numeric_modes"]["hf32_conv"] == "on"


def test_without_hf32_the_result_is_the_cpus_bit_for_bit(simnpu: Callable[..., Machine], root: Path) -> None:
    spec = yaml.safe_load((root / "tiny/spec.yaml").read_text())
    spec["evaluation"]["reference"] = {"device": "cpu", "dtype": "float32"}
    spec["evaluation"]["numeric_modes"] = {"hf32_conv": False, "hf32_matmul": False}
    shutil.copytree(root / "tiny", root / "exact", ignore=shutil.ignore_patterns("*npu_deliverables*"))
    (root / "exact/spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    done = simnpu().cli("deliver", "exact", "--root", str(root), "--device", "npu:0")
    assert done.returncode in (0, 1), done.stderr
    summary = json.loads((root / "exact/npu_deliverables/summary.json").read_text())
    assert summary["precision"]["worst_relative_l2"] == 0.0
    assert summary["provenance"]["numeric_modes"]["hf32_conv"] == "off"


def test_the_error_goes_with_the_switch_that_made_it(finished: Path) -> None:
    """The candidate runs again under every combination: without HF32 nothing of its error is left."""
    rows = json.loads((finished / "summary.json").read_text())["precision"]["modes"]
    assert [row["deployed"] for row in rows] == [True, False, False, False]
    assert rows[0]["settings"] == {"hf32_conv": "on", "hf32_matmul": "off"}
    worst = {tuple(row["settings"].values()): max(row["errors"].values()) for row in rows}
    assert worst["off", "off"] == 0.0
    assert all(1e-5 < error < 1e-2 for modes, error in worst.items() if "on" in modes)
    (log,) = (finished / "evaluation/logs").glob("precision_eval.simulated.log")
    assert re.search(r"hf32_conv=off hf32_matmul=off +\S+ +no +0 +n/a \(simulated\)", log.read_text())
    assert "### Attribution by switching" in next(finished.glob("readme.simulated.md")).read_text()


def test_the_devices_own_time_is_kept_of_each_call(finished: Path) -> None:
    runs = json.loads((finished / "evaluation/records/performance.json").read_text())["data"]["runs"]
    for run in runs:
        assert len(run["device_s"]) == len(run["enqueue_s"]) == len(run["samples_s"]) > 0
        assert all(0 < enqueue <= wall for enqueue, wall in zip(run["enqueue_s"], run["samples_s"], strict=True))
        assert min(run["device_s"]) > 0
    (log,) = (finished / "evaluation/logs").glob("performance_*.simulated.log")
    assert "device time: events around the same calls" in log.read_text()


def test_it_is_not_called_an_npu_result(simnpu: Callable[..., Machine], finished: Path) -> None:
    checked = simnpu().cli("verify", str(finished), "--json")
    assert checked.returncode == 0, checked.stdout
    assert "simulated" in json.loads(checked.stdout)["stamps"]


def test_every_file_that_shows_a_result_says_so(finished: Path) -> None:
    assert_stamped(finished)


def test_a_script_of_the_folder_runs_by_itself(simnpu: Callable[..., Machine], finished: Path) -> None:
    done = simnpu().run(sys.executable, "evaluation/eval_precision.py", "--device", "npu:1", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert "!!! SIMULATED - NOT AN NPU RESULT !!!" in done.stdout


def test_without_the_simulator_there_is_no_npu(root: Path) -> None:
    done = Machine({}).cli("deliver", "tiny", "--root", str(root), "--device", "npu:0", "--output", str(root / "x"))
    assert done.returncode == 4, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("npu-deliver: ")]
    assert "torch_npu is not installed" in line
