from __future__ import annotations

import dataclasses
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError, ConfigError
from npu_eval.models import adapter as seam
from npu_eval.models.adapter import (
    Adapter,
    SupportsClassification,
    SupportsDefaultWeights,
    SupportsDetection,
    SupportsDirectDetection,
    SupportsDrawing,
    SupportsPrediction,
    calling,
    checked_build,
    checked_detections,
    checked_detector,
    checked_forward,
    checked_predictions,
    checked_preprocess,
    resolve,
)
from npu_eval.models.detections import DetectionSet
from npu_eval.models.prediction import Prediction
from npu_eval.models.protocols import PROTOCOLS

GOOD = """
import torch
from torch import nn

class Tiny:
    task = "features"
    def build(self):
        return nn.Linear(3, 2).eval()
    def preprocess(self, photos):
        return torch.zeros(len(photos), 3)
    def forward(self, model, batch):
        return {"out": model(batch)}

def create_adapter():
    return Tiny()
"""


@pytest.fixture(autouse=True)
def _forget_adapter_modules() -> Iterator[None]:
    yield
    sys.modules.pop("adapter", None)


def refusal(reference: str, root: Path) -> str:
    with pytest.raises(AdapterError) as caught:
        resolve(reference, root)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "adapter.py").write_text(text, encoding="utf-8")
    return tmp_path


# --- resolve ---------------------------------------------------------------------------------------------------------


def test_an_adapter_file_is_found_beside_the_spec(tmp_path: Path) -> None:
    adapter = resolve("adapter.py", write(tmp_path, GOOD))
    assert isinstance(adapter, Adapter)
    assert not isinstance(
        adapter, (SupportsPrediction, SupportsDrawing, SupportsDefaultWeights, SupportsClassification)
    )
    assert checked_forward(adapter, adapter.build(), torch.zeros(4, 3), "adapter.py")["out"].shape == (4, 2)


def test_an_adapter_file_may_hold_dataclasses_and_be_pickled(tmp_path: Path) -> None:
    text = GOOD.replace("class Tiny:", "from dataclasses import dataclass\n@dataclass\nclass Tiny:\n    size: int = 3")
    adapter = resolve("adapter.py", write(tmp_path, text))
    assert pickle.loads(pickle.dumps(adapter)) == adapter


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def create_adapter(:\n", "adapter.py: SyntaxError: "),
        ("\nimport no_such_module_here\n", "adapter.py: the Python package 'no_such_module_here' is not installed"),
        ("x = 1\n", "adapter.py: defines no function create_adapter(); see docs/"),
        ("create_adapter = 3\n", "adapter.py: defines no function create_adapter()"),
        ("def create_adapter():\n    raise ValueError('bad\\nnews')\n",
         "adapter.py: ValueError: bad news (adapter.py, line 2)"),
        ("def create_adapter(needed):\n    return 1\n", "adapter.py: TypeError: "),
        ("def create_adapter():\n    return None\n", "adapter.py: its adapter has no 'task'"),
        (GOOD.replace("forward", "backward"), "adapter.py: its adapter has no 'forward'"),
    ],
)  # fmt: skip
def test_an_adapter_that_does_not_load_is_named_with_the_reason(tmp_path: Path, text: str, told: str) -> None:
    assert refusal("adapter.py", write(tmp_path, text)).startswith(told)


def test_words_go_to_an_adapter_that_takes_them(tmp_path: Path) -> None:
    words = Classes(count=2, names=("shoe", "cup"))
    asked = GOOD.replace("def create_adapter():", "def create_adapter(words=('cat',)):")
    asked = asked.replace("    return Tiny()", "    made = Tiny()\n    made.words = words\n    return made")
    given: Any = resolve("adapter.py", write(tmp_path, asked), words)
    usual: Any = resolve("adapter.py", tmp_path)
    assert (given.words, usual.words) == (("shoe", "cup"), ("cat",))
    with pytest.raises(AdapterError, match=r"adapter\.py: its create_adapter\(\) takes no words"):
        resolve("adapter.py", write(tmp_path, GOOD), words)


def test_a_syntax_error_is_placed_in_the_adapter_and_not_in_the_import_system(tmp_path: Path) -> None:
    line = refusal("adapter.py", write(tmp_path, "x = 1\ndef create_adapter(:\n"))
    assert "(adapter.py, line 2)" in line
    assert "importlib" not in line


def test_a_missing_adapter_file_is_named(tmp_path: Path) -> None:
    line = refusal("adapter.py", tmp_path)
    assert line.startswith(f"{tmp_path / 'adapter.py'}: the adapter file does not exist")


def test_an_unknown_library_is_named_with_the_known_ones(tmp_path: Path) -> None:
    assert refusal("tim:resnet18", tmp_path) == (
        "tim:resnet18: 'tim:' is no known model library; did you mean 'timm'?"
    )  # fmt: skip


def test_a_library_that_is_not_installed_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "npu_eval.models.adapters.timm_models", raising=False)
    assert refusal("timm:resnet18", tmp_path) == (
        "timm:resnet18: the Python package 'timm' is not installed; pip install -r requirements.txt"
    )  # fmt: skip


def test_a_library_that_breaks_on_import_is_its_fault_and_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> types.ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(seam.importlib, "import_module", broken)
    assert "RuntimeError: operator torchvision::nms does not exist" in refusal("timm:resnet18", tmp_path)


def test_an_adapter_that_did_not_travel_is_told_from_a_package_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seam, "GENERIC", (*seam.GENERIC, "keras"))
    assert refusal("keras:resnet", tmp_path).startswith("keras:resnet: this deliverable holds no adapter for keras")


# --- calling ---------------------------------------------------------------------------------------------------------


def test_the_line_that_is_named_is_the_adapters_own_and_not_torchs(tmp_path: Path) -> None:
    text = GOOD.replace("model(batch)", "nn.functional.interpolate(batch, scale_factor=2)")
    adapter = resolve("adapter.py", write(tmp_path, text))
    with pytest.raises(AdapterError, match=r"NotImplementedError: .*\(adapter\.py, line 12\)$") as caught:
        checked_forward(adapter, adapter.build(), torch.zeros(4, 3), "adapter.py")
    assert isinstance(caught.value.__cause__, NotImplementedError)


def test_our_own_errors_and_interrupts_pass_unchanged() -> None:
    with pytest.raises(ConfigError, match=r"^mine$"), calling("adapter.py"):
        raise ConfigError("mine")
    with pytest.raises(KeyboardInterrupt), calling("adapter.py"):
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), calling("adapter.py"):
        raise SystemExit(3)


# --- what an adapter gives back --------------------------------------------------------------------------------------


class Fake:
    task = "features"

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def build(self) -> Any:
        return self.gives

    def preprocess(self, photos: Any) -> Any:
        return self.gives

    def forward(self, model: nn.Module, batch: torch.Tensor) -> Any:
        return self.gives

    def predictions(self, outputs: Any, index: int) -> Any:
        return self.gives


BATCH = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (torch.zeros(2), "must return a dict of named tensors"),
        ({}, "must return a dict of named tensors"),
        ([torch.zeros(2)], "must return a dict of named tensors"),
        ({"a": torch.zeros(2), "b": [1, 2]}, "output 'b' must be a tensor with the batch first, found list"),
        ({"a": torch.zeros(())}, r"output 'a' must be a tensor with the batch first, found \(\)"),
        ({"a": torch.zeros(3, 2)}, r"output 'a' .* found \(3, 2\)"),
    ],
)
def test_outputs_are_named_tensors_with_the_batch_first(gives: Any, told: str) -> None:
    with pytest.raises(AdapterError, match=f"^adapter.py: .*{told}"):
        checked_forward(Fake(gives), nn.Identity(), BATCH, "adapter.py")


def test_the_forward_pass_keeps_no_graph() -> None:
    weight = nn.Linear(3, 3)

    class Live(Fake):
        def forward(self, model: nn.Module, batch: torch.Tensor) -> Any:
            assert torch.is_inference_mode_enabled()
            return {"a": weight(batch)}

    assert not checked_forward(Live(None), weight, BATCH, "adapter.py")["a"].requires_grad


@pytest.mark.parametrize("gives", [None, {"a": 1}, nn.Identity])
def test_a_network_is_a_module(gives: Any) -> None:
    with pytest.raises(AdapterError, match=r"^adapter\.py: build\(\) must return a torch module, found"):
        checked_build(Fake(gives), "adapter.py")
    network = nn.Identity()
    assert checked_build(Fake(network), "adapter.py") is network


@pytest.mark.parametrize("gives", [None, [BATCH], torch.zeros(()), torch.zeros(3, 3)])
def test_a_batch_is_one_tensor_with_the_photos_first(gives: Any) -> None:
    with pytest.raises(
        AdapterError, match=r"^adapter\.py: preprocess\(\) must return a tensor with the 2 photos first"
    ):
        checked_preprocess(Fake(gives), [Path("a"), Path("b")], "adapter.py")
    assert checked_preprocess(Fake(BATCH), [Path("a"), Path("b")], "adapter.py") is BATCH


FINE = Prediction(label="cat", index=1, score=0.5, box=(0.0, 0.0, 4.0, 5.0))


@pytest.mark.parametrize(
    "gives",
    [
        None,
        ["cat"],
        [dataclasses.replace(FINE, score=float("nan"))],
        [dataclasses.replace(FINE, score=torch.tensor(0.5))],
        [dataclasses.replace(FINE, box=(0.0, 1.0))],
        [dataclasses.replace(FINE, box=(0.0, 1.0, 2.0, float("inf")))],
        [dataclasses.replace(FINE, label=7)],
        [dataclasses.replace(FINE, index=torch.tensor(3))],
        [FINE, dataclasses.replace(FINE, index=1.0)],
    ],
    ids=str,
)
def test_predictions_are_what_a_record_can_hold(gives: Any) -> None:
    with pytest.raises(AdapterError, match=r"^adapter\.py: "):
        checked_predictions(Fake(gives), {}, 0, "adapter.py")


def test_predictions_come_back_as_a_tuple() -> None:
    bare = dataclasses.replace(FINE, box=None)
    assert checked_predictions(Fake([FINE, bare]), {}, 0, "adapter.py") == (FINE, bare)
    assert checked_predictions(Fake([]), {}, 0, "adapter.py") == ()


# --- detections ------------------------------------------------------------------------------------------------------

PHOTOS = [Path("street.jpg")]


class Detector:
    class_names = ("person", "horse")
    score_cutoff = 0.05
    max_detections = 100

    def __init__(self, **changes: Any) -> None:
        found = {
            "boxes": torch.tensor([[0.0, 0.0, 4.0, 3.0], [1.0, 1.0, 2.0, 2.0]]),
            "scores": torch.tensor([0.9, 0.1]),
            "classes": torch.tensor([1, 0]),
            "masks": torch.ones(2, 5, 7, dtype=torch.bool),
        }
        self.found = DetectionSet(**(found | changes))

    def detections(self, outputs: Any, photos: Any) -> list[Any]:
        return [self.found for _ in range(len(outputs["out"]))]


def test_detections_come_back_as_the_adapter_gave_them() -> None:
    adapter = Detector()
    assert isinstance(adapter, SupportsDetection)
    assert checked_detections(adapter, {"out": torch.zeros(1)}, PHOTOS, "adapter.py") == [adapter.found]
    none = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "classes": torch.zeros(0, dtype=torch.int64)}
    empty = Detector(**none, masks=None)
    assert len(checked_detections(empty, {"out": torch.zeros(1)}, PHOTOS, "adapter.py")[0]) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"boxes": torch.zeros(2, 5)},
        {"boxes": torch.full((2, 4), float("nan"))},
        {"scores": torch.zeros(2, 1)},
        {"masks": torch.ones(3, 5, 7, dtype=torch.bool)},
        {"classes": torch.tensor([0, 2])},
        {"classes": torch.tensor([0, -1])},
    ],
)
def test_detections_that_break_the_contract_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AdapterError, match=r"detection|boxes"):
        checked_detections(Detector(**changes), {"out": torch.zeros(1)}, PHOTOS, "adapter.py")


def test_a_set_for_each_photo_is_wanted() -> None:
    with pytest.raises(AdapterError, match="one set for each of 1 photos"):
        checked_detections(Detector(), {"out": torch.zeros(2)}, PHOTOS, "adapter.py")


class Direct(Detector):
    def detector(self, model: Any, protocol: Any) -> Any:
        return lambda batch, size, classes_at_once: iter([self.found, self.found])


def test_parts_of_a_photo_are_checked_one_by_one() -> None:
    adapter, network, batch = Direct(), nn.Identity(), torch.zeros(1, 3, 4, 4)
    assert isinstance(adapter, SupportsDirectDetection)
    assert not isinstance(Detector(), SupportsDirectDetection)
    detect = checked_detector(adapter, network, PROTOCOLS["coco"], "adapter.py")
    assert list(detect(batch, (5, 7), 2)) == [adapter.found] * 2
    broken = checked_detector(Direct(classes=torch.tensor([0, 2])), network, PROTOCOLS["coco"], "adapter.py")
    with pytest.raises(AdapterError, match="none of the 2 classes"):
        next(broken(batch, (5, 7), 2))


def test_a_detector_that_raises_is_named() -> None:
    class Failing(Direct):
        def detector(self, model: Any, protocol: Any) -> Any:
            def detect(batch: Any, size: Any, classes_at_once: Any) -> Any:
                assert torch.is_inference_mode_enabled()
                yield self.found
                raise ValueError("bad word")

            return detect

    parts = checked_detector(Failing(), nn.Identity(), PROTOCOLS["coco"], "adapter.py")(torch.zeros(1), (5, 7), 2)
    next(parts)
    assert not torch.is_inference_mode_enabled()  # what the caller does with a part is the caller's own
    with pytest.raises(AdapterError, match="bad word"):
        next(parts)


def test_classes_are_for_the_libraries_that_build_any_number_of_them(tmp_path):
    pytest.importorskip("timm")
    found = seam.resolve("timm:test_resnet", tmp_path, Classes(count=2, names=("a", "b")))
    assert found.class_names == ("a", "b")
    for reference in ("npu_models:fcos/r50_caffe_fpn_gn-head_1x", "transformers:x/y"):
        with pytest.raises(AdapterError, match="has classes of its own"):
            seam.resolve(reference, tmp_path, Classes(count=2))
