"""SAM 3's adapter on a network of its kind that is small enough to run in a test."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

import original_sam3
import tiny_transformers
from npu_deliver.spec.spec import Overrides, load
from npu_eval.asked.spec import Classes
from npu_eval.errors import AdapterError, WeightsError
from npu_eval.models.adapter import (
    SupportsDefaultWeights,
    SupportsDetection,
    checked_build,
    checked_detections,
    checked_forward,
    checked_preprocess,
    resolve,
)
from npu_eval.models.checkpoint.loading import load as load_weights
from npu_eval.models.checkpoint.loading import read_state_dict
from npu_eval.sam3 import corrections, tokens

SAM3 = Path(__file__).parents[3] / "deliverables" / "sam3"


@pytest.fixture(scope="module")
def deliverable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter beside a small model, as in a staged folder."""
    root = tmp_path_factory.mktemp("sam3")
    shutil.copy(SAM3 / "adapter.py", root)
    tiny_transformers.write_sam3(root / "model")
    Image.effect_noise((90, 60), 90).convert("RGB").save(root / "a.png")
    Image.effect_noise((40, 80), 90).convert("RGB").save(root / "b.png")
    return root


@pytest.fixture
def adapter(deliverable: Path) -> Iterator[Any]:
    yield resolve("adapter.py", deliverable)
    sys.modules.pop("adapter", None)


def test_every_output_is_named_for_every_prompt(adapter: Any, deliverable: Path) -> None:
    assert isinstance(adapter, SupportsDetection)
    network = checked_build(adapter, "sam3")
    batch = checked_preprocess(adapter, [deliverable / "a.png", deliverable / "b.png"], "sam3")
    assert batch.shape == (2, 3, 56, 56)
    found = checked_forward(adapter, network, batch, "sam3")
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "pred_logits": (2, 3, 6), "pred_boxes": (2, 3, 6, 4), "pred_masks": (2, 3, 6, 16, 16),
        "presence_logits": (2, 3, 1), "semantic_seg": (2, 3, 1, 16, 16),
    }  # fmt: skip
    sets = checked_detections(adapter, found, [deliverable / "a.png", deliverable / "b.png"], "sam3")
    assert [one.masks.shape[1:] for one in sets if one.masks is not None] == [(60, 90), (80, 40)]


def test_uncorrected_a_prompt_gets_what_the_library_gives_for_it(
    adapter: Any, deliverable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "corrections", frozenset())
    network = checked_build(adapter, "sam3").double()
    batch = adapter.preprocess([deliverable / "a.png", deliverable / "b.png"]).double()
    with torch.inference_mode():
        ours = adapter.forward(network, batch)
        for i, token in enumerate((2533, 2368, 1937)):  # person, cat, cup
            ids = torch.tensor([[49406, token, *[49407] * 30]] * 2)
            theirs = network(
                pixel_values=batch, input_ids=ids, attention_mask=(torch.arange(32) < 3).long().expand(2, -1)
            )
            for name, x in ours.items():
                assert torch.allclose(x[:, i], theirs[name], rtol=1e-9, atol=1e-9), name


def test_a_prompt_gets_the_cls_token_of_the_image_as_well(adapter: Any, deliverable: Path) -> None:
    network = checked_build(adapter, "sam3").double()
    batch = adapter.preprocess([deliverable / "a.png", deliverable / "b.png"]).double()
    with torch.inference_mode():
        ours = adapter.forward(network, batch)
        adapter.corrections = adapter.corrections - {corrections.CLS}
        without = adapter.forward(network, batch)
    del adapter.corrections
    assert all(not torch.equal(x, without[name]) for name, x in ours.items())


def test_the_published_file_holds_the_video_model_and_its_detector_is_taken(
    adapter: Any, deliverable: Path, tmp_path: Path
) -> None:
    own = read_state_dict(deliverable / "model/model.safetensors")
    video = {f"detector_model.{name}": x for name, x in own.items()}
    video |= {"tracker_model.mask_decoder.iou_token.weight": torch.ones(2), "tracker_neck.x": torch.ones(2)}
    network, path = checked_build(adapter, "sam3"), tmp_path / "video.pt"
    torch.save(video, path)
    report = load_weights(network, path, mapping="by_name", source="x", rename=adapter.renamed)
    assert (report.missing, report.unexpected) == ((), ())
    assert [(note.code, str(note.args["count"])) for note in report.notes] == [("left-tracker", "2")]
    assert all(torch.equal(x, own[name]) for name, x in network.state_dict().items() if name in own)
    torch.save({name: x for name, x in video.items() if name != next(iter(video))}, path)
    with pytest.raises(WeightsError, match="1 missing"):
        load_weights(network, path, mapping="by_name", source="x", rename=adapter.renamed)


def test_the_authors_own_file_is_taken_too(tmp_path: Path) -> None:
    shutil.copy(SAM3 / "adapter.py", tmp_path)
    transformers.Sam3Config(**original_sam3.detector_config()).save_pretrained(tmp_path / "model")
    torch.save(original_sam3.checkpoint(), tmp_path / "sam3.pt")
    adapter: Any = resolve("adapter.py", tmp_path)
    sys.modules.pop("adapter", None)
    network = checked_build(adapter, "sam3")
    report = load_weights(network, tmp_path / "sam3.pt", mapping="by_name", source="x", rename=adapter.renamed)
    assert {note.code for note in report.notes} == {"left-frequencies", "left-points", "left-tracker"}
    own = network.state_dict()
    assert torch.equal(own["detr_decoder.query_embed.weight"],
                       original_sam3.entry("detector.transformer.decoder.query_embed.weight", (6, 128)))  # fmt: skip


def test_a_folder_with_the_authors_file_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "sam3.pt").write_bytes(b"x")
    job = load("sam3", SAM3.parent, overrides=Overrides(weights=f"file:{tmp_path}"))
    assert job.spec.weights.source == f"file:{tmp_path / 'sam3.pt'}"
    assert dict(job.files) == {}


def test_the_best_objects_of_all_prompts_come_first_with_whole_masks_and_boxes(adapter: Any, tmp_path: Path) -> None:
    photo = tmp_path / "p.png"
    Image.new("RGB", (80, 40)).save(photo)
    outputs = {
        "pred_logits": torch.full((1, 3, 6), -9.0),
        "pred_boxes": torch.tensor([0.25, 0.5, 0.75, 1.0]).expand(1, 3, 6, 4),
        "pred_masks": torch.full((1, 3, 6, 16, 16), -9.0),
        "presence_logits": torch.tensor([9.0, 9.0, -9.0])[None, :, None],
        "semantic_seg": torch.zeros(1, 3, 1, 16, 16),
    }
    outputs["pred_logits"][0, 0, 4], outputs["pred_logits"][0, 1, 2] = 1.0, 2.0
    outputs["pred_logits"][0, 2, 0] = 9.0  # the prompt is not in the photo, whatever its query says
    outputs["pred_masks"][0, 1, 2, 8:] = 9.0
    (found,) = checked_detections(adapter, outputs, [photo], "sam3")
    assert found.classes.tolist() == [1, 0]
    assert torch.allclose(found.scores, torch.tensor([2.0, 1.0]).sigmoid() * torch.tensor(9.0).sigmoid())
    assert torch.equal(found.boxes, torch.tensor([20.0, 20.0, 60.0, 40.0]).expand(2, 4))
    assert found.masks is not None
    assert found.masks[0, 20:].all()
    assert not found.masks[0, :20].any()
    assert not found.masks[1].any()


def test_any_word_has_tokens_without_a_tokenizers_file(adapter: Any) -> None:
    module = sys.modules["adapter"]
    ids, attention = module._tokens(("shoe", "yellow school bus"))
    assert ids[0, :4].tolist() == [49406, 7342, 49407, 49407]
    assert attention.sum(dim=1).tolist() == [3, 5]
    with pytest.raises(AdapterError, match="has 31 tokens"):
        module._tokens(("cat", "a " * 31))


def test_its_classes_are_the_words_that_it_is_asked(deliverable: Path) -> None:
    adapter: Any = resolve("adapter.py", deliverable, Classes(count=2, names=("shoe", "hot dog")))
    sys.modules.pop("adapter", None)
    assert adapter.class_names == ("shoe", "hot dog")
    network = checked_build(adapter, "sam3")
    found = checked_forward(adapter, network, checked_preprocess(adapter, [deliverable / "a.png"], "sam3"), "sam3")
    assert found["pred_logits"].shape == (1, 2, 6)
    job = load("sam3", SAM3.parent, overrides=Overrides(words="shoe, hot dog"))
    assert job.spec.words == "shoe, hot dog"


def test_a_tokenizer_beside_the_weights_cuts_no_word_short(deliverable: Path, tmp_path: Path) -> None:
    shutil.copytree(deliverable, tmp_path / "own")
    numbers = {**tokens._numbers(), "<|startoftext|>": tokens.START, "<|endoftext|>": tokens.END}
    (tmp_path / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    merges = gzip.decompress(Path(tokens._MERGES).read_bytes()).decode("utf-8")
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    transformers.CLIPTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path / "own/model")
    adapter: Any = resolve("adapter.py", tmp_path / "own", Classes(count=1, names=("yellow bus",)))
    assert torch.equal(adapter._tokens, tokens.padded(("yellow bus",))[0])
    with pytest.raises(AdapterError, match="has 31 tokens"):
        resolve("adapter.py", tmp_path / "own", Classes(count=1, names=("cat " * 31,)))
    sys.modules.pop("adapter", None)


def test_a_word_that_is_too_long_is_named(deliverable: Path) -> None:
    word = "very " * 30 + "long"
    with pytest.raises(AdapterError, match=r"'very very .* long' has 31 tokens, and the network takes 30"):
        resolve("adapter.py", deliverable, Classes(count=1, names=(word,)))
    sys.modules.pop("adapter", None)


def test_another_models_configuration_is_refused(tmp_path: Path) -> None:
    shutil.copy(SAM3 / "adapter.py", tmp_path)
    transformers.ViTConfig().save_pretrained(tmp_path / "model")
    with pytest.raises(AdapterError, match=r"config\.json is of a vit, not of SAM 3"):
        resolve("adapter.py", tmp_path)
    sys.modules.pop("adapter", None)


def test_without_a_folder_it_is_the_published_network_with_gated_weights(tmp_path: Path) -> None:
    shutil.copy(SAM3 / "adapter.py", tmp_path)
    adapter: Any = resolve("adapter.py", tmp_path)
    sys.modules.pop("adapter", None)
    assert isinstance(adapter, SupportsDefaultWeights)
    with torch.device("meta"):
        network = adapter.build()
    assert sum(p.numel() for p in network.parameters()) == 840_376_374
    assert load("sam3", SAM3.parent, overrides=Overrides()).spec.weights.source == adapter.default_weights()


def test_a_folder_of_weights_brings_its_configuration(deliverable: Path) -> None:
    job = load("sam3", SAM3.parent, overrides=Overrides(weights=f"file:{deliverable / 'model'}"))
    assert job.spec.weights.source == f"file:{deliverable / 'model/model.safetensors'}"
    assert set(job.files) == {"config.json", "preprocessor_config.json"}
