"""SAM 3's detections of a photo without its raw outputs: words in chunks, masks of the kept queries alone.

The raw outputs of 80 words are 5.3 GB of mask logits a photo at full size. Here a chunk of words passes the encoder and
the decoder, its scores decide, and of the pixel decoder's work only that for words with a kept query is done. What
waits for the end of a photo under a limit for the whole image are the features of the words that are still in it: at
most one for each detection that the protocol keeps, however many words there are.

A chunk of one word is computed as the network's own `forward` computes it, to the bit; in larger ones the same sums
are taken in another order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers.models.sam3.modeling_sam3 import box_cxcywh_to_xyxy, inverse_sigmoid

from npu_eval.models.detections import DetectionSet, mask_size
from npu_eval.models.protocols import DetectionProtocol
from npu_eval.sam3.corrections import CLS, IMAGE
from npu_eval.sam3.image_network import cls_token, outlines, text_features

MASK_BYTES = 2**26
"""Bytes of masks that are given at a time, one a pixel: 200 of a COCO photo, and 16 of the largest grid."""


def chosen(scores: Tensor, protocol: DetectionProtocol) -> Tensor:
    """The places that a protocol keeps of (words, queries) scores, flat and best first.

    Of equal scores the earlier word comes first, and of one word the earlier query.
    """
    kept = scores >= protocol.score_floor
    if protocol.per_class is not None:
        order = scores.argsort(dim=1, descending=True, stable=True)
        kept &= order.argsort(dim=1) < protocol.per_class
    places = scores.flatten().argsort(descending=True, stable=True)
    places = places[kept.flatten()[places]]
    return places if protocol.per_image is None else places[: protocol.per_image]


@dataclass(frozen=True)
class _Word:
    """A word with its kept queries, by their number: ``scores`` (K,) and ``boxes`` (K, 4) from 0 to 1 on the CPU, the
    rest on the device: ``queries`` (1, K, width), ``encoded`` (1, h w, width), ``prompt`` (1, L, width), ``known``."""

    number: int
    scores: Tensor
    boxes: Tensor
    queries: Tensor
    encoded: Tensor
    prompt: Tensor
    known: Tensor

    def only(self, kept: Tensor) -> _Word:
        """With those queries that a mask (K,) of them keeps."""
        places = kept.nonzero().flatten()
        queries = self.queries[:, places.to(self.queries.device)]
        return replace(self, scores=self.scores[places], boxes=self.boxes[places], queries=queries)


class DirectDetector:
    """A network that looks for some words, which are encoded once.

    Args:
        detector: a corrected `Sam3Model`.
        ids: (words, 32) tokens.
        attention: (words, 32), 1 where a token counts.
    """

    def __init__(
        self,
        detector: Any,
        ids: Tensor,
        attention: Tensor,
        protocol: DetectionProtocol,
        corrections: Collection[str] = IMAGE,
    ) -> None:
        self._detector, self._protocol, self._corrections = detector, protocol, corrections
        self._attention = attention
        self._words = text_features(detector, ids, attention)

    def __call__(self, batch: Tensor, size: tuple[int, int], classes_at_once: int) -> Iterator[DetectionSet]:
        """What is found in one photo, in parts; together, sorted by score, they are its detections.

        Args:
            batch: the photo as `preprocess` makes it, (1, 3, h, w).
            size: its height and width.
            classes_at_once: words in a chunk.
        """
        seen = self._detector.get_vision_features(batch)
        token = cls_token(self._detector, seen) if CLS in self._corrections else self._words[:1, :0]
        waiting: list[_Word] = []
        for start in range(0, len(self._words), classes_at_once):
            found = self._chunk(seen, token, start, start + classes_at_once)
            if self._protocol.per_image is None:
                yield from self._parts(found, seen, size)
            else:
                waiting = _best([*waiting, *found], self._protocol.per_image)
        yield from self._parts(waiting, seen, size)

    def _chunk(self, seen: Any, token: Tensor, start: int, end: int) -> list[_Word]:
        """The words of a chunk that have a query which the protocol may keep."""
        words, attention = self._words[start:end], self._attention[start:end]
        rows = len(words)
        prompt = torch.cat([words, token.expand(rows, -1, -1)], dim=1)
        known = torch.cat([attention, attention.new_ones(rows, token.shape[1])], dim=1).bool()
        features, positions = seen.fpn_hidden_states[-2], seen.fpn_position_encoding[-2]
        encoded = self._detector.detr_encoder(
            vision_features=[features.expand(rows, -1, -1, -1)],
            text_features=prompt,
            vision_pos_embeds=[positions.expand(rows, -1, -1, -1)],
            text_mask=known,
        )
        decoded = self._detector.detr_decoder(
            vision_features=encoded.last_hidden_state,
            text_features=prompt,
            vision_pos_encoding=encoded.pos_embeds_flattened,
            text_mask=known,
            spatial_shapes=encoded.spatial_shapes,
        )
        queries = decoded.intermediate_hidden_states[-1]
        logits = self._detector.dot_product_scoring(
            decoder_hidden_states=queries[None], text_features=prompt, text_mask=known
        )[-1, ..., 0]
        refined = inverse_sigmoid(decoded.reference_boxes[-1]) + self._detector.detr_decoder.box_head(queries)
        boxes = _on_host(box_cxcywh_to_xyxy(refined.sigmoid()))
        scores = scores_of(_on_host(logits), _on_host(decoded.presence_logits[-1]))
        kept = torch.zeros_like(scores, dtype=torch.bool)
        kept.view(-1)[chosen(scores, self._protocol)] = True
        return [
            _Word(
                start + i,
                scores[i],
                boxes[i],
                queries[i : i + 1],
                encoded.last_hidden_state[i : i + 1].clone(),
                prompt[i : i + 1].clone(),
                known[i : i + 1].clone(),
            ).only(kept[i])  # a view would hold the chunk
            for i in range(rows)
            if kept[i].any()
        ]

    def _parts(self, words: Sequence[_Word], seen: Any, size: tuple[int, int]) -> Iterator[DetectionSet]:
        grid = mask_size(*size)
        most = max(1, MASK_BYTES // (grid[0] * grid[1]))
        corners = torch.tensor([size[1], size[0], size[1], size[0]])
        for word in words:
            masks = self._detector.mask_decoder(
                decoder_queries=word.queries,
                backbone_features=list(seen.fpn_hidden_states[:-1]),
                encoder_hidden_states=word.encoded,
                prompt_features=word.prompt,
                prompt_mask=word.known,
            ).pred_masks[0]
            for at in range(0, len(masks), most):
                part = slice(at, at + most)
                scores = word.scores[part]
                yield DetectionSet(
                    word.boxes[part] * corners,
                    scores,
                    torch.full((len(scores),), word.number),
                    outlines(masks[part].float(), grid, self._corrections),
                )


def scores_of(logits: Tensor, presence: Tensor) -> Tensor:
    """(words, queries) scores: that of the object times that of the word's presence, (words, 1).

    Word by word: a processor takes most of a row in vectors and its end one by one, with another last bit, so that in
    one go a score would depend on how many words there are.
    """
    pairs = zip(logits, presence, strict=True)
    return torch.stack([own.contiguous().sigmoid() * there.contiguous().sigmoid() for own, there in pairs])


def _best(words: Sequence[_Word], most: int) -> list[_Word]:
    """The words with those of their queries that are among the best of all; without those that have none."""
    lengths = [len(word.scores) for word in words]
    kept = torch.zeros(sum(lengths), dtype=torch.bool)
    kept[torch.cat([word.scores for word in words]).argsort(descending=True, stable=True)[:most]] = True
    pairs = zip(words, kept.split(lengths), strict=True)
    return [word if own.all() else word.only(own) for word, own in pairs if own.any()]


def _on_host(values: Tensor) -> Tensor:
    return values.detach().float().cpu()
