"""The names of the authors and those of the library."""

from __future__ import annotations

import pytest

from npu_eval.sam3.original_names import library_name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("detector.backbone.vision_backbone.trunk.blocks.31.mlp.fc1.weight",
         "detector_model.vision_encoder.backbone.layers.31.mlp.fc1.weight"),
        ("detector.backbone.vision_backbone.sam2_convs.0.dconv_2x2_1.bias",
         "tracker_neck.fpn_layers.0.scale_layers.2.bias"),
        ("detector.transformer.decoder.layers.5.norm1.weight",
         "detector_model.detr_decoder.layers.5.vision_cross_attn_layer_norm.weight"),
        ("detector.transformer.encoder.layers.5.norm1.weight",
         "detector_model.detr_encoder.layers.5.layer_norm1.weight"),
        ("detector.transformer.decoder.norm.bias", "detector_model.detr_decoder.output_layer_norm.bias"),
        ("detector.geometry_encoder.norm.bias", "detector_model.geometry_encoder.prompt_layer_norm.bias"),
        ("detector.geometry_encoder.cls_embed.weight", "detector_model.geometry_encoder.cls_embed.weight"),
        ("tracker.sam_mask_decoder.iou_prediction_head.layers.1.weight",
         "tracker_model.mask_decoder.iou_prediction_head.layers.0.weight"),
        ("tracker.maskmem_backbone.mask_downsampler.encoder.10.bias",
         "tracker_model.memory_encoder.mask_downsampler.layers.3.layer_norm.bias"),
        ("tracker.maskmem_backbone.mask_downsampler.encoder.1.bias",
         "tracker_model.memory_encoder.mask_downsampler.layers.0.layer_norm.bias"),
        ("tracker.no_obj_ptr", "tracker_model.no_object_pointer"),
        ("tracker.obj_ptr_proj.layers.2.bias", "tracker_model.object_pointer_proj.proj_out.bias"),
        ("tracker.mask_downsample.weight", "tracker_model.mask_downsample.weight"),
    ],
)  # fmt: skip
def test_a_name_of_the_authors_is_the_librarys(theirs: str, ours: str) -> None:
    assert library_name(theirs) == ours


def test_what_is_neither_networks_keeps_its_name() -> None:
    assert library_name("optimizer.state.0") == "optimizer.state.0"
    assert library_name("detector.new_part.norm") == "detector_model.new_part.norm"
