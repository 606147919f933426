"""The names in the authors' checkpoint (`sam3.pt`) and those of the same parts in transformers. Pure tables.

Names of both sides are facts of their files; each was checked by loading (facebookresearch/sam3 of 2026-01-27,
transformers 5.24). A part without a line here is called alike on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DETECTOR, TRACKER = "detector.", "tracker."
"""What stands before the names of the two networks in the authors' file."""

Parts = Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """A module of the authors' network, what transformers calls it, and what it calls the parts below it.

    In ``parts`` a ``#`` is any number, kept as it is; a line counts for everything below the part that it names.
    """

    theirs: str
    ours: str
    parts: Parts


_ATTENTION = {"out_proj": "o_proj"}
_BLOCK = {
    "linear1": "mlp.fc1",
    "linear2": "mlp.fc2",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "norm3": "layer_norm3",
}
_MLP = {"layers.0": "proj_in", "layers.1": "layers.0", "layers.2": "proj_out"}
_PYRAMID = {
    "#.dconv_2x2_0": "#.scale_layers.0",
    "#.dconv_2x2_1": "#.scale_layers.2",
    "#.dconv_2x2": "#.scale_layers.0",
    "#.conv_1x1": "#.proj1",
    "#.conv_3x3": "#.proj2",
}


def _below(parent: str, other: str, parts: Parts) -> dict[str, str]:
    return {f"{parent}.{theirs}": f"{other}.{ours}" for theirs, ours in parts.items()}


def _numbered(parent: str, count: int, other: str) -> dict[str, str]:
    """The authors count layers from 0, the library names them from 1."""
    return {f"{parent}.layers.{i}": f"{other}.layer{i + 1}" for i in range(count)}


_VISION = "detector.backbone.vision_backbone"
_LANGUAGE = "detector.backbone.language_backbone"

SECTIONS = (
    Section(
        f"{_VISION}.trunk",
        "detector_model.vision_encoder.backbone",
        {
            "pos_embed": "embeddings.position_embeddings",
            "patch_embed.proj": "embeddings.patch_embeddings.projection",
            "ln_pre": "layer_norm",
            "blocks.#.norm1": "layers.#.layer_norm1",
            "blocks.#.norm2": "layers.#.layer_norm2",
            "blocks.#.attn.proj": "layers.#.attention.o_proj",
            "blocks.#.attn": "layers.#.attention",
            "blocks.#.mlp": "layers.#.mlp",
        },
    ),
    Section(f"{_VISION}.convs", "detector_model.vision_encoder.neck.fpn_layers", _PYRAMID),
    Section(f"{_VISION}.sam2_convs", "tracker_neck.fpn_layers", _PYRAMID),
    Section(
        f"{_LANGUAGE}.encoder",
        "detector_model.text_encoder",
        {
            "token_embedding": "text_model.embeddings.token_embedding",
            "positional_embedding": "text_model.embeddings.position_embedding.weight",
            "ln_final": "text_model.final_layer_norm",
            "text_projection": "text_projection.weight",
            "transformer.resblocks.#.attn": "text_model.encoder.layers.#.self_attn",
            "transformer.resblocks.#.ln_1": "text_model.encoder.layers.#.layer_norm1",
            "transformer.resblocks.#.ln_2": "text_model.encoder.layers.#.layer_norm2",
            "transformer.resblocks.#.mlp.c_fc": "text_model.encoder.layers.#.mlp.fc1",
            "transformer.resblocks.#.mlp.c_proj": "text_model.encoder.layers.#.mlp.fc2",
        },
    ),
    Section(f"{_LANGUAGE}.resizer", "detector_model.text_projection", {}),
    Section(
        "detector.geometry_encoder",
        "detector_model.geometry_encoder",
        {
            "img_pre_norm": "vision_layer_norm",
            "norm": "prompt_layer_norm",
            "encode_norm": "output_layer_norm",
            **_below("encode.#", "layers.#", _BLOCK),
            **_below("encode.#.self_attn", "layers.#.self_attn", _ATTENTION),
            **_below("encode.#.cross_attn_image", "layers.#.cross_attn", _ATTENTION),
            "encode.#.self_attn": "layers.#.self_attn",
            "encode.#.cross_attn_image": "layers.#.cross_attn",
        },
    ),
    Section(
        "detector.transformer.encoder.layers",
        "detector_model.detr_encoder.layers",
        {
            **_below("#", "#", _BLOCK),
            **_below("#.self_attn", "#.self_attn", _ATTENTION),
            **_below("#.cross_attn_image", "#.cross_attn", _ATTENTION),
            "#.cross_attn_image": "#.cross_attn",
        },
    ),
    Section(
        "detector.transformer.decoder.layers",
        "detector_model.detr_decoder.layers",
        {
            **_below("#", "#", _BLOCK),
            **_below("#.self_attn", "#.self_attn", _ATTENTION),
            **_below("#.ca_text", "#.text_cross_attn", _ATTENTION),
            "#.ca_text": "#.text_cross_attn",
            **_below("#.cross_attn", "#.vision_cross_attn", _ATTENTION),
            "#.cross_attn": "#.vision_cross_attn",
            "#.norm1": "#.vision_cross_attn_layer_norm",
            "#.norm2": "#.self_attn_layer_norm",
            "#.norm3": "#.mlp_layer_norm",
            "#.catext_norm": "#.text_cross_attn_layer_norm",
        },
    ),
    Section(
        "detector.transformer.decoder",
        "detector_model.detr_decoder",
        {
            "norm": "output_layer_norm",
            "presence_token_out_norm": "presence_layer_norm",
            **_numbered("presence_token_head", 3, "presence_head"),
            **_numbered("bbox_embed", 3, "box_head"),
            **_numbered("ref_point_head", 2, "ref_point_head"),
            **_numbered("boxRPB_embed_x", 2, "box_rpb_embed_x"),
            **_numbered("boxRPB_embed_y", 2, "box_rpb_embed_y"),
        },
    ),
    Section(
        "detector.dot_prod_scoring",
        "detector_model.dot_product_scoring",
        {
            **_numbered("prompt_mlp", 2, "text_mlp"),
            "prompt_mlp.out_norm": "text_mlp_out_norm",
            "prompt_proj": "text_proj",
            "hs_proj": "query_proj",
        },
    ),
    Section(
        "detector.segmentation_head",
        "detector_model.mask_decoder",
        {
            "mask_predictor.mask_embed": "mask_embedder",
            "instance_seg_head": "instance_projection",
            "semantic_seg_head": "semantic_projection",
            "cross_attn_norm": "prompt_cross_attn_norm",
            **_below("cross_attend_prompt", "prompt_cross_attn", _ATTENTION),
            "cross_attend_prompt": "prompt_cross_attn",
        },
    ),
    Section("detector", "detector_model", {}),
    Section(
        "tracker.transformer.encoder",
        "tracker_model.memory_attention",
        {
            "norm": "layer_norm",
            **_below("layers.#.self_attn", "layers.#.self_attn", _ATTENTION),
            **_below("layers.#.cross_attn_image", "layers.#.cross_attn_image", _ATTENTION),
            **{f"layers.#.norm{i}": f"layers.#.layer_norm{i}" for i in (1, 2, 3)},
        },
    ),
    Section(
        "tracker.maskmem_backbone",
        "tracker_model.memory_encoder",
        {
            "pix_feat_proj": "feature_projection",
            "out_proj": "projection",
            "mask_downsampler.encoder.12": "mask_downsampler.final_conv",
            **{f"mask_downsampler.encoder.{3 * i}": f"mask_downsampler.layers.{i}.conv" for i in range(4)},
            **{f"mask_downsampler.encoder.{3 * i + 1}": f"mask_downsampler.layers.{i}.layer_norm" for i in range(4)},
            **_below(
                "fuser.layers.#",
                "memory_fuser.layers.#",
                {
                    "gamma": "scale",
                    "dwconv": "depthwise_conv",
                    "pwconv1": "pointwise_conv1",
                    "pwconv2": "pointwise_conv2",
                    "norm": "layer_norm",
                },
            ),
        },
    ),
    Section(
        "tracker.sam_prompt_encoder",
        "tracker_model.prompt_encoder",
        {
            "pe_layer.positional_encoding_gaussian_matrix": "shared_embedding.positional_embedding",
            "mask_downscaling.0": "mask_embed.conv1",
            "mask_downscaling.1": "mask_embed.layer_norm1",
            "mask_downscaling.3": "mask_embed.conv2",
            "mask_downscaling.4": "mask_embed.layer_norm2",
            "mask_downscaling.6": "mask_embed.conv3",
            "point_embeddings": "point_embed",
        },
    ),
    Section(
        "tracker.sam_mask_decoder.transformer",
        "tracker_model.mask_decoder.transformer",
        {
            "norm_final_attn": "layer_norm_final_attn",
            **_below("final_attn_token_to_image", "final_attn_token_to_image", _ATTENTION),
            **{f"layers.#.norm{i}": f"layers.#.layer_norm{i}" for i in (1, 2, 3, 4)},
            "layers.#.mlp.lin1": "layers.#.mlp.proj_in",
            "layers.#.mlp.lin2": "layers.#.mlp.proj_out",
            **{
                f"layers.#.{kind}.out_proj": f"layers.#.{kind}.o_proj"
                for kind in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
            },
        },
    ),
    Section(
        "tracker.sam_mask_decoder",
        "tracker_model.mask_decoder",
        {
            "output_upscaling.0": "upscale_conv1",
            "output_upscaling.1": "upscale_layer_norm",
            "output_upscaling.3": "upscale_conv2",
            **_below("output_hypernetworks_mlps.#", "output_hypernetworks_mlps.#", _MLP),
            **_below("iou_prediction_head", "iou_prediction_head", _MLP),
            **_below("pred_obj_score_head", "pred_obj_score_head", _MLP),
        },
    ),
    Section(
        "tracker",
        "tracker_model",
        {
            "maskmem_tpos_enc": "memory_temporal_positional_encoding",
            "no_mem_embed": "no_memory_embedding",
            "no_mem_pos_enc": "no_memory_positional_encoding",
            "no_obj_ptr": "no_object_pointer",
            "no_obj_embed_spatial": "occlusion_spatial_embedding_parameter",
            "obj_ptr_tpos_proj": "temporal_positional_encoding_projection_layer",
            **_below("obj_ptr_proj", "object_pointer_proj", _MLP),
        },
    ),
)
"""The longest section that a name lies in counts, and of its parts the longest that fits."""


def library_name(name: str) -> str:
    """What transformers' video model calls an entry of the authors' checkpoint; joined tensors keep their last part.

    A name outside the two networks comes back as it is.
    """
    for theirs, section in _BY_LENGTH:
        if name.startswith(f"{theirs}."):
            return f"{section.ours}.{_part(name.removeprefix(f'{theirs}.'), section)}"
    return name


def _part(rest: str, section: Section) -> str:
    for pattern, ours in _PATTERNS[section.theirs]:
        found = pattern.match(rest)
        if found is not None:
            return ours.replace("#", found.groupdict().get("number") or "#") + rest[found.end() :]
    return rest


def _compiled(section: Section) -> Iterator[tuple[re.Pattern[str], str]]:
    for theirs in sorted(section.parts, key=len, reverse=True):
        escaped = re.escape(theirs).replace(r"\#", "#").replace("#", r"(?P<number>\d+)")
        yield re.compile(rf"{escaped}(?=\.|$)"), section.parts[theirs]


_BY_LENGTH = sorted(((section.theirs, section) for section in SECTIONS), key=lambda pair: -len(pair[0]))
_PATTERNS = {section.theirs: tuple(_compiled(section)) for section in SECTIONS}
