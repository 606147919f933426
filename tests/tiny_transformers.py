"""Small models of transformers, written to folders as their authors publish large ones: configuration, image
processor and random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

_LABELS = {0: "cat", 1: "dog", 2: "bus", 3: "cup", 4: "pen"}
_SMALL_RESNET = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16], "embedding_size": 8, "layer_type": "basic"}


def _classifier(side: int = 32) -> tuple[Any, Any]:
    config = transformers.ConvNextV2Config(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], image_size=side,
                                           id2label=_LABELS)  # fmt: skip
    return transformers.ConvNextV2ForImageClassification, config


def _vit() -> tuple[Any, Any]:
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                    image_size=32, patch_size=8, id2label=_LABELS)  # fmt: skip
    return transformers.ViTModel, config


def _detector() -> tuple[Any, Any]:
    backbone = transformers.ResNetConfig(**_SMALL_RESNET, out_features=["stage4"])
    config = transformers.DetrConfig(
        backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=7, id2label=_LABELS,
        use_timm_backbone=False,
    )  # fmt: skip
    return transformers.DetrForObjectDetection, config


def _segmenter() -> tuple[Any, Any]:
    config = transformers.SegformerConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=16,
                                          num_attention_heads=[1, 1, 2, 2], id2label=_LABELS)  # fmt: skip
    return transformers.SegformerForSemanticSegmentation, config


_PROCESSORS: dict[str, Any] = {
    "convnextv2": lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.875),
    "vit": lambda: transformers.ViTImageProcessor(size={"height": 32, "width": 32}),
    "detr": lambda: transformers.DetrImageProcessor(size={"height": 64, "width": 64}),
    "segformer": lambda: transformers.SegformerImageProcessor(size={"height": 64, "width": 64}),
}
_MODELS: dict[str, Any] = {"convnextv2": _classifier, "vit": _vit, "detr": _detector, "segformer": _segmenter}
KINDS = tuple(_MODELS)


def write(folder: Path, kind: str, *, processor: bool = True, seed: int = 0) -> Path:
    """A small model of a kind in ``folder``: config.json, model.safetensors and preprocessor_config.json."""
    network, config = _MODELS[kind]()
    torch.manual_seed(seed)
    network._from_config(config, dtype=torch.float32).save_pretrained(folder)
    if processor:
        _PROCESSORS[kind]().save_pretrained(folder)
    return folder
