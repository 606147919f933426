"""Make ``tests/golden/sam3`` anew: names, shapes and outputs of the authors' own network at a size that a test can run.

    pip install sam3==0.1.4 && python scripts/make_sam3_golden.py

Runs without an accelerator: what the package asks of CUDA by name is done on the CPU instead, in float32. Best in an
environment of its own; the package wants older versions of some of ours.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
for _unused in ("psutil", "ftfy", "pycocotools", "pycocotools.mask"):  # imported by parts that are not run here
    sys.modules.setdefault(_unused, types.ModuleType(_unused))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sam3 import model_builder as parts  # noqa: E402
from sam3.model.data_misc import FindStage  # noqa: E402
from sam3.model.geometry_encoders import Prompt  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

import original_sam3 as tiny  # noqa: E402

HEADS, LAYERS, FEEDFORWARD = 4, 2, 64


class OnCpu(TorchFunctionMode):
    """Tensors that the package puts on CUDA by name stay on the CPU."""

    def __torch_function__(
        self, function: Callable[..., Any], kinds: Any, arguments: tuple[Any, ...] = (), named: Any = None
    ) -> Any:
        """Without the device; memory is not pinned."""
        named = dict(named or {})
        if getattr(function, "__name__", "") in ("pin_memory", "cuda"):
            return arguments[0]
        if str(named.get("device", "")).startswith("cuda"):
            named["device"] = "cpu"
        return function(*arguments, **named)


def positions(features: int = tiny.WIDTH) -> nn.Module:
    return parts.PositionEmbeddingSine(num_pos_feats=features, normalize=True, scale=None, temperature=10000)


def attention(**more: Any) -> nn.Module:
    return parts.MultiheadAttention(num_heads=HEADS, embed_dim=tiny.WIDTH, dropout=0.0, **more)


def encoder_layer(*, first: bool, at_attention: bool, at_keys: bool) -> nn.Module:
    return parts.TransformerEncoderLayer(
        activation="relu", d_model=tiny.WIDTH, dim_feedforward=FEEDFORWARD, dropout=0.0, pre_norm=True,
        pos_enc_at_attn=at_attention, pos_enc_at_cross_attn_keys=at_keys, pos_enc_at_cross_attn_queries=False,
        self_attention=attention(batch_first=first), cross_attention=attention(batch_first=first),
    )  # fmt: skip


def backbone() -> nn.Module:
    trunk = parts.ViT(
        img_size=tiny.SIDE, pretrain_img_size=56, patch_size=14, embed_dim=32, depth=LAYERS, num_heads=2, mlp_ratio=2.0,
        norm_layer="LayerNorm", qkv_bias=True, use_abs_pos=True, tile_abs_pos=True, global_att_blocks=(1,),
        rel_pos_blocks=(), use_rope=True, use_interp_rope=True, window_size=4, pretrain_use_cls_token=True,
        retain_cls_token=False, ln_pre=True, ln_post=False, return_interm_layers=False, bias_patch_embed=False,
    )  # fmt: skip
    neck = parts.Sam3DualViTDetNeck(position_encoding=positions(), d_model=tiny.WIDTH,
                                    scale_factors=[4.0, 2.0, 1.0, 0.5], trunk=trunk, add_sam2_neck=True)  # fmt: skip
    text = parts.VETextEncoder(tokenizer=tokenized, d_model=tiny.WIDTH, width=32, heads=2, layers=1)
    return parts.SAM3VLBackbone(scalp=1, visual=neck, text=text)


def tokenized(words: list[str], context_length: int = 32) -> Tensor:
    """As the package's tokenizer: padded with 0."""
    rows = torch.zeros(len(words), context_length, dtype=torch.long)
    for row, word in zip(rows, words, strict=True):
        found = (49406, *tiny.WORDS[word], 49407)
        row[: len(found)] = torch.tensor(found)
    return rows


def transformer() -> nn.Module:
    encoder = parts.TransformerEncoderFusion(
        layer=encoder_layer(first=True, at_attention=True, at_keys=False), num_layers=LAYERS, d_model=tiny.WIDTH,
        num_feature_levels=1, frozen=False, use_act_checkpoint=False, add_pooled_text_to_img_feat=False,
        pool_text_with_mask=True,
    )  # fmt: skip
    layer = parts.TransformerDecoderLayer(
        activation="relu", d_model=tiny.WIDTH, dim_feedforward=FEEDFORWARD, dropout=0.0, cross_attention=attention(),
        n_heads=HEADS, use_text_cross_attention=True,
    )  # fmt: skip
    decoder = parts.TransformerDecoder(
        layer=layer, num_layers=LAYERS, num_queries=tiny.QUERIES, return_intermediate=True, box_refine=True,
        num_o2m_queries=0, dac=True, boxRPB="log", d_model=tiny.WIDTH, frozen=False, interaction_layer=None,
        dac_use_selfatt_ln=True, use_act_checkpoint=False, presence_token=True,
    )  # fmt: skip
    return parts.TransformerWrapper(encoder=encoder, decoder=decoder, d_model=tiny.WIDTH)


def detector() -> nn.Module:
    pixels = parts.PixelDecoder(num_upsampling_stages=3, interpolation_mode="nearest", hidden_dim=tiny.WIDTH)
    masks = parts.UniversalSegmentationHead(
        hidden_dim=tiny.WIDTH, upsampling_stages=3, aux_masks=False, presence_head=False, dot_product_scorer=None,
        act_ckpt=False, cross_attend_prompt=attention(), pixel_decoder=pixels,
    )  # fmt: skip
    geometry = parts.SequenceGeometryEncoder(
        pos_enc=positions(), encode_boxes_as_points=False, points_direct_project=True, points_pool=True,
        points_pos_enc=True, boxes_direct_project=True, boxes_pool=True, boxes_pos_enc=True, d_model=tiny.WIDTH,
        num_layers=LAYERS, layer=encoder_layer(first=False, at_attention=False, at_keys=True), use_act_ckpt=False,
        add_cls=True, add_post_encode_proj=True,
    )  # fmt: skip
    scores = parts.MLP(input_dim=tiny.WIDTH, hidden_dim=FEEDFORWARD, output_dim=tiny.WIDTH, num_layers=2, dropout=0.0,
                       residual=True, out_norm=nn.LayerNorm(tiny.WIDTH))  # fmt: skip
    return parts.Sam3Image(
        backbone=backbone(), transformer=transformer(), input_geometry_encoder=geometry, segmentation_head=masks,
        num_feature_levels=1, o2m_mask_predict=True, use_instance_query=False, multimask_output=True,
        dot_prod_scoring=parts.DotProductScoring(d_model=tiny.WIDTH, d_proj=tiny.WIDTH, prompt_mlp=scores),
    )  # fmt: skip


def tracker() -> nn.Module:
    grid = tiny.SIDE // 14
    memory = parts.SimpleMaskEncoder(
        in_dim=tiny.WIDTH, out_dim=64, position_encoding=positions(64),
        mask_downsampler=parts.SimpleMaskDownSampler(embed_dim=tiny.WIDTH, kernel_size=3, stride=2, padding=1,
                                                     interpol_size=[16 * grid, 16 * grid]),
        fuser=parts.SimpleFuser(num_layers=2, layer=parts.CXBlock(dim=tiny.WIDTH, kernel_size=7, padding=3,
                                                                  layer_scale_init_value=1e-6, use_dwconv=True)),
    )  # fmt: skip
    layer = parts.TransformerDecoderLayerv2(
        cross_attention_first=False, activation="relu", dim_feedforward=128, dropout=0.0, pos_enc_at_attn=False,
        pre_norm=True, d_model=tiny.WIDTH, pos_enc_at_cross_attn_keys=True, pos_enc_at_cross_attn_queries=False,
        self_attention=_rotary(grid), cross_attention=_rotary(grid, kv_in_dim=64, rope_k_repeat=True),
    )  # fmt: skip
    encoder = parts.TransformerEncoderCrossAttention(
        remove_cross_attention_layers=[], batch_first=True, d_model=tiny.WIDTH, frozen=False, pos_enc_at_input=True,
        layer=layer, num_layers=2, use_act_checkpoint=False,
    )  # fmt: skip
    return parts.Sam3TrackerPredictor(
        image_size=tiny.SIDE, num_maskmem=7, backbone=None, backbone_stride=14, maskmem_backbone=memory,
        transformer=parts.TransformerWrapper(encoder=encoder, decoder=None, d_model=tiny.WIDTH),
        multimask_output_in_sam=True, forward_backbone_per_frame_for_eval=True, multimask_output_for_tracking=True,
        multimask_min_pt_num=0, multimask_max_pt_num=1, max_cond_frames_in_attn=4, fill_hole_area=0,
        sam_mask_decoder_extra_args={"dynamic_multimask_via_stability": True,
                                     "dynamic_multimask_stability_delta": 0.05,
                                     "dynamic_multimask_stability_thresh": 0.98},
        use_memory_selection=True,
    )  # fmt: skip


def _rotary(grid: int, **more: Any) -> nn.Module:
    return parts.RoPEAttention(embedding_dim=tiny.WIDTH, num_heads=1, downsample_rate=1, dropout=0.0,
                               rope_theta=10000.0, feat_sizes=[grid, grid], use_fa3=False, use_rope_real=False,
                               **more)  # fmt: skip


def filled(network: nn.Module, beginning: str) -> nn.Module:
    """A network with the weights that its names stand for; tables of frequencies are its own."""
    state = {
        name: value if value.is_complex() else tiny.entry(beginning + name, tuple(value.shape))
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, strict=True)
    return network.eval()


def image_outputs(network: Any) -> Mapping[str, Tensor]:
    """Each output for each word, as (1, words, …), and the coarsest features of the image."""
    seen = network.backbone.forward_image(tiny.photo())
    seen.update(network.backbone.forward_text(list(tiny.WORDS), device="cpu"))
    found = []
    for place in range(len(tiny.WORDS)):
        asked = FindStage(img_ids=torch.tensor([0]), text_ids=torch.tensor([place]), input_boxes=None,
                          input_boxes_mask=None, input_boxes_label=None, input_points=None,
                          input_points_mask=None)  # fmt: skip
        no_box = Prompt(box_embeddings=torch.zeros(0, 1, 4), box_mask=torch.zeros(1, 0, dtype=torch.bool))
        out = network.forward_grounding(backbone_out=dict(seen), find_input=asked, find_target=None,
                                        geometric_prompt=no_box)  # fmt: skip
        found.append({"pred_logits": out["pred_logits"].squeeze(-1), "pred_boxes": out["pred_boxes_xyxy"],
                      "pred_masks": out["pred_masks"], "presence_logits": out["presence_logit_dec"],
                      "semantic_seg": out["semantic_seg"]})  # fmt: skip
    stacked = {name: torch.stack([one[name] for one in found], dim=1) for name in found[0]}
    return {**stacked, "vision": seen["backbone_fpn"][-1]}


def tracker_outputs(network: Any) -> Mapping[str, Tensor]:
    """One step of the tracker on `tiny.seen`, with and without the choice of memories, and what it makes of a mask.

    ``memory…`` is the frame's coarsest features after attention to the memories; ``masks``, ``overlaps``, ``object``
    and ``pointer`` what the mask decoder makes of them; ``given…`` of a mask that is given; ``encoded`` a memory.
    """
    *fine, coarse = tiny.seen()
    grid = tuple(coarse.shape[-2:])
    found = {}
    for name, chosen in (("memory", True), ("memory_of_the_last", False)):
        network.use_memory_selection = chosen
        found[name] = network._prepare_memory_conditioned_features(  # noqa: SLF001
            frame_idx=tiny.FRAME, is_init_cond_frame=False, current_vision_feats=[coarse.flatten(2).permute(2, 0, 1)],
            current_vision_pos_embeds=[tiny.drawn("place", 64, 1, tiny.WIDTH)], feat_sizes=[grid],
            output_dict=_history(), num_frames=tiny.FRAMES,
        )  # fmt: skip
    masks, _, overlaps, _, _, pointer, seen = network._forward_sam_heads(  # noqa: SLF001
        backbone_features=found["memory"], high_res_features=fine, multimask_output=True
    )
    given = network._use_mask_as_output(found["memory"], fine, tiny.given())  # noqa: SLF001
    encoded, _ = network._encode_new_memory(  # noqa: SLF001
        image=None, current_vision_feats=[coarse.flatten(2).permute(2, 0, 1)], feat_sizes=[grid],
        pred_masks_high_res=tiny.drawn("found", 1, 1, tiny.SIDE, tiny.SIDE), object_score_logits=torch.tensor([[-1.0]]),
        is_mask_from_pts=False,
    )  # fmt: skip
    return {**found, "masks": masks, "overlaps": overlaps, "pointer": pointer, "object": seen,
            "given_pointer": given[5], "given_object": given[6], "encoded": encoded,
            "sure": network.cal_mem_score(seen, overlaps.max(-1)[0])}  # fmt: skip


def _history() -> Mapping[str, Mapping[int, Any]]:
    outputs = {
        at: {"maskmem_features": kept["memory"], "maskmem_pos_enc": [kept["position"]], "obj_ptr": kept["pointer"],
             "eff_iou_score": kept["sure"]}
        for at, kept in tiny.remembered().items()
    }  # fmt: skip
    first = {at: outputs[at] for at in tiny.CONDITIONING}
    others = {at: out for at, out in outputs.items() if at not in first}
    return {"cond_frame_outputs": first, "non_cond_frame_outputs": others}


def main() -> None:
    """Write the names and the outputs."""
    tiny.GOLDEN.mkdir(parents=True, exist_ok=True)
    networks = {"detector.": filled(detector(), "detector."), "tracker.": filled(tracker(), "tracker.")}
    names = {f"{beginning}{name}": list(value.shape) for beginning, network in networks.items()
             for name, value in network.state_dict().items()}  # fmt: skip
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in names.items())
    (tiny.GOLDEN / "names.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
    with OnCpu(), torch.inference_mode():
        found = image_outputs(networks["detector."])
        tracked = tracker_outputs(networks["tracker."])
    np.savez(tiny.GOLDEN / "outputs.npz", **{name: value.numpy() for name, value in found.items()})
    np.savez(tiny.GOLDEN / "tracked.npz", **{name: value.numpy() for name, value in tracked.items()})


if __name__ == "__main__":
    main()
