"""What transformers does otherwise than the authors' SAM 3, by name: each difference can be corrected or left alone.

Read in both sources on 2026-11-30 (transformers 5.24, facebookresearch/sam3 of 2026-01-27). Whoever compares with the
library as it is passes fewer of them.
"""

from __future__ import annotations

CLS = "cls-token"
"""A prompt of words alone gets the geometry encoder's CLS token as well; the library adds it only beside boxes."""

MASK_ORDER = "mask-order"
"""Masks are logits brought to the photo's size and cut at 0; the library cuts probabilities at 0.5 after that."""

VIT_EPSILON = "vit-epsilon"
"""The ViT's LayerNorms divide with 1e-5; the library's configuration, and with it the published one, says 1e-6."""

PRESENCE = "presence"
"""The logit of a word's presence is as it comes; the library cuts it at ±10, beyond which nothing can be learned."""

IMAGE = frozenset({CLS, MASK_ORDER, VIT_EPSILON, PRESENCE})
"""Those of the image network."""

SUPPRESSION = "suppression"
"""Overlapping detections are suppressed, holes filled, sprinkles removed; without CUDA the library leaves that out."""

NEW_MASKS = "new-masks"
"""A new object's mask is its logits above 0 at the tracker's full size; the library takes coarse logits from 0.5 on."""

MEMORY = "memory-selection"
"""Remembered are the latest frames on which the tracker was sure of its object; the library's are the last ones."""

POINTERS = "conditioning-pointers"
"""Of the conditioning frames only those that take part give pointers; the library adds one of each, for ever."""

VIDEO = IMAGE | {SUPPRESSION, NEW_MASKS, MEMORY, POINTERS}
"""Those of the video network."""
