"""The authors' SAM 3, tiny: a checkpoint in their names and shapes, and what their network gave with it.

Stored are names, shapes and outputs (`golden/sam3`, made by `scripts/make_sam3_golden.py` with the authors' package);
the weights are drawn anew from each name, so that both networks hold the same.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden" / "sam3"
SIDE, WIDTH, QUERIES = 112, 128, 6
WORDS = {"person": (2533,), "fire hydrant": (1769, 8031, 773)}


def entry(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weights of one name: products keep the size of what goes through them, norms are near 1."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name == "tracker.sam_mask_decoder.pred_obj_score_head.layers.2.bias":
        drawn = drawn + 30  # so that the tracker sees its objects
    if len(shape) > 1:
        drawn = drawn / math.sqrt(math.prod(shape[1:]))
    elif name.endswith("weight"):
        drawn = 1 + 0.1 * drawn
    else:
        drawn = 0.1 * drawn
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))


def photo() -> Tensor:
    """What the networks look at, (1, 3, SIDE, SIDE)."""
    return torch.from_numpy(np.random.RandomState(7).uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32))


def checkpoint() -> dict[str, Tensor]:
    """`sam3.pt`: the detector's and the tracker's entries."""
    names = json.loads((GOLDEN / "names.json").read_text(encoding="utf-8"))
    return {
        name: torch.ones(shape, dtype=torch.complex64) if name.endswith("freqs_cis") else entry(name, tuple(shape))
        for name, shape in names.items()
    }


def outputs() -> dict[str, Tensor]:
    """What the authors' network gave for `photo` and `WORDS`: (1, words, …) each; ``vision``: its coarsest features."""
    return _stored("outputs.npz")


def tracked() -> dict[str, Tensor]:
    """What the authors' tracker gave for `seen`, `remembered` and `given`; see `tracker_outputs` of the script."""
    return _stored("tracked.npz")


def _stored(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / name) as stored:
        return {entry: torch.from_numpy(stored[entry]) for entry in stored.files}


FRAME, FRAMES = 20, 30
"""The frame that is tracked, of how many."""

CONDITIONING = (0, 4, 8, 12, 16)
"""Frames with a mask of their own: one more than take part."""

UNSURE = (5, 10, 13, 14, 17, 19)
"""Frames on which the tracker was not sure of its object; the last before `FRAME` is remembered all the same."""


def drawn(name: str, *shape: int) -> Tensor:
    """Values of a standard normal distribution, by what they are for."""
    stream = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(stream.standard_normal(shape).astype(np.float32))


def seen() -> list[Tensor]:
    """A frame's features for the tracker, fine to coarse, (1, channels, h, w)."""
    grid = SIDE // 14
    return [drawn("fine", 1, WIDTH // 8, 4 * grid, 4 * grid), drawn("middle", 1, WIDTH // 4, 2 * grid, 2 * grid),
            drawn("coarse", 1, WIDTH, grid, grid)]  # fmt: skip


def remembered() -> dict[int, dict[str, Tensor]]:
    """Frame → what was kept of it: memory and its position (1, 64, h, w), pointer (1, WIDTH), score."""
    grid = SIDE // 14
    return {
        at: {"memory": drawn(f"memory {at}", 1, 64, grid, grid), "position": drawn(f"position {at}", 1, 64, grid, grid),
             "pointer": drawn(f"pointer {at}", 1, WIDTH), "sure": torch.tensor(0.0 if at in UNSURE else 0.5)}
        for at in range(FRAME)
    }  # fmt: skip


def given() -> Tensor:
    """A mask at the tracker's full size, (1, 1, side, side), 0 or 1."""
    side = SIDE // 14 * 16
    coarse = drawn("given", 1, 1, 7, 7)
    return (torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear") > 0).float()


def tokens() -> tuple[Tensor, Tensor]:
    """`WORDS` as transformers pads them, and which tokens count."""
    rows = [(49406, *word, 49407) for word in WORDS.values()]
    ids = torch.tensor([(*row, *[49407] * (32 - len(row))) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (32 - len(row)) for row in rows])


def detector_config() -> dict[str, Any]:
    """The same network for a `Sam3Config`."""
    small = {"hidden_size": WIDTH, "intermediate_size": 64, "num_attention_heads": 4}
    return {
        "model_type": "sam3", "vision_config": _vision(),
        "text_config": {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 1,
                        "projection_dim": 512, "max_position_embeddings": 32, "hidden_act": "gelu"},
        "geometry_encoder_config": {**small, "num_layers": 2}, "detr_encoder_config": {**small, "num_layers": 2},
        "detr_decoder_config": {**small, "num_layers": 2, "num_queries": QUERIES},
        "mask_decoder_config": {"hidden_size": WIDTH, "num_attention_heads": 4},
    }  # fmt: skip


def tracker_config() -> dict[str, Any]:
    """The same tracker for a `Sam3TrackerVideoConfig`."""
    grid = SIDE // 14
    return {
        "model_type": "sam3_tracker_video", "vision_config": _vision(), "image_size": SIDE,
        "prompt_encoder_config": {"hidden_size": WIDTH, "image_size": SIDE},
        "mask_decoder_config": {"hidden_size": WIDTH, "mlp_dim": 2048, "num_attention_heads": 8,
                                "iou_head_hidden_dim": 256},
        "memory_attention_hidden_size": WIDTH, "memory_attention_num_layers": 2,
        "memory_attention_feed_forward_hidden_size": 128, "memory_attention_rope_feat_sizes": [grid, grid],
        "memory_fuser_embed_dim": WIDTH, "memory_fuser_intermediate_dim": 4 * WIDTH,
        "mask_downsampler_embed_dim": WIDTH, "memory_encoder_hidden_size": WIDTH,
    }  # fmt: skip


def video_config() -> dict[str, Any]:
    """Both for a `Sam3VideoConfig`."""
    return {
        "detector_config": detector_config(),
        "tracker_config": tracker_config(),
        "low_res_mask_size": SIDE // 14 * 4,
    }


def _vision() -> dict[str, Any]:
    grid = SIDE // 14
    return {
        "model_type": "sam3_vision_model", "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[4 * grid, 4 * grid], [2 * grid, 2 * grid], [grid, grid]],
        "backbone_config": {"model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64,
                            "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE,
                            "pretrain_image_size": 56, "patch_size": 14, "window_size": 4, "global_attn_indexes": [1]},
    }  # fmt: skip
