"""Small published-looking checkpoints, read as a deliverable reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

import tiny_transformers
from npu_eval.errors import AdapterError, WeightsError
from npu_eval.models.adapter import (
    SupportsClassification,
    SupportsDetection,
    SupportsPrediction,
    checked_build,
    checked_detections,
    checked_forward,
    checked_predictions,
    checked_preprocess,
    resolve,
)
from npu_eval.models.adapters.transformers_models import create_adapter
from npu_eval.models.checkpoint.loading import load_strict, read_state_dict


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in tiny_transformers.KINDS:
        tiny_transformers.write(folder / kind, kind, seed=3)
    for name, size in (("wide.png", (90, 60)), ("tall.png", (40, 80))):
        Image.effect_noise(size, 90).convert("RGB").save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("kind", "task", "outputs"),
    [
        ("convnextv2", "classification", {"logits": (2, 5)}),
        ("vit", "features", {"last_hidden_state": (2, 17, 16), "pooler_output": (2, 16)}),
        ("detr", "detection", {"logits": (2, 7, 6), "pred_boxes": (2, 7, 4), "last_hidden_state": (2, 7, 16),
                               "encoder_last_hidden_state": (2, 4, 16)}),
        ("segformer", "semantic-segmentation", {"logits": (2, 5, 16, 16)}),
    ],
)  # fmt: skip
def test_every_output_has_the_librarys_name(models: Path, kind: str, task: str, outputs: dict[str, Any]) -> None:
    adapter = resolve(f"transformers:{kind}", models)
    assert adapter.task == task
    batch = checked_preprocess(adapter, [models / "wide.png", models / "tall.png"], kind)
    found = checked_forward(adapter, checked_build(adapter, kind), batch, kind)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == outputs


@pytest.mark.parametrize("kind", tiny_transformers.KINDS)
def test_published_weights_load_strictly_and_give_what_the_library_gives(models: Path, kind: str) -> None:
    adapter = create_adapter(kind, models)
    network = adapter.build()
    file = models / kind / "model.safetensors"
    report = load_strict(network, adapter.renamed(read_state_dict(file)), mapping="by_name", source=file.name)
    assert (report.missing, report.unexpected) == ((), ())
    theirs = type(network).from_pretrained(models / kind).eval()
    photo = models / "wide.png"
    processed = transformers.AutoImageProcessor.from_pretrained(models / kind)(
        images=[Image.open(photo)], return_tensors="pt"
    )
    with torch.inference_mode():
        expected = theirs(**processed)
        found = adapter.forward(network, adapter.preprocess([photo]))
    for name, tensor in found.items():
        assert torch.allclose(tensor, expected[name], rtol=1e-5, atol=1e-6), name


def test_weights_that_are_stored_in_half_precision_are_computed_in_single(models: Path, tmp_path: Path) -> None:
    network = transformers.ConvNextV2ForImageClassification.from_pretrained(models / "convnextv2").half()
    network.save_pretrained(tmp_path / "half")
    adapter = create_adapter("half", tmp_path)
    state = adapter.renamed(read_state_dict(tmp_path / "half/model.safetensors"))
    assert {tensor.dtype for tensor in (*state.values(), *adapter.build().parameters())} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("classifier.weight"), "1 missing (classifier.weight"),
        (lambda state: state.update(extra=torch.zeros(2)), "1 unexpected (extra"),
        (lambda state: state.update({"classifier.bias": torch.zeros(9)}), "9 in the checkpoint, 5 in the network"),
    ],
)
def test_nothing_is_left_at_random_or_dropped(models: Path, change: Any, told: str) -> None:
    adapter = create_adapter("convnextv2", models)
    state = read_state_dict(models / "convnextv2/model.safetensors")
    change(state)
    with pytest.raises(WeightsError) as error:
        load_strict(adapter.build(), adapter.renamed(state), mapping="by_name", source="x")
    assert told in str(error.value)


def test_a_classifier_names_its_classes(models: Path) -> None:
    adapter = create_adapter("convnextv2", models)
    assert isinstance(adapter, SupportsClassification)
    assert isinstance(adapter, SupportsPrediction)
    assert adapter.class_names == ("cat", "dog", "bus", "cup", "pen")
    best = checked_predictions(adapter, {"logits": torch.tensor([[0.0, 9.0, 1.0, 2.0, 3.0]])}, 0, "x")[0]
    assert (best.label, best.index) == ("dog", 1)
    assert not isinstance(create_adapter("vit", models), (SupportsClassification, SupportsPrediction))


def test_a_detectors_boxes_are_pixels_of_the_upright_photo(models: Path, tmp_path: Path) -> None:
    photo = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side: 80 wide and 40 high as stored, 40 wide and 80 high to look at
    Image.new("RGB", (80, 40), "#808080").save(photo, exif=exif)
    adapter = create_adapter("detr", models)
    assert isinstance(adapter, SupportsDetection)
    logits = torch.full((1, 7, 6), -9.0)
    logits[0, :, 5] = 9.0  # no object
    logits[0, 2, 1], logits[0, 4, 3] = 12.0, 20.0
    boxes = torch.tensor([0.5, 0.5, 0.5, 0.25]).expand(1, 7, 4)
    found = checked_detections(adapter, {"logits": logits, "pred_boxes": boxes}, [photo], "x")[0]
    assert found.classes.tolist() == [3, 1]
    assert torch.allclose(found.boxes, torch.tensor([10.0, 30.0, 30.0, 50.0]).expand(2, 4))


def test_photos_of_different_sizes_are_padded_and_the_network_is_told_where(models: Path, tmp_path: Path) -> None:
    folder = tiny_transformers.write(tmp_path / "detr", "detr")
    transformers.DetrImageProcessor(size={"shortest_edge": 32, "longest_edge": 64}).save_pretrained(folder)
    adapter = create_adapter("detr", tmp_path)
    photos = [models / "wide.png", models / "tall.png"]
    batch = adapter.preprocess(photos)
    inside = batch[:, 3]
    assert batch.shape[1] == 4
    assert set(inside.unique().tolist()) == {0.0, 1.0}
    given: dict[str, torch.Tensor] = {}

    def network(**inputs: Any) -> dict[str, torch.Tensor]:
        given.update({name: x for name, x in inputs.items() if isinstance(x, torch.Tensor)})
        return {"logits": torch.zeros(2, 7, 6)}

    adapter.forward(network, batch)  # type: ignore[arg-type]
    assert torch.equal(given["pixel_values"], batch[:, :3])
    assert torch.equal(given["pixel_mask"], inside.long())
    assert not batch[:, :3][inside[:, None].expand(-1, 3, -1, -1) == 0].any()
    assert adapter.preprocess(photos[1:]).shape[1] == 3


def test_a_segmenter_tells_the_share_that_each_class_covers(models: Path) -> None:
    adapter = create_adapter("segformer", models)
    logits = torch.zeros(1, 5, 2, 4)
    logits[0, 2, :, :3] = 1.0
    logits[0, 4, :, 3] = 1.0
    found = checked_predictions(adapter, {"logits": logits}, 0, "x")
    assert [(p.label, p.score) for p in found] == [("bus", 0.75), ("pen", 0.25)]


def test_without_a_published_processor_the_networks_own_size_is_taken(tmp_path: Path, models: Path) -> None:
    for kind in ("convnextv2", "vit"):
        tiny_transformers.write(tmp_path / kind, kind, processor=False)
        batch = create_adapter(kind, tmp_path).preprocess([models / "wide.png"])
        assert batch.shape == (1, 3, 32, 32)
    assert create_adapter("CLIPVisionModel", tmp_path).preprocess([models / "tall.png"]).shape == (1, 3, 224, 224)
    with pytest.raises(AdapterError, match=r"no image processor for .* preprocessor_config\.json"):
        create_adapter("VitDetModel", tmp_path).preprocess([models / "tall.png"])


def test_an_architecture_alone_has_its_default_configuration_and_no_weights(tmp_path: Path) -> None:
    adapter = create_adapter("MobileNetV2ForImageClassification", tmp_path)
    assert adapter.task == "classification"
    assert sum(p.numel() for p in adapter.build().parameters()) > 2e6
    with pytest.raises(AdapterError, match=r"has no weights; .* WEIGHTS=random"):
        adapter.default_weights()


def test_the_hubs_name_leads_to_its_weights(tmp_path: Path) -> None:
    tiny_transformers.write(tmp_path / "model", "convnextv2")
    adapter = resolve("transformers:someone/small@v2", tmp_path)
    assert adapter.default_weights() == "hf:someone/small@v2/model.safetensors"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ConvNextV2ForImageClasification", "did you mean 'ConvNextV2ForImageClassification'?"),
        ("BertModel", "takes input_ids, not photos alone"),
        ("../../etc", "has no architecture"),
    ],
)
def test_what_is_no_vision_model_is_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(AdapterError) as error:
        create_adapter(name, tmp_path)
    assert told in str(error.value)
    assert f"transformers:{name}" in str(error.value)


def test_code_of_a_repository_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/evil.py").write_text("raise SystemExit('it ran')\n")
    config = {"model_type": "evil", "architectures": ["Evil"], "auto_map": {"AutoConfig": "evil.EvilConfig"}}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterError, match="code of a repository is never run"):
        create_adapter("a/b", tmp_path)
