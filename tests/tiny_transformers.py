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


def write_sam3(folder: Path, *, seed: int = 0) -> Path:
    """A small SAM 3 with CLIP's whole vocabulary, so that its tokens mean something: photos of 56 x 56, 6 queries."""
    backbone = {"model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                "num_attention_heads": 2, "image_size": 56, "pretrain_image_size": 28, "patch_size": 14,
                "window_size": 2, "global_attn_indexes": [1]}  # fmt: skip
    small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    config = transformers.Sam3Config(
        vision_config={"backbone_config": backbone, "fpn_hidden_size": 32,
                       "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
        text_config={**small, "num_hidden_layers": 1, "projection_dim": 16, "max_position_embeddings": 32},
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    torch.manual_seed(seed)
    transformers.Sam3Model._from_config(config, dtype=torch.float32).save_pretrained(folder)
    transformers.Sam3ImageProcessor(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder
