"""The video network's parts against what the authors' tracker gave, and what each correction changes in a clip."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

import original_sam3
from npu_eval.sam3 import corrections
from npu_eval.sam3.checkpoints import library_names
from npu_eval.sam3.corrections import CLS, MEMORY, NEW_MASKS, POINTERS, SUPPRESSION, VIDEO
from npu_eval.sam3.video_network import SCORE, correct_video, memory_score

CLIP = 6
"""Frames."""


@pytest.fixture(scope="module")
def network() -> Any:
    """One for all tests; each corrects it as it needs."""
    small = {"score_threshold_detection": 0.3, "new_det_thresh": 0.31, "hotstart_delay": 0}
    built = transformers.Sam3VideoModel(transformers.Sam3VideoConfig(**original_sam3.video_config(), **small))
    named = library_names(original_sam3.checkpoint())
    built.load_state_dict({name: x for name, x in named.items() if ".points_" not in name}, strict=True)
    return built.eval()


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    return original_sam3.tracked()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def difference(ours: Tensor, theirs: Tensor) -> float:
    assert ours.numel() == theirs.numel()
    return float((ours.float().flatten() - theirs.flatten()).abs().max())


def history() -> Any:
    """What a session keeps of one object, as far as the tracker looks at it."""
    kept = {
        at: {"maskmem_features": of["memory"].flatten(2).permute(2, 0, 1), "object_pointer": of["pointer"][None],
             "maskmem_pos_enc": of["position"].flatten(2).permute(2, 0, 1), SCORE: of["sure"]}
        for at, of in original_sam3.remembered().items()
    }  # fmt: skip
    first = {at: out for at, out in kept.items() if at in original_sam3.CONDITIONING}
    others = {at: out for at, out in kept.items() if at not in first}
    return SimpleNamespace(
        output_dict_per_obj={0: {"cond_frame_outputs": first, "non_cond_frame_outputs": others}}, dtype=torch.float32,
        num_frames=original_sam3.FRAMES, obj_ids=[1], obj_idx_to_id=lambda place: 1, obj_id_to_idx=lambda name: 0,
    )  # fmt: skip


def conditioned(network: Any, which: Collection[str]) -> Tensor:
    correct_video(network, which)
    coarse = original_sam3.seen()[-1].flatten(2).permute(2, 0, 1)
    found: Tensor = network.tracker_model._prepare_memory_conditioned_features(
        inference_session=history(), frame_idx=original_sam3.FRAME, obj_idx=0, is_initial_conditioning_frame=False,
        current_vision_features=coarse, num_total_frames=original_sam3.FRAMES,
        current_vision_positional_embeddings=original_sam3.drawn("place", 64, 1, original_sam3.WIDTH),
    )  # fmt: skip
    return found


def test_a_frame_remembers_what_the_authors_tracker_does(network: Any, theirs: dict[str, Tensor]) -> None:
    assert difference(conditioned(network, VIDEO), theirs["memory"]) < 1e-5
    assert difference(conditioned(network, VIDEO - {MEMORY}), theirs["memory_of_the_last"]) < 1e-5


def test_without_the_choice_of_memories_it_remembers_others(network: Any, theirs: dict[str, Tensor]) -> None:
    assert difference(conditioned(network, VIDEO - {MEMORY}), theirs["memory"]) > 0.5


def test_without_the_choice_of_pointers_there_is_one_too_many(network: Any, theirs: dict[str, Tensor]) -> None:
    assert difference(conditioned(network, VIDEO - {POINTERS}), theirs["memory"]) > 0.01
    found = {}
    for which in (VIDEO, VIDEO - {POINTERS}, VIDEO - {POINTERS, MEMORY}, VIDEO - {MEMORY}):
        correct_video(network, which)
        found[which] = network.tracker_model._get_object_pointers(history(), 0, 20, 30, "cpu")[0]
    assert found[VIDEO][:4] == [4, 8, 12, 16]
    assert found[VIDEO - {POINTERS}][:5] == [20, 16, 12, 8, 4]
    assert found[VIDEO - {POINTERS, MEMORY}] == [20, 16, 12, 8, 4, *(i for i in range(1, 16) if i not in (4, 8, 12))]
    assert found[VIDEO - {MEMORY}] == [4, 8, 12, 16, *(i for i in range(1, 16) if i not in (4, 8, 12))]


def test_the_frames_that_are_remembered_are_those_on_which_it_was_sure(network: Any) -> None:
    correct_video(network, VIDEO)
    tracker = network.tracker_model
    sure = [at for at in range(1, 20) if at not in {*original_sam3.CONDITIONING, *original_sam3.UNSURE}]
    assert tracker._remembered(history(), 0, 20, reverse=False) == [*sure, 19]  # the last one always
    assert tracker._remembered(history(), 0, 19, reverse=False) == sure
    assert tracker._remembered(history(), 0, 0, reverse=False) == []
    assert tracker._remembered(history(), 0, 14, reverse=True) == [18, 15]
    assert tracker._remembered(history(), 0, 29, reverse=True) == []


def test_a_score_is_of_all_objects_that_appeared_together(network: Any) -> None:
    correct_video(network, VIDEO)
    session = history()
    session.obj_ids, session.obj_id_to_idx = [1, 2, 3], lambda name: name - 1
    session.obj_idx_to_id = lambda place: place + 1
    session.obj_first_frame_idx, session.obj_id_to_prompt_id = {1: 0, 2: 0, 3: 7}, {1: 0, 2: 0, 3: 0}
    others = {19: {SCORE: torch.tensor(0.5)}, 17: {SCORE: torch.tensor(0.5)}, 14: {SCORE: torch.tensor(0.012)}}
    session.output_dict_per_obj |= {1: {"non_cond_frame_outputs": others}, 2: {"non_cond_frame_outputs": {}}}
    found = network.tracker_model._remembered(session, 0, 20, reverse=False)
    assert {17, 19} <= set(found)
    assert 14 not in found  # the mean of 0 and 0.012 is below 0.01


def test_masks_pointers_and_scores_are_those_of_the_authors(network: Any, theirs: dict[str, Tensor]) -> None:
    correct_video(network, VIDEO)
    *fine, _ = original_sam3.seen()
    found = network.tracker_model._single_frame_forward(
        image_embeddings=[*fine, theirs["memory"]], multimask_output=True
    )
    best = int(theirs["overlaps"].argmax())
    assert difference(found.pred_masks, theirs["masks"][0, best]) < 1e-5
    assert difference(found.object_pointer, theirs["pointer"]) < 1e-5
    assert difference(found.object_score_logits, theirs["object"]) < 1e-5
    assert difference(memory_score(found.object_score_logits, found.iou_scores), theirs["sure"]) < 1e-6


def test_a_given_mask_keeps_its_size_and_gives_one_pointer(network: Any, theirs: dict[str, Tensor]) -> None:
    *fine, _ = original_sam3.seen()
    found = {}
    for which in (VIDEO, VIDEO - {NEW_MASKS}):
        correct_video(network, which)
        given = network.tracker_model._use_mask_as_output(theirs["memory"], fine, original_sam3.given())
        found[which] = difference(given.object_pointer, theirs["given_pointer"])
        assert given.high_res_masks.shape[-1] == network.tracker_model.image_size == original_sam3.SIDE
    assert found[VIDEO] < 1e-5
    assert found[VIDEO - {NEW_MASKS}] > 0.05


def test_a_mask_of_the_images_size_becomes_the_authors_memory(network: Any, theirs: dict[str, Tensor]) -> None:
    found = {}
    for which in (VIDEO, VIDEO - {NEW_MASKS}):
        correct_video(network, which)
        memory, _ = network.tracker_model._encode_new_memory(
            current_vision_feats=original_sam3.seen()[-1].flatten(2).permute(2, 0, 1), is_mask_from_pts=False,
            pred_masks_high_res=original_sam3.drawn("found", 1, 1, original_sam3.SIDE, original_sam3.SIDE),
            object_score_logits=torch.tensor([[-1.0]]),
        )  # fmt: skip
        assert memory.dtype == torch.bfloat16  # as both keep it
        found[which] = difference(memory, theirs["encoded"].flatten(2).permute(2, 0, 1).contiguous())
    assert found[VIDEO] <= 2**-6
    assert found[VIDEO - {NEW_MASKS}] > 0.1


def test_a_new_object_is_where_its_fine_logits_are_above_zero(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.full((1, 32, 32), -1.0)
    logits[0, 8:24, 8:24] = 0.4  # sure enough for the authors, not for the library
    taken: list[Tensor] = []
    session = SimpleNamespace(obj_id_to_idx=lambda name: 0, obj_with_new_inputs=[],
                              add_mask_inputs=lambda place, frame, mask: taken.append(mask))  # fmt: skip
    monkeypatch.setattr(type(network.tracker_model), "__call__", lambda *given, **named: None)
    for which in (VIDEO, VIDEO - {NEW_MASKS}):
        correct_video(network, which)
        network._tracker_add_new_objects(session, 0, [5], logits)
    fine, coarse = taken
    assert fine.shape == (1, 1, 128, 128)
    assert 0.2 < fine.float().mean() < 0.3
    assert coarse.shape == (1, 1, 32, 32)
    assert not coarse.any()


def test_a_correcting_detection_is_cut_at_zero(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "recondition_on_trk_masks", False)
    session = SimpleNamespace(obj_id_to_idx=lambda name: name - 4)
    logits = torch.tensor([[[-9.0, 0.4]], [[0.4, -0.2]]])
    found = {}
    for which in (VIDEO, VIDEO - {NEW_MASKS}):
        correct_video(network, which)
        found[which] = network._prepare_recondition_masks(
            inference_session=session, frame_idx=3, det_out={"mask": logits}, trk_masks=None,
            trk_id_to_max_iou_high_conf_det={4: 1}, tracker_obj_scores_global=torch.tensor([9.0]),
        )  # fmt: skip
    assert found[VIDEO][1] == found[VIDEO - {NEW_MASKS}][1] == {4}
    assert found[VIDEO][0][0].sigmoid().flatten().tolist() == [1.0, 0.0]
    assert not found[VIDEO - {NEW_MASKS}][0][0].any()


def seen_in_a_clip(network: Any, which: Collection[str] | None) -> list[dict[int, Tensor]]:
    """Object → mask logits, for each frame of noise that moves. None leaves the network as it is."""
    if which is not None:
        correct_video(network, which)
    photo = original_sam3.photo()[0]
    clip = torch.stack([photo.roll(3 * i, dims=-1) for i in range(CLIP)])
    session = Sam3VideoInferenceSession(
        video=clip, video_height=original_sam3.SIDE, video_width=original_sam3.SIDE, inference_device="cpu",
        inference_state_device="cpu", video_storage_device="cpu", dtype=torch.float32,
    )  # fmt: skip
    ids, attention = original_sam3.tokens()
    word = session.add_prompt("person")
    session.prompt_input_ids[word], session.prompt_attention_masks[word] = ids[:1], attention[:1]
    return [dict(network(inference_session=session, frame_idx=i).obj_id_to_mask) for i in range(CLIP)]


@pytest.fixture(scope="module")
def corrected(network: Any) -> list[dict[int, Tensor]]:
    with torch.inference_mode():
        return seen_in_a_clip(network, VIDEO)


def test_objects_are_tracked_through_a_clip(corrected: list[dict[int, Tensor]]) -> None:
    assert 0 in corrected[0]
    assert 0 in corrected[-1]
    assert all((masks[0] > 0).any() and (masks[0] < 0).any() for masks in corrected)


@pytest.mark.parametrize("without", [CLS, SUPPRESSION, NEW_MASKS, MEMORY])
def test_each_correction_changes_what_a_clip_gives(
    network: Any, corrected: list[dict[int, Tensor]], without: str
) -> None:
    other = seen_in_a_clip(network, VIDEO - {without})
    same = [list(ours) == list(found) and all(torch.equal(ours[i], found[i]) for i in ours)
            for ours, found in zip(corrected, other, strict=True)]  # fmt: skip
    assert not all(same)


def test_without_any_correction_a_clip_gives_what_the_library_gives(network: Any) -> None:
    correct_video(network, ())
    plain = transformers.Sam3VideoModel(network.config).eval()
    plain.load_state_dict(network.state_dict())
    for module in plain.detector_model.vision_encoder.backbone.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-5  # corrected for good in the other one
    plain.detector_model.detr_decoder.clamp_presence_logit_max_val = float("inf")
    for ours, theirs in zip(seen_in_a_clip(network, ()), seen_in_a_clip(plain, None), strict=True):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[i], theirs[i]) for i in ours)


def test_the_librarys_network_becomes_the_corrected_one_with_its_weights() -> None:
    assert corrections.IMAGE < VIDEO
    config = transformers.Sam3VideoConfig(**original_sam3.video_config())
    plain = transformers.Sam3VideoModel(config)
    before = {name: x.clone() for name, x in plain.state_dict().items()}
    correct_video(plain)
    assert all(torch.equal(x, before[name]) for name, x in plain.state_dict().items())
    assert isinstance(plain, transformers.Sam3VideoModel)
