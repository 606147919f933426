"""The video part of SAM 3 with the authors' results: detector, tracker and the plan that joins them, each corrected
where the library's differs. The classes have no state of their own but the names of the corrections, so that a network
of the library becomes one of them as it is, with its weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from npu_eval.sam3 import kernels
from npu_eval.sam3.corrections import CLS, MEMORY, NEW_MASKS, POINTERS, SUPPRESSION, VIDEO
from npu_eval.sam3.image_network import cls_token, correct

LEAST_MEMORY_SCORE = 0.01
"""Of a frame that is worth remembering (`mf_threshold` in sam3/model/sam3_tracker_base.py)."""

SCORE = "memory_score"
"""Under which the tracker keeps, with a frame's output, how sure it is of the object there."""

_SHARP = 1e4
"""Times a logit: its sigmoid is 0 or 1, and where its upsampled neighbours cross 0 is unchanged."""


def correct_video(network: Any, corrections: Collection[str] = VIDEO) -> None:
    """Make a `Sam3VideoModel` of the library give what the authors' video network gives.

    Args:
        network: it keeps its weights; may be corrected again, with others. The ViT's epsilon stays once corrected.
    """
    network.__class__, network.detector_model.__class__ = Video, Detector
    network.tracker_model.__class__ = Tracker
    for part in (network, network.detector_model, network.tracker_model):
        part.corrections = frozenset(corrections)
    correct(network.detector_model, corrections)


class Detector(transformers.Sam3Model):  # type: ignore[misc]  # the library has no types
    """The image network, whose words come with the CLS token of the frame."""

    corrections: frozenset[str]

    def forward(self, **inputs: Any) -> Any:
        """As the library's, with vision and text already encoded."""
        seen, text = inputs.get("vision_embeds"), inputs.get("text_embeds")
        if CLS not in self.corrections or seen is None or text is None or inputs.get("input_boxes") is not None:
            return super().forward(**inputs)
        token = cls_token(self, seen)
        words, counts = text.pooler_output.expand(len(token), -1, -1), inputs["attention_mask"].expand(len(token), -1)
        return super().forward(
            **{
                **inputs,
                "text_embeds": BaseModelOutputWithPooling(pooler_output=torch.cat([words, token], dim=1)),
                "attention_mask": torch.cat([counts, counts.new_ones(len(token), 1)], dim=1),
            }
        )


class Tracker(transformers.Sam3TrackerVideoModel):  # type: ignore[misc]
    """The tracker: remembers the frames on which it was sure of its object, and takes masks at their full size."""

    corrections: frozenset[str]
    image_size: int
    _overlap: Tensor | None = None
    _given: bool = False

    def _single_frame_forward(self, *given: Any, **named: Any) -> Any:
        if self._given:
            named["multimask_output"] = False
        found = super()._single_frame_forward(*given, **named)
        self._overlap = found.iou_scores
        return found

    def _use_mask_as_output(self, backbone_features: Any, high_res_features: Any, mask_inputs: Tensor) -> Any:
        """A given mask as if it had been found.

        The authors keep it at the size for which the layer that makes it smaller was trained, and ask the decoder for
        one mask; the library brings it to the image's size first, and takes the best of three.
        """
        size = self.image_size
        if NEW_MASKS in self.corrections:
            self.image_size, self._given = mask_inputs.shape[-1], True
        try:
            found = super()._use_mask_as_output(backbone_features, high_res_features, mask_inputs)
        finally:
            self.image_size, self._given = size, False
        if NEW_MASKS in self.corrections:  # the memory is made of the small mask, brought to the image's size
            fine = nn.functional.interpolate(found.pred_masks.float(), (size, size), mode="bilinear")
            found.high_res_masks = fine.to(found.pred_masks.dtype)
        self._overlap = found.iou_scores
        return found

    def _encode_new_memory(
        self,
        current_vision_feats: Tensor,
        pred_masks_high_res: Tensor,
        object_score_logits: Tensor,
        is_mask_from_pts: bool,
    ) -> Any:
        """A mask of the image's size is cut, or made probabilities, before it is brought to the memory's size; the
        library does so after it.
        """
        if NEW_MASKS in self.corrections and pred_masks_high_res.shape[-1] == self.image_size:
            hard = is_mask_from_pts and not self.training
            masks = (pred_masks_high_res > 0).float() if hard else pred_masks_high_res.float().sigmoid()
            size = [4 * side for side in self.prompt_encoder.mask_input_size]
            masks = nn.functional.interpolate(masks, size, mode="bilinear", antialias=True).clamp(0, 1)
            pred_masks_high_res, is_mask_from_pts = masks.logit().to(pred_masks_high_res.dtype), False
        return super()._encode_new_memory(
            current_vision_feats, pred_masks_high_res, object_score_logits, is_mask_from_pts
        )

    def _run_single_frame_inference(self, *given: Any, **named: Any) -> dict[str, Any]:
        found: dict[str, Any] = super()._run_single_frame_inference(*given, **named)
        overlap, self._overlap = self._overlap, None
        if overlap is not None and "object_score_logits" in found:
            found[SCORE] = memory_score(found["object_score_logits"], overlap)
        return found

    def _gather_memory_frame_outputs(
        self, inference_session: Any, obj_idx: int, frame_idx: int, track_in_reverse_time: bool = False
    ) -> list[tuple[int, Any]]:
        found = super()._gather_memory_frame_outputs(inference_session, obj_idx, frame_idx, track_in_reverse_time)
        if MEMORY not in self.corrections:
            return list(found)
        outputs = inference_session.output_dict_per_obj[obj_idx]
        others = self._conditioning(outputs, frame_idx)[1]
        frames = self._remembered(inference_session, obj_idx, frame_idx, reverse=track_in_reverse_time)
        ranks = range(min(self.num_maskmem - 1, len(frames)), 0, -1)
        stored = outputs["non_cond_frame_outputs"]
        return [
            *((rank, out) for rank, out in found if rank == 0),
            *((rank, stored.get(frames[-rank], others.get(frames[-rank]))) for rank in ranks),
        ]

    def _get_object_pointers(
        self,
        inference_session: Any,
        obj_idx: int,
        frame_idx: int,
        num_total_frames: int,
        device: Any,
        track_in_reverse_time: bool = False,
        streaming: bool = False,
    ) -> tuple[list[int], list[Tensor], int]:
        """Those of the conditioning frames that count, then of the remembered ones; the oldest of these gives none."""
        if self.corrections.isdisjoint({MEMORY, POINTERS}):
            found: tuple[list[int], list[Tensor], int] = super()._get_object_pointers(
                inference_session, obj_idx, frame_idx, num_total_frames, device, track_in_reverse_time, streaming
            )
            return found
        most = self.config.max_object_pointers_in_encoder
        most = most if streaming else min(num_total_frames, most)
        direction = -1 if track_in_reverse_time else 1
        outputs = inference_session.output_dict_per_obj[obj_idx]
        chosen, others = self._conditioning(outputs, frame_idx)
        chosen = chosen if POINTERS in self.corrections else outputs["cond_frame_outputs"]
        pairs = [(direction * (frame_idx - at), out) for at, out in chosen.items()]
        pairs = [pair for pair in pairs if self.training or pair[0] >= 0]
        if MEMORY in self.corrections:
            frames = self._remembered(inference_session, obj_idx, frame_idx, reverse=track_in_reverse_time)
            places = [(rank, frames[-rank]) for rank in range(1, min(most, len(frames)))]
        else:
            places = [(rank, frame_idx - direction * rank) for rank in range(1, most)]
        stored = outputs["non_cond_frame_outputs"]
        pairs += [(rank, out) for rank, at in places if (out := stored.get(at, others.get(at))) is not None]
        return [offset for offset, _ in pairs], [out["object_pointer"].to(device) for _, out in pairs], most

    def _conditioning(self, outputs: Mapping[str, Any], frame_idx: int) -> tuple[dict[int, Any], dict[int, Any]]:
        """The conditioning frames that take part, and the others."""
        chosen, others = self._select_closest_cond_frames(
            frame_idx, outputs["cond_frame_outputs"], max_cond_frame_num=self.config.max_cond_frame_num
        )
        return chosen, others

    def _remembered(self, session: Any, place: int, frame: int, *, reverse: bool) -> list[int]:
        """The latest frames that were worth it, the nearest last; that one always (`frame_filter` of the authors)."""
        nearest = frame + 1 if reverse else frame - 1
        if not 0 <= nearest < session.num_frames:
            return []
        most = min(session.num_frames, self.config.max_object_pointers_in_encoder)
        stored = session.output_dict_per_obj[place]["non_cond_frame_outputs"]
        past = sorted((at for at in stored if (at > frame if reverse else 0 < at < frame)), reverse=not reverse)
        frames: list[int] = []
        for at in past:
            if len(frames) >= most - 1:
                break
            if _score(session, place, at) > LEAST_MEMORY_SCORE:
                frames.insert(0, at)
        return frames if nearest in frames else [*frames, nearest]


class Video(transformers.Sam3VideoModel):  # type: ignore[misc]
    """Detector and tracker together, with suppression, filled holes, and new objects outlined as the authors' are."""

    corrections: frozenset[str]

    def forward(self, *given: Any, **named: Any) -> Any:
        """One frame, as the library's."""
        with kernels.in_place() if SUPPRESSION in self.corrections else contextlib.nullcontext():
            return super().forward(*given, **named)

    def _tracker_add_new_objects(
        self,
        inference_session: Any,
        frame_idx: int,
        new_obj_ids: list[int],
        new_obj_masks: Tensor,
        reverse: bool = False,
    ) -> None:
        """A new object is where its logits, brought to the tracker's size, are above 0; the library takes logits above
        0.5 as they are, so that every object begins too thin.
        """
        if NEW_MASKS in self.corrections:
            size = [4 * side for side in self.tracker_model.prompt_encoder.mask_input_size]
            fine = nn.functional.interpolate(new_obj_masks[:, None].float(), size, mode="bilinear")[:, 0]
            new_obj_masks = (fine > 0).to(fine.dtype)
        super()._tracker_add_new_objects(inference_session, frame_idx, new_obj_ids, new_obj_masks, reverse)

    def _prepare_recondition_masks(self, *given: Any, **named: Any) -> Any:
        """A detection that corrects a track is where its logits are above 0, too."""
        masks, objects = super()._prepare_recondition_masks(*given, **named)
        if NEW_MASKS not in self.corrections or self.recondition_on_trk_masks:
            return masks, objects
        session, matched = named["inference_session"], named["trk_id_to_max_iou_high_conf_det"]
        logits = named["det_out"]["mask"]
        return {session.obj_id_to_idx(i): logits[matched[i]][None, None] * _SHARP for i in objects}, objects


def memory_score(object_logits: Tensor, overlaps: Tensor) -> Tensor:
    """How sure the tracker is of an object on a frame, 0 to 1: the score of its presence, rescaled from 0.5 to 1, times
    the best overlap that it expects of its masks (`cal_mem_score` of the authors).

    Args:
        object_logits: of the object's presence, any shape of one element an object.
        overlaps: (…, masks), the expected IoU of each mask.
    """
    present = (2 * object_logits.float().sigmoid() - 1).clamp(min=0)
    return (present.flatten() * overlaps.float().amax(dim=-1).flatten()).mean()


def _score(session: Any, place: int, frame: int) -> float:
    """Of a frame: the mean over the objects that appeared together with this one, which the authors track together."""
    scores = [
        out[SCORE]
        for other in _together(session, place)
        if (out := session.output_dict_per_obj[other]["non_cond_frame_outputs"].get(frame)) is not None and SCORE in out
    ]
    return float(torch.stack(scores).mean()) if scores else 0.0


def _together(session: Any, place: int) -> list[int]:
    """The objects of one word that were first seen on one frame."""
    first, words = getattr(session, "obj_first_frame_idx", {}), getattr(session, "obj_id_to_prompt_id", {})
    keys = {i: (first.get(i), words.get(i)) for i in session.obj_ids}
    own = keys[session.obj_idx_to_id(place)]
    return [session.obj_id_to_idx(i) for i, key in keys.items() if key == own and None not in key] or [place]
