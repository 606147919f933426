"""The image network against what the authors' own gave, and what each correction is worth."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

import original_sam3
from npu_eval.sam3 import corrections
from npu_eval.sam3.checkpoints import DETECTOR_MODEL, library_names
from npu_eval.sam3.image_network import cls_token, correct, find, outlines, text_features


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    named = library_names(original_sam3.checkpoint())
    inside = {n.removeprefix(DETECTOR_MODEL): x for n, x in named.items() if n.startswith(DETECTOR_MODEL)}
    return {name: x for name, x in inside.items() if ".points_" not in name}


def network(state: dict[str, Tensor], which: Collection[str]) -> Any:
    detector = transformers.Sam3Model._from_config(transformers.Sam3Config(**original_sam3.detector_config()))
    detector.load_state_dict(state, strict=True)
    correct(detector, which)
    return detector.eval()


def outputs(state: dict[str, Tensor], which: Collection[str]) -> dict[str, Tensor]:
    detector = network(state, which)
    ids, attention = original_sam3.tokens()
    with torch.inference_mode():
        seen = detector.get_vision_features(original_sam3.photo())
        found = find(detector, seen, text_features(detector, ids, attention), attention, which)
    return {**found, "vision": seen.fpn_hidden_states[-2]}


def errors(state: dict[str, Tensor], which: Collection[str]) -> dict[str, float]:
    theirs, ours = original_sam3.outputs(), outputs(state, which)
    assert {name: x.shape for name, x in ours.items()} == {name: x.shape for name, x in theirs.items()}
    return {name: float((x - theirs[name]).abs().max()) for name, x in ours.items()}


def test_the_outputs_are_those_of_the_authors_network(state: dict[str, Tensor]) -> None:
    found = errors(state, corrections.IMAGE)
    assert found["pred_logits"] <= 1e-5
    assert found["pred_boxes"] <= 1e-5
    assert found["presence_logits"] <= 1e-5
    assert found["pred_masks"] <= 1e-4
    assert found["semantic_seg"] <= 1e-4


def test_without_the_cls_token_they_are_others(state: dict[str, Tensor]) -> None:
    found = errors(state, corrections.IMAGE - {corrections.CLS})
    assert found["pred_logits"] > 0.1
    assert found["pred_masks"] > 1
    assert found["vision"] < 1e-5  # the image is seen alike


def test_without_the_authors_epsilon_the_image_is_seen_otherwise(state: dict[str, Tensor]) -> None:
    found, exact = (
        errors(state, which) for which in (corrections.IMAGE - {corrections.VIT_EPSILON}, corrections.IMAGE)
    )
    assert found["vision"] > 5e-5 > 10 * exact["vision"]
    assert found["pred_logits"] > 10 * exact["pred_logits"]


def test_without_any_correction_it_is_the_librarys_network(state: dict[str, Tensor]) -> None:
    ours = outputs(state, ())
    ids, attention = original_sam3.tokens()
    with torch.inference_mode():
        theirs = network(state, ())(pixel_values=original_sam3.photo(), input_ids=ids[:1], attention_mask=attention[:1])
    assert torch.allclose(ours["pred_logits"][:, 0], theirs.pred_logits, atol=1e-5)
    assert torch.allclose(ours["pred_masks"][:, 0], theirs.pred_masks, atol=1e-4)


def test_the_token_is_what_the_geometry_encoder_says_of_no_box(state: dict[str, Tensor]) -> None:
    detector = network(state, corrections.IMAGE)
    photos = torch.cat([original_sam3.photo(), original_sam3.photo().flip(-1)])
    with torch.inference_mode():
        seen = detector.get_vision_features(photos)
        ours = cls_token(detector, seen)
        theirs = detector.geometry_encoder(
            box_embeddings=torch.zeros(2, 0, 4), box_mask=torch.zeros(2, 0, dtype=torch.bool),
            box_labels=torch.zeros(2, 0, dtype=torch.long), img_feats=seen.fpn_hidden_states[:-1],
            img_pos_embeds=seen.fpn_position_encoding[:-1],
        ).last_hidden_state  # fmt: skip
    assert ours.shape == (2, 1, original_sam3.WIDTH)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.allclose(ours[0], ours[1], atol=1e-3)  # it is a word on the image


def test_a_presence_that_is_far_from_certain_can_still_be_learned(state: dict[str, Tensor]) -> None:
    found = {}
    for which in (corrections.IMAGE, corrections.IMAGE - {corrections.PRESENCE}):
        detector = network(state, which)
        bias = detector.detr_decoder.presence_head.layer3.bias
        with torch.no_grad():
            bias += 30
        ids, attention = original_sam3.tokens()
        with torch.no_grad():
            seen, words = detector.get_vision_features(original_sam3.photo()), text_features(detector, ids, attention)
        presence = find(detector, seen, words[:1], attention[:1], which)["presence_logits"]
        presence.sum().backward()
        found[which] = (float(presence.detach()), float(bias.grad))
    assert found[corrections.IMAGE][0] > 25
    assert found[corrections.IMAGE][1] == 1
    assert found[corrections.IMAGE - {corrections.PRESENCE}] == (10, 0)


def test_only_the_vits_norms_are_corrected(state: dict[str, Tensor]) -> None:
    detector = network(state, corrections.IMAGE)
    found = {name: m.eps for name, m in detector.named_modules() if isinstance(m, nn.LayerNorm)}
    inside = {name for name in found if name.startswith("vision_encoder.backbone.")}
    assert len(inside) == 5
    assert {found[name] for name in inside} == {1e-5}
    plain = network(state, ())
    assert {n: m.eps for n, m in plain.named_modules() if isinstance(m, nn.LayerNorm) and n not in inside} == {
        name: eps for name, eps in found.items() if name not in inside
    }


def test_a_mask_is_where_the_upsampled_logit_is_above_zero() -> None:
    logits = torch.tensor([[8.0, -1.2], [8.0, -1.2]])  # one half of the probability lies left of a logit of 0
    found = outlines(logits[None], (2, 18))[0]
    assert found.dtype == torch.bool
    assert found[0].tolist() == [True] * 12 + [False] * 6
    assert outlines(logits[None], (2, 18), ())[0, 0].tolist() == [True] * 10 + [False] * 8


def test_a_mask_of_the_authors_network_has_another_edge_with_probabilities() -> None:
    logits = original_sam3.outputs()["pred_masks"][0, 0, 0]
    ours, other = (outlines(logits[None], (240, 320), which)[0] for which in (corrections.IMAGE, ()))
    both, either = (ours & other).sum(), (ours | other).sum()
    assert 0.9 < both / either < 0.9999
