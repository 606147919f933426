"""The image part of SAM 3 with the authors' results: words and photos in, queries with scores, boxes and masks out."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from npu_eval.sam3.corrections import CLS, IMAGE, MASK_ORDER, PRESENCE, VIT_EPSILON

EPSILON = 1e-5
"""Of the ViT's LayerNorms (sam3/model/vitdet.py)."""

OUTPUTS = ("pred_logits", "pred_boxes", "pred_masks", "presence_logits", "semantic_seg")
"""The outputs of a `Sam3Model`, in its names."""


def correct(detector: nn.Module, corrections: Collection[str] = IMAGE) -> None:
    """Correct what belongs to the network itself.

    Args:
        detector: a `Sam3Model`, or the `detector_model` of a `Sam3VideoModel`.
    """
    if PRESENCE in corrections:
        decoder: Any = detector.get_submodule("detr_decoder")
        decoder.clamp_presence_logit_max_val = math.inf
    if VIT_EPSILON not in corrections:
        return
    for module in detector.get_submodule("vision_encoder.backbone").modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = EPSILON


def cls_token(detector: Any, seen: Any) -> Tensor:
    """The geometry encoder's word on an image without any box: (N, 1, width), the same for all words.

    Made of the encoder's own parts. Its `forward` would give the same with no boxes, but calls roi_align on them, for
    which accelerators have no kernel.

    Args:
        seen: the output of `get_vision_features` for N images.
    """
    encoder = detector.geometry_encoder
    features, positions = (
        x[-2].flatten(2).transpose(1, 2) for x in (seen.fpn_hidden_states, seen.fpn_position_encoding)
    )
    token = encoder.cls_embed.weight[None].expand(len(features), -1, -1)
    token = encoder.prompt_layer_norm(encoder.final_proj(token))
    for layer in encoder.layers:
        token = layer(prompt_feats=token, vision_feats=features, vision_pos_encoding=positions, prompt_mask=None)
    result: Tensor = encoder.output_layer_norm(token)
    return result


def text_features(detector: Any, ids: Tensor, attention: Tensor) -> Tensor:
    """(words, 32, width) of (words, 32) tokens and which of them count."""
    features: Tensor = detector.get_text_features(input_ids=ids, attention_mask=attention).pooler_output
    return features


def find(
    detector: Any, seen: Any, words: Tensor, attention: Tensor, corrections: Collection[str] = IMAGE
) -> dict[str, Tensor]:
    """What a network sees of each word in each image: `OUTPUTS`, each (N, words, …).

    Args:
        seen: the output of `get_vision_features` for N images; they are encoded once for all words.
        words: (words, 32, width) of `text_features`.
        attention: (words, 32), 1 where a token counts.
    """
    rows = len(seen.fpn_hidden_states[0])
    token = cls_token(detector, seen) if CLS in corrections else words.new_zeros(rows, 0, words.shape[-1])
    counts = attention.new_ones(rows, token.shape[1])
    each = []
    for word, known in zip(words, attention, strict=True):
        prompt = torch.cat([word.expand(rows, -1, -1), token], dim=1)
        each.append(
            detector(
                vision_embeds=seen,
                text_embeds=BaseModelOutputWithPooling(pooler_output=prompt),
                attention_mask=torch.cat([known.expand(rows, -1), counts], dim=1),
            )
        )
    return {name: torch.stack([found[name] for found in each], dim=1) for name in OUTPUTS}


def outlines(logits: Tensor, size: tuple[int, int], corrections: Collection[str] = IMAGE) -> Tensor:
    """The logits of masks, (K, h, w), as masks of ``size``, (K, H, W) bool.

    One by one: at the size of a photo the logits of a hundred would be gigabytes. The two orders differ at edges: the
    sigmoid is not linear, so that half of it between two pixels lies elsewhere.
    """
    cut, values = (0.0, logits) if MASK_ORDER in corrections else (0.5, logits.sigmoid())
    found = torch.empty((len(logits), *size), dtype=torch.bool, device=logits.device)
    for own, coarse in zip(found, values, strict=True):
        own.copy_(nn.functional.interpolate(coarse[None, None], size, mode="bilinear")[0, 0] > cut)
    return found
