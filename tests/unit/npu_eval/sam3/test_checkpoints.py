"""Checkpoints of every layout into the library's networks, through the door that a run uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

import original_sam3
from npu_eval.errors import WeightsError
from npu_eval.models.checkpoint import loading as checkpoint
from npu_eval.models.checkpoint.loading import LoadReport
from npu_eval.sam3.checkpoints import DETECTOR_MODEL, library_names

POINTS = "points_direct_project.weight"


@pytest.fixture(scope="module")
def original() -> dict[str, Tensor]:
    return original_sam3.checkpoint()


@pytest.fixture(scope="module")
def video() -> Any:
    return transformers.Sam3VideoModel(transformers.Sam3VideoConfig(**original_sam3.video_config()))


def detector() -> Any:
    return transformers.Sam3Model._from_config(transformers.Sam3Config(**original_sam3.detector_config()))


def in_image(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(DETECTOR_MODEL): x for name, x in library_names(state).items()}


def loaded(content: Any, folder: Path, network: Any, rename: Callable[..., Any] = in_image) -> LoadReport:
    path = folder / "any_name.pt"
    torch.save(content, path)
    return checkpoint.load(network, path, mapping="by_name", source="x", rename=rename)


def codes(report: LoadReport) -> dict[str, Any]:
    return {note.code: note.args for note in report.notes}


def test_the_release_fills_the_video_network(original: dict[str, Tensor], video: Any, tmp_path: Path) -> None:
    report = loaded(original, tmp_path, video, library_names)
    assert (report.tensors, report.missing, report.unexpected) == (len(video.state_dict()), (), ())
    assert set(codes(report)) == {"left-frequencies", "left-points"}
    assert str(codes(report)["left-points"]["count"]) == "6"
    own = video.state_dict()
    embedding = original["tracker.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    assert torch.equal(own["tracker_model.shared_image_embedding.positional_embedding"], embedding)
    assert torch.equal(
        own["tracker_model.prompt_encoder.point_embed.weight"],
        torch.cat([original[f"tracker.sam_prompt_encoder.point_embeddings.{i}.weight"] for i in range(4)]),
    )


@pytest.mark.parametrize(
    "content",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3},
        lambda state: {name.removeprefix("detector."): x for name, x in state.items() if name.startswith("detector.")},
        lambda state: {
            name.removeprefix("detector.").replace("tracker.", "inst_interactive_predictor.model.", 1): x
            for name, x in state.items()
        },
        lambda state: {f"module.{name}": x for name, x in state.items() if name.startswith("detector.")},
        lambda state: {name.replace("detector.", "module.", 1): x for name, x in state.items() if "detector." in name},
        library_names,
        in_image,
    ],
    ids=[
        "release",
        "in model",
        "fine-tuned",
        "with points",
        "module.detector",
        "module",
        "video folder",
        "image folder",
    ],
)
def test_each_layout_fills_the_image_network_alike(
    original: dict[str, Tensor], content: Callable[..., Any], tmp_path: Path
) -> None:
    network = detector()
    report = loaded(content(original), tmp_path, network)
    assert (report.tensors, report.missing, report.unexpected) == (len(network.state_dict()), (), ())
    expected = in_image(original)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_what_an_image_does_not_use_is_told(original: dict[str, Tensor], tmp_path: Path) -> None:
    notes = codes(loaded(original, tmp_path, detector()))
    assert {"left-tracker", "left-points", "left-frequencies"} == set(notes)
    assert POINTS in str(notes["left-points"]["names"])


@pytest.mark.parametrize("name", ["detector.backbone.vision_backbone.trunk.blocks.0.attn.qkv.weight",
                                  "detector.transformer.decoder.layers.1.ca_text.in_proj_bias",
                                  "detector.segmentation_head.instance_seg_head.bias"])  # fmt: skip
def test_one_tensor_missing_is_an_error(original: dict[str, Tensor], name: str, tmp_path: Path) -> None:
    state = {key: value for key, value in original.items() if key != name}
    with pytest.raises(WeightsError, match=r"[13] missing \("):
        loaded(state, tmp_path, detector())


def test_one_tensor_too_many_is_an_error_that_names_it(original: dict[str, Tensor], tmp_path: Path) -> None:
    state = {**original, "detector.transformer.decoder.new_head.weight": torch.ones(2)}
    with pytest.raises(WeightsError, match=r"1 unexpected \(detr_decoder\.new_head\.weight 2\)"):
        loaded(state, tmp_path, detector())


def test_a_tracker_without_one_of_its_tensors_is_no_video_network(
    original: dict[str, Tensor], video: Any, tmp_path: Path
) -> None:
    state = {key: value for key, value in original.items() if key != "tracker.no_obj_ptr"}
    with pytest.raises(WeightsError, match=r"1 missing \(tracker_model\.no_object_pointer 1×128\)"):
        loaded(state, tmp_path, video, library_names)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    "name",
    [
        "tracker.model.no_obj_ptr",
        "detector.backbone.vision_backbone.propagation_convs.0.conv_1x1.weight",
        "detector.backbone.vision_backbone.interactive_convs.0.conv_1x1.weight",
    ],
)
def test_sam_3_1_is_refused_by_name(original: dict[str, Tensor], name: str, prefix: str, tmp_path: Path) -> None:
    state = {f"{prefix}{key}": x for key, x in {**original, name: torch.ones(2)}.items()}
    with pytest.raises(
        WeightsError, match=r"these are weights of SAM 3\.1, and transformers has no network for it"
    ) as told:
        loaded(state, tmp_path, detector())
    assert "\n" not in str(told.value)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="these are no weights of SAM 3"):
        loaded({"conv1.weight": torch.ones(2)}, tmp_path, detector())
